"""The client: connections, and what is asked over them."""
