"""File transfer that is verified, resumable and durable."""
