"""Tests of the command ``filexfer``."""
