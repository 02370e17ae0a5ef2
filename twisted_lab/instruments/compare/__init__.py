"""Compare: servers under the same load in turn."""
