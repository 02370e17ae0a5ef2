"""The two directions of a connection, by toxiproxy's names."""

#: From the client to the server, and back.
UPSTREAM, DOWNSTREAM = "upstream", "downstream"
STREAMS = (UPSTREAM, DOWNSTREAM)


def opposite(stream: str) -> str:
    """Give the other one."""
    return DOWNSTREAM if stream == UPSTREAM else UPSTREAM
