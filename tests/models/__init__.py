"""The models: programs, run as such."""
