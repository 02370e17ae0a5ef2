"""A server that answers each line in capitals, with twisted-lab's bounds and options."""
