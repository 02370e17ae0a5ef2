"""The transport that has the socket, below TLS and other wrappers, if there are any."""

from typing import Any


def wire_of(transport: Any) -> Any:
    """Give it, of a protocol's transport; most often that is the same one."""
    while hasattr(transport, "transport"):
        transport = transport.transport
    return transport
