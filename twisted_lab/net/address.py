"""Addresses, as a log line or a message shows them."""

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress


def show_address(address: IAddress | None) -> str:
    """Give ``127.0.0.1:5678``, ``[::1]:5678``, ``unix:/run/echo`` or ``unix`` for a peer without a name."""
    match address:
        case IPv4Address():
            return f"{address.host}:{address.port}"
        case IPv6Address():
            return f"[{address.host}]:{address.port}"
        case UNIXAddress():
            name = address.name.decode(errors="backslashreplace") if address.name else ""
            return f"unix:{name}" if name else "unix"
        case _:
            return str(address)
