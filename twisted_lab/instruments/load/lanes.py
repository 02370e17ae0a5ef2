"""
Lanes: the connections of a load. Each sends its messages when they are due, and checks every reply.

A lane's message `n` is due at ``begins + n * period``. What is due while a whole window of messages is unanswered waits
as a number: it is sent as soon as there is room, and counted from when it was due.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from inspect import iscoroutine
from typing import Any, Protocol

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from twisted_lab.instruments.load.content import Content
from twisted_lab.net.reason import show_reason
from twisted_lab.net.transport import IStreamTransport
from twisted_lab.net.undelayed import send_at_once


class Load(Protocol):
    """What a lane needs of the load that it is part of."""

    content: Content

    @property
    def now(self) -> Callable[[], float]:
        """The clock."""

    def answered(self, lane: "Lane", due: float, sent: float) -> None:
        """Take the time of a reply that has just come."""

    def failed(self, lane: "Lane", what: str) -> None:
        """Take notice that the lane can't go on, and why."""


class Lane:
    """One connection; a subclass sends a message and finds its reply."""

    def __init__(self, load: Load, number: int, window: int) -> None:
        self.load = load
        self.number = number
        self.window = window
        self.begins = self.period = 0.0
        self.due = self.sent = self.answered = 0

    def begin(self, at: float, period: float) -> None:
        """Let message 0 be due at that time, each one `period` seconds after the last; 0: whenever it is offered."""
        self.begins, self.period = at, period

    def offer(self) -> bool:
        """Take notice that a message is due; send it if the window has room, and tell whether it had."""
        self.due += 1
        if self.sent - self.answered >= self.window:
            return False
        self._send_next()
        return True

    def due_at(self, number: int) -> float:
        """Give when a message is due."""
        return self.begins + number * self.period

    def first_from(self, time: float) -> int:
        """Give the number of the first message that is due at that time, or later."""
        return bisect_left(range(int((time - self.begins) / self.period) + 2), time, key=self.due_at)

    def unanswered(self) -> Iterable[tuple[float, float]]:
        """Give when each message was due that has no answer yet, and when it was sent; those that were."""
        raise NotImplementedError

    def unsent(self, first: int, most: int) -> Iterator[tuple[float, int]]:
        """
        Give when messages were due, from `first` on, that weren't sent.

        There may be any number of them: so there are `most` times at most, and with each how many it stands for.
        """
        first = max(first, self.sent)
        step = max(1, -(-(self.due - first) // most))
        for number in range(first, self.due, step):
            count = min(step, self.due - number)
            yield self.due_at(number) + (count - 1) / 2 * self.period, count

    def close(self) -> None:
        """End the connection; it isn't a failure."""

    def _send_next(self) -> None:
        number = self.sent
        self.sent += 1
        now = self.load.now()
        due = self.due_at(number) if self.period else now
        self._send(self.load.content.message(self.number + number), due, now)

    def _take_answer(self, due: float, sent: float) -> None:
        self.answered += 1
        self.load.answered(self, due, sent)
        if self.sent < self.due:
            self._send_next()

    def _send(self, message: bytes, due: float, now: float) -> None:
        raise NotImplementedError


class StreamLane(Lane, TwistedProtocol):
    """
    A connection whose bytes come back: an echo, with `prefix` before each chunk as the server has received it.

    A reply is there when all bytes of its message are. Every byte is compared with what was sent.
    """

    transport: IStreamTransport

    def __init__(self, load: Load, number: int, window: int, prefix: bytes) -> None:
        super().__init__(load, number, window)
        self._prefix = prefix
        self._rest = b""
        self._times: deque[tuple[float, float]] = deque()
        self._position = number * load.content.size
        self._next_end = self._position + load.content.size
        self._closing = False

    def connectionMade(self) -> None:
        """Send small messages at once."""
        send_at_once(self.transport)

    def unanswered(self) -> Iterable[tuple[float, float]]:
        """Give those that are on their way."""
        return self._times

    def close(self) -> None:
        """End the connection."""
        self._closing = True
        self.transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:
        """Compare, and take the time of what is complete."""
        if self._prefix:
            data = self._without_prefixes(data)
        if not self.load.content.stands_at(self._position, data):
            self.load.failed(self, f"a wrong byte came back, in reply {self._reply_that_differs(data):,}")
            return
        self._position += len(data)
        if self._position > (self.number + self.sent) * self.load.content.size:
            self.load.failed(self, f"more came back than was sent, after reply {self.answered:,}")
            return
        while self._position >= self._next_end:
            self._next_end += self.load.content.size
            self._take_answer(*self._times.popleft())

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Say so, unless we closed it."""
        if not self._closing:
            self.load.failed(self, f"the connection was lost: {show_reason(reason.value)}")

    def _send(self, message: bytes, due: float, now: float) -> None:
        self._times.append((due, now))
        self.transport.write(message)

    def _reply_that_differs(self, data: bytes) -> int:
        """Give the number, from 1, of the first reply in `data` with a wrong byte."""

        def differs(length: int) -> bool:
            return not self.load.content.stands_at(self._position, data[:length])

        at = self._position + bisect_left(range(len(data)), True, key=differs) - 1
        return at // self.load.content.size - self.number + 1

    def _without_prefixes(self, data: bytes) -> bytes:
        """Take the prefixes out; one that isn't whole yet waits for its rest. No content has a prefix's first byte."""
        data = (self._rest + data).replace(self._prefix, b"")
        cut = data.find(self._prefix[:1])
        if cut < 0 or not self._prefix.startswith(data[cut:]):
            self._rest = b""
            return data
        self._rest = data[cut:]
        return data[:cut]


class RequestLane(Lane):
    """A connection of a client's own protocol: `exchange` sends a message by it, and gives what comes back for it."""

    def __init__(
        self, load: Load, number: int, window: int, protocol: Any, exchange: Callable[[Any, bytes], Awaitable[bytes]]
    ) -> None:
        super().__init__(load, number, window)
        self._protocol = protocol
        self._exchange = exchange
        self._closing = False
        self._times: dict[int, tuple[float, float]] = {}

    def unanswered(self) -> Iterable[tuple[float, float]]:
        """Give those that are on their way."""
        return self._times.values()

    def close(self) -> None:
        """End the connection."""
        self._closing = True
        self._protocol.transport.abortConnection()

    def _send(self, message: bytes, due: float, now: float) -> None:
        try:
            waiting = self._exchange(self._protocol, message)
        except (Exception, SystemExit):  # noqa: BLE001  # it is the user's code
            self._fail(Failure())
            return
        if not (isinstance(waiting, Deferred) or iscoroutine(waiting)):
            self.load.failed(self, f"`request` gives {type(waiting).__name__}, neither a Deferred nor a coroutine")
            return
        reply = waiting if isinstance(waiting, Deferred) else ensureDeferred(waiting)
        self._times[self.sent] = due, now
        reply.addCallbacks(partial(self._compare, message, self.sent), self._fail).addErrback(self._fail)

    def _compare(self, message: bytes, number: int, reply: bytes) -> None:
        if reply == message:
            self._take_answer(*self._times.pop(number))
        else:
            self.load.failed(self, f"a wrong reply came back, reply {self.answered + 1:,}")

    def _fail(self, reason: Failure) -> None:
        if not self._closing:
            self.load.failed(self, f"a request failed: {show_reason(reason.value)}")
