"""The server: who comes in, their sessions, and what is done for them."""
