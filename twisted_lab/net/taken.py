"""How much of what we wrote the peer has taken: the only sign of life of one that reads slowly and writes nothing."""

import socket
import struct
import sys
from typing import Any

#: Where Linux keeps tcpi_bytes_acked, an unsigned 64-bit integer, in struct tcp_info (linux/tcp.h; since 4.1).
_ACKED_AT = 120


def bytes_taken(transport: Any) -> int:
    """Give how many bytes the peer's kernel has acknowledged; 0 where that can't be known: not TCP, or not Linux."""
    while hasattr(transport, "transport"):  # TLS and other wrappers
        transport = transport.transport
    handle = transport.getHandle() if hasattr(transport, "getHandle") else None
    if not isinstance(handle, socket.socket) or handle.family not in {socket.AF_INET, socket.AF_INET6}:
        return 0
    if not sys.platform.startswith("linux"):
        return 0
    info = handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKED_AT + 8)
    return int(struct.unpack_from("=Q", info, _ACKED_AT)[0]) if len(info) == _ACKED_AT + 8 else 0
