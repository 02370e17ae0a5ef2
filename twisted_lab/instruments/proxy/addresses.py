"""Addresses as toxiproxy writes them, ``HOST:PORT``, or as Twisted does, and the endpoints that they mean."""

import re
from ipaddress import ip_address
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    TCP6ClientEndpoint,
    TCP6ServerEndpoint,
    clientFromString,
    serverFromString,
)
from twisted.internet.interfaces import IStreamClientEndpoint, IStreamServerEndpoint

from twisted_lab.net.address import show_address

#: What Twisted's endpoint strings begin with: not taken for a host.
_KINDS = {"tcp", "tcp4", "tcp6", "unix", "ssl", "tls", "haproxy", "systemd", "fd"}
_PLACE = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<host>[^:\[\]/]*)):(?P<port>\d{1,5})")


def client_endpoint(reactor: Any, text: str) -> IStreamClientEndpoint:
    """Give what leads to a server at ``HOST:PORT`` or at an endpoint; ValueError says what is wrong."""
    place = _split(text)
    if place is None:
        try:
            there: IStreamClientEndpoint = clientFromString(reactor, text)
        except Exception as error:  # noqa: BLE001  # endpoint parsers are plugins: they raise what they like
            raise ValueError(f"{text} is neither HOST:PORT nor an endpoint: {error}") from None
        return there
    host, port = place
    if not host:
        raise ValueError(f"{text} doesn't say on which host")
    try:
        version = ip_address(host).version
    except ValueError:
        return HostnameEndpoint(reactor, host, port)
    return (TCP6ClientEndpoint if version == 6 else TCP4ClientEndpoint)(reactor, host, port)


def server_endpoint(reactor: Any, text: str) -> IStreamServerEndpoint:
    """
    Give what listens on ``HOST:PORT`` or on an endpoint; ValueError says what is wrong.

    Without a host that is 127.0.0.1; toxiproxy would listen on every interface.
    """
    place = _split_own(text)
    if place is None:
        try:
            here: IStreamServerEndpoint = serverFromString(reactor, text)
        except Exception as error:  # noqa: BLE001  # as above
            raise ValueError(f"{text} is neither HOST:PORT nor an endpoint: {error}") from None
        return here
    host, port = place
    return (TCP6ServerEndpoint if ":" in host else TCP4ServerEndpoint)(reactor, port, interface=host)


def place_of(text: str) -> str:
    """Give what `server_endpoint` is given, such that the same place is always the same text."""
    place = _split_own(text)
    if place is None:
        return text
    host, port = place
    return show_address((IPv6Address if ":" in host else IPv4Address)("TCP", host, port))


def _split_own(text: str) -> tuple[str, int] | None:
    place = _split(text or ":0")
    return ("127.0.0.1", place[1]) if place is not None and place[0] in {"", "localhost"} else place


def _split(text: str) -> tuple[str, int] | None:
    match = _PLACE.fullmatch(text)
    if match is None or match["host"] in _KINDS:
        return None
    port = int(match["port"])
    if port > 65535:
        raise ValueError(f"{text}: a port is at most 65535")
    return match["six"] or match["host"], port
