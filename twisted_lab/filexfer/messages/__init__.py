"""What goes over the wire: requests, replies and bundles as values, and the stream of messages that carries them."""
