"""Tests of what Twisted lacks."""
