"""How a load drives a specimen: by which client, and how that one sends a message and knows its reply."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from inspect import signature
from typing import Any, cast

from twisted.internet.protocol import Factory, Protocol

from twisted_lab import specimen
from twisted_lab.instruments.load.content import Content
from twisted_lab.instruments.load.lanes import Lane, Load, RequestLane, StreamLane
from twisted_lab.instruments.load.plan import Plan


@dataclass(frozen=True)
class Driver:
    """
    A client under load.

    `client` makes a factory, `exchange` sends a message by one of its protocols and gives what is compared with the
    message; where `exchange` is None, the bytes themselves come back, and the client is the load's own.
    """

    name: str
    default_port: int
    client: Callable[[], Any] | None = None
    exchange: Callable[[Any, bytes], Awaitable[bytes]] | None = None

    def factory(self, load: Load, number: int, window: int, prefix: bytes) -> Any:
        """Give the factory of one connection's protocol."""
        if self.exchange is None or self.client is None:
            return factory_of(lambda: StreamLane(load, number, window, prefix))
        try:
            factory = self.client()
        except (Exception, SystemExit) as error:
            raise LookupError(f"{self.name} makes no factory: {type(error).__name__}: {error}") from error
        if not hasattr(factory, "buildProtocol"):
            raise LookupError(f"{self.name} makes no factory of protocols, but {type(factory).__name__}")
        return factory

    def lane(self, protocol: Any, load: Load, number: int, window: int) -> Lane:
        """Give the lane that a connected protocol is, or that drives it."""
        if self.exchange is None:
            return cast("StreamLane", protocol)
        return RequestLane(load, number, window, protocol, self.exchange)


def find(name: str) -> Driver:
    """
    Give the driver of a specimen, or of ``module:attribute``; `LookupError` says what is wrong.

    That is a `Specimen`, or makes a client factory when it is called without arguments: its protocol has a method
    ``request(message: bytes)`` that gives a Deferred or coroutine of the reply, which is to be the message again.
    """
    found = specimen.load_attribute(name) if ":" in name else specimen.find(name)
    if isinstance(found, specimen.Specimen):
        if found.exchange is None and found.codec is not None:
            raise LookupError(f"{name} has no `exchange`: nobody knows how its client sends a message")
        return Driver(found.name, found.default_port, found.client, found.exchange)
    try:
        signature(found).bind()
    except (TypeError, ValueError) as error:
        raise LookupError(f"{name} can't be called without arguments, to make a factory: {error}") from error
    return Driver(name, 0, found, lambda protocol, message: protocol.request(message))


def factory_of(make: Callable[[], Protocol]) -> Any:
    """Give a factory that makes its protocols so."""
    factory = Factory.forProtocol(make)
    factory.noisy = False
    return factory


def content_for(plan: Plan, prefix: bytes) -> Content:
    """Give what a plan sends; `LookupError` for content that couldn't be told from a prefix."""
    message = bytes.fromhex(plan.content) if plan.content is not None else None
    if message is not None and prefix and prefix[:1] in message:
        raise LookupError(f"the server puts {prefix!r} before its answer, and the content has {prefix[:1]!r} in it")
    return Content(plan.size, plan.seed, message, without=prefix[:1])
