"""The command ``filexfer`` as a user runs it: real processes against a real service."""
