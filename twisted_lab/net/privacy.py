"""Whether what goes over a connection can be overheard."""

import sys
from ipaddress import IPv6Address as IPv6
from ipaddress import ip_address
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress, ISSLTransport
from twisted.protocols.policies import ProtocolWrapper


def is_private(transport: Any) -> bool:
    """
    Tell whether only the peer can read what is said on `transport`: TLS to the peer itself, or all on this machine.

    Behind a proxy (``haproxy:``) it never is, not even if the proxy speaks TLS: it only says who its client is, and not
    how that one came to it. A forwarder on this machine that says nothing can't be told from a client on it.
    """
    if ends_in_tls(transport):
        return True
    return not isinstance(transport, ProtocolWrapper) and all(
        is_local(address) for address in (transport.getHost(), transport.getPeer())
    )


def ends_in_tls(transport: Any) -> bool:
    """Tell whether whoever is at the other end of `transport` speaks TLS with us, and no proxy in between."""
    if isinstance(transport, ProtocolWrapper):
        # Each wrapper takes over the interfaces of what it wraps: what they say isn't true of the wrapper itself.
        tls = sys.modules.get("twisted.protocols.tls")
        return tls is not None and isinstance(transport, tls.TLSMemoryBIOProtocol)
    return ISSLTransport.providedBy(transport)


def is_local(address: IAddress) -> bool:
    """Tell whether `address` can be reached from this machine only: loopback, or a UNIX socket."""
    match address:
        case UNIXAddress():
            return True
        case IPv4Address() | IPv6Address():
            return is_loopback(address.host)
        case _:
            return False


def is_loopback(host: str) -> bool:
    """Tell whether the numeric address `host` is 127.0.0.0/8, ::1, or the former written as the latter."""
    try:
        number = ip_address(host)
    except ValueError:
        return False
    if isinstance(number, IPv6) and number.ipv4_mapped is not None:
        number = number.ipv4_mapped
    return number.is_loopback
