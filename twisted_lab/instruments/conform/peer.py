"""The client's end of a connection to what is examined, and who gives it: in memory, or over the network."""

from collections.abc import Callable
from typing import Protocol

from twisted_lab.instruments.conform.framing import Framing

#: How a connection has ended, as the client sees it.
OPEN, CLOSED, RESET = "open", "closed", "reset"


class Peer(Protocol):
    """
    A client's end. What is sent is on its way when `Subject.settle` or `Subject.wait` returns.

    `received`: all that has come; `state`: OPEN, or how the server has ended it; `unsent`: bytes that the server's side
    hasn't taken yet.
    """

    received: bytearray

    @property
    def state(self) -> str:
        """OPEN, CLOSED or RESET."""

    @property
    def unsent(self) -> int:
        """Bytes that wait here."""

    def send(self, data: bytes) -> None:
        """Send bytes."""

    def shut(self) -> None:
        """Shut our side, and read on."""

    def reset(self) -> None:
        """End the connection by a reset."""

    def close(self) -> None:
        """Close the connection."""

    def stop_reading(self) -> None:
        """Read nothing until `read_on`."""

    def read_on(self) -> None:
        """Read again."""


class Subject(Protocol):
    """
    What is examined. `in_memory`: its time is ours, and its transports can be seen.

    `errors`: what it has logged as an error since the case began; always empty over the network.
    """

    framing: Framing
    in_memory: bool
    errors: list[str]

    def connect(self) -> Peer:
        """Connect; `ConnectionError` if it can't be had."""

    def settle(self) -> None:
        """Let happen what happens by itself, at once."""

    def wait(self, until: Callable[[], bool], seconds: float) -> bool:
        """Let time pass until that is so, for so long at most; tell whether it is."""

    def seconds(self) -> float:
        """Give its time."""

    def between(self) -> None:
        """Let one piece arrive before the next one is sent."""
