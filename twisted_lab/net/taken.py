"""How much of what we wrote the peer has taken: the only sign of life of one that reads slowly and writes nothing."""

import fcntl
import socket
import struct
import sys
import termios
from typing import Any

from twisted_lab.net.below import wire_of

#: Where Linux keeps tcpi_bytes_acked, an unsigned 64-bit integer, in struct tcp_info (linux/tcp.h; since 4.1).
_ACKED_AT = 120


def bytes_taken(transport: Any) -> int:
    """Give how many bytes the peer's kernel has acknowledged; 0 where that can't be known: not TCP, or not Linux."""
    handle = _socket(transport)
    if handle is None or handle.family not in {socket.AF_INET, socket.AF_INET6} or sys.platform != "linux":
        return 0
    info = handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKED_AT + 8)
    return int(struct.unpack_from("=Q", info, _ACKED_AT)[0]) if len(info) == _ACKED_AT + 8 else 0


def bytes_waiting(transport: Any) -> int:
    """Give how many bytes the kernel still holds that the peer's kernel hasn't taken; 0 where that can't be known."""
    handle = _socket(transport)
    if handle is None:
        return 0
    return int(struct.unpack("i", fcntl.ioctl(handle, termios.TIOCOUTQ, bytes(4)))[0])


def _socket(transport: Any) -> socket.socket | None:
    wire = wire_of(transport)
    handle = wire.getHandle() if hasattr(wire, "getHandle") else None
    return handle if isinstance(handle, socket.socket) else None
