"""Conform: numbered cases that a server of a stream protocol should pass, whatever its protocol."""
