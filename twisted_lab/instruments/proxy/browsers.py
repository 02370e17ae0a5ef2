"""
Who may use the API: programs, and no page that a browser has loaded from elsewhere.

A page can make a browser send requests to 127.0.0.1. Browsers say so, each in its way: with an Origin for whatever
changes something and for whatever is read across origins, with Sec-Fetch-Site, and in the name that they go by, which
is what toxiproxy looks at. A page whose own name was pointed at 127.0.0.1 (DNS rebinding) is its own origin; but then
the request asks for that name as its Host.
"""

from collections.abc import Callable
from ipaddress import ip_address

#: Gives a header's value by its name, None if there is none.
GetHeader = Callable[[str], str | None]


def refusal(header: GetHeader, *, loopback: bool) -> str | None:
    """Say why a request is refused; None if it isn't. `loopback`: the API listens on this machine alone."""
    if header("Origin") is not None or header("Sec-Fetch-Site") not in {None, "none"}:
        return "requests of web pages are refused"
    if (header("User-Agent") or "").startswith("Mozilla/"):
        return "User agent not allowed"
    host = header("Host")
    if loopback and host is not None and not _is_here(host):
        return f"this machine isn't called {host!r} here: use 127.0.0.1 or localhost"
    return None


def _is_here(host: str) -> bool:
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
