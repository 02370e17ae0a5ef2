"""Whole trees of files, one here and one behind a connection: walked side by side, in bounded memory."""
