"""Specimens: protocols that run. Ours are found by name, anyone's by ``module:attribute``."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from twisted.internet.interfaces import IProtocolFactory, IReactorTime
from twisted.internet.protocol import Factory

from twisted_lab.echo import EchoClientFactory, EchoFactory
from twisted_lab.header_service import HeaderClient, HeaderClientFactory, HeaderServerFactory
from twisted_lab.wire.codec import Codec
from twisted_lab.wire.errors import RemoteProtocolError
from twisted_lab.wire.header import LAYOUT, HeaderCodec
from twisted_lab.wire.layout import STREAM, Layout


@dataclass(frozen=True)
class Specimen:
    """
    A protocol that every instrument can take.

    `server` and `client` make a factory; the server's takes the reactor first. `codec` makes one direction's
    codec; None where the protocol is a bare byte stream. `default_port` is the TCP port on 127.0.0.1. `exchange`
    sends content by a protocol of the client's, made without arguments, and gives what comes back for it, which is to
    be the same; None where the bytes themselves come back. `layout` says how messages lie in the stream, for
    programs that haven't our codec.
    """

    name: str
    server: Callable[..., IProtocolFactory]
    client: Callable[..., IProtocolFactory]
    codec: Callable[[], Codec[Any, Any]] | None
    default_port: int
    exchange: Callable[[Any, bytes], Awaitable[bytes]] | None = None
    layout: Layout | None = None


async def _exchange_content(client: HeaderClient, content: bytes) -> bytes:
    header, reply = await client.request({"type": "load"}, content)
    if header["type"] == "error":
        raise RemoteProtocolError(header.get("code", "error"), str(header.get("message", "the server says error")))
    return reply


ECHO = Specimen("echo", EchoFactory, EchoClientFactory, None, 5678, layout=STREAM)
HEADER = Specimen("header", HeaderServerFactory, HeaderClientFactory, HeaderCodec, 5679, _exchange_content, LAYOUT)


def _make_filexfer() -> Specimen:
    """Make the specimen of filexfer, whose server takes accounts and who runs what blocks besides the reactor."""
    from twisted_lab.filexfer.client.conversation import Conversation  # noqa: PLC0415  # they take long to import
    from twisted_lab.filexfer.messages.layout import LAYOUT as FILEXFER_LAYOUT  # noqa: PLC0415
    from twisted_lab.filexfer.server.factory import FilexferFactory  # noqa: PLC0415

    def client(clock: IReactorTime) -> IProtocolFactory:
        return Factory.forProtocol(lambda: Conversation(clock))

    return Specimen("filexfer", FilexferFactory, client, HeaderCodec, 5680, layout=FILEXFER_LAYOUT)


_ours: dict[str, Callable[[], Specimen]] = {
    "echo": lambda: ECHO,
    "header": lambda: HEADER,
    "filexfer": cache(_make_filexfer),
}


def find(name: str) -> Specimen:
    """Give the specimen called `name`, or the one at ``module:attribute``; `LookupError` says what is wrong."""
    if ":" not in name:
        if name not in _ours:
            raise LookupError(f"there is no specimen {name!r}: it is one of {', '.join(_ours)}, or module:attribute")
        return _ours[name]()
    found = load_attribute(name)
    if not isinstance(found, Specimen):
        raise LookupError(f"{name} isn't a Specimen but a {type(found).__name__}")  # noqa: TRY004  # as documented
    return found


def load_attribute(name: str) -> Any:
    """Import ``module:attribute``, which is somebody's own; `LookupError` for whatever comes of it."""
    module, _, attribute = name.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise LookupError(f"there is no specimen {name!r}: {error}") from error
    except (Exception, SystemExit) as error:
        raise LookupError(f"{name} can't be imported: {type(error).__name__}: {error}") from error
