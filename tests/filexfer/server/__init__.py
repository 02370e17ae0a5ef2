"""Tests of the server's sessions and accounts."""
