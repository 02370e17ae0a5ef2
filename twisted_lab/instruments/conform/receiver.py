"""
Receivers: protocol classes that cut a stream into messages and call a method with each, as Twisted's own do.

`ReceiverSubject` makes instances that keep what is delivered to them, for the cases that look at the class, and is a
factory of servers that answer each message with itself, for all the others.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.testing import StringTransport
from twisted.protocols.basic import Int32StringReceiver, LineReceiver, NetstringReceiver
from twisted.python.failure import Failure

from twisted_lab.instruments.conform.framing import INT32, LINE, NETSTRING, Framing, lines


@dataclass(frozen=True)
class Kind:
    """A kind of receiver: its base class, its framing, and the names of its methods; `hook`: on too long a message.

    `pauses`: whether it can be paused.
    """

    base: type
    framing: Framing
    deliver: str
    send: str
    hook: str | None = None
    pauses: bool = True


KINDS = (
    Kind(Int32StringReceiver, INT32, "stringReceived", "sendString", "lengthLimitExceeded"),
    Kind(NetstringReceiver, NETSTRING, "stringReceived", "sendString", pauses=False),
    Kind(LineReceiver, LINE, "lineReceived", "sendLine", "lineLengthExceeded"),
)


def kind_of(found: Any) -> Kind | None:
    """Give the kind of a receiver class; None for anything else."""
    if not isinstance(found, type):
        return None
    return next((kind for kind in KINDS if issubclass(found, kind.base)), None)


class ReceiverSubject:
    """A receiver class as a subject of the cases V."""

    def __init__(self, receiver: Any, kind: Kind) -> None:
        limit = receiver.MAX_LENGTH
        self.framing = lines(receiver.delimiter, limit) if kind.framing is LINE else kind.framing.with_limit(limit)
        self._receiver = receiver
        self._kind = kind

    @property
    def has(self) -> set[str]:
        """What it has, of what cases need."""
        return {"receiver"} | ({"hook"} if self._kind.hook else set()) | ({"pauses"} if self._kind.pauses else set())

    def request(self, payload: bytes) -> bytes:
        """Give a message's bytes."""
        return self.framing.request(payload)

    def send(self, receiver: Any, payload: bytes) -> None:
        """Have it send a message."""
        getattr(receiver, self._kind.send)(payload)

    def make(
        self, deliver: Callable[[Any, bytes], object] = lambda _receiver, _message: None, *, tolerant: bool = False
    ) -> tuple[Any, StringTransport]:
        """Give a connected instance that keeps `delivered` and `reasons`, and calls `deliver` with each message."""

        def received(receiver: Any, message: bytes) -> None:
            receiver.delivered.append(bytes(message))
            deliver(receiver, message)

        def lost(receiver: Any, reason: Failure = connectionDone) -> None:
            receiver.reasons.append(reason)

        body: dict[str, Any] = {self._kind.deliver: received, "connectionLost": lost}
        if tolerant and self._kind.hook is not None:
            body[self._kind.hook] = lambda _receiver, _length: None
        receiver = type("Receiver", (self._receiver,), body)()
        receiver.delivered = []
        receiver.reasons = []
        transport = StringTransport()
        receiver.makeConnection(transport)
        return receiver, transport

    def factory(self) -> Factory[Any]:
        """Give a factory of servers that answer each message with itself."""
        send = self._kind.send

        def answer(receiver: Any, message: bytes) -> None:
            getattr(receiver, send)(message)

        answering = type(f"Answering{self._receiver.__name__}", (self._receiver,), {self._kind.deliver: answer})
        return quiet_factory(answering)


def quiet_factory(protocol: Any) -> Factory[Any]:
    """Give a factory of a protocol that doesn't log when it starts."""
    factory: Factory[Any] = Factory.forProtocol(protocol)
    factory.noisy = False
    return factory
