"""Load: messages at a constant rate, and how long each took."""
