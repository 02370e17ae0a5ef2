"""
One fault at work on one direction of one connection: its inbox, what it waits for, and how it is interrupted.

All waits are one: for anything to happen; then it is looked whether that was it. A stage's bytes are bounded by the
fault's `room`: who gives to it waits while so many wait here, and for the first stage the pipe stops reading.
"""

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from twisted_lab.instruments.faults.inbox import Chunk, Ending, Inbox, Note
from twisted_lab.instruments.faults.toxic import Toxic
from twisted_lab.wire.codec import Codec

if TYPE_CHECKING:
    from twisted_lab.instruments.faults.pipe import Pipe


class InterruptedFaultError(Exception):
    """The fault was changed or removed; raised in it by `Stage.take`."""


class _StoppedError(Exception):
    """The connection is gone."""


class Stage:
    """
    What a fault sees.

    `given` is how many bytes it has given on so far, and `messages` how many have begun, before it was changed too.
    """

    log = Logger()

    def __init__(self, pipe: "Pipe", toxic: Toxic, random: Random) -> None:
        self.random = random
        self.given = 0
        self.messages = 0
        self.toxic: Toxic | None = toxic
        self._pipe = pipe
        self._clock = pipe.clock
        # Drawn once: a change of the toxicity then affects the same connections again.
        self._draw = random.random()
        self._inbox = Inbox()
        self._ended = False
        self._interrupted = False
        self._stopped = False
        self._waiter: Deferred[None] | None = None
        self._codec: Codec[Any, Any] | None = None

    @property
    def full(self) -> bool:
        """Whether it should be given nothing for now."""
        return self._inbox.size >= self._room and not self._ended

    @property
    def waiting(self) -> int:
        """How many bytes wait here, as `Inbox` counts them."""
        return self._inbox.size

    @property
    def _active(self) -> bool:
        return self.toxic is not None and self._draw < self.toxic.toxicity

    @property
    def _room(self) -> int:
        return self.toxic.fault.room if self.toxic is not None and self._active else 1

    # What the fault calls.

    async def take(self, until: float | None = None, *, whole: bool = True) -> Chunk | None:
        """
        Wait for the next bytes; None at the end. TimeoutError if nothing comes before `until`, by the clock.

        Unless what was taken is `whole`, an interruption waits for a later call.
        """
        call = None if until is None else self._clock.callLater(max(0.0, until - self.seconds()), self.wake)
        try:
            while True:
                if self._interrupted and whole:
                    raise InterruptedFaultError
                if self._inbox:
                    chunk = self._inbox.take()
                    self._pipe.made_room(self)
                    return chunk
                if self._inbox.ending is not None:
                    return None
                if call is not None and not call.active():
                    raise TimeoutError
                await self._something()
        finally:
            _cancel(call)

    async def give(self, data: bytes) -> None:
        """Give bytes on, once there is room for them."""
        while data and not self._pipe.has_room_after(self):
            await self._something()
        self._check()
        if data and not self._ended:
            self.given += len(data)
            self._pipe.pass_on(self, data, self._inbox.take_notes())

    async def sleep(self, seconds: float) -> bool:
        """Wait so long, at least a turn of the reactor; for ever if infinite. False if interrupted meanwhile."""
        call = self._clock.callLater(max(0.0, seconds), self.wake) if seconds < float("inf") else None
        try:
            while not self._interrupted and (call is None or call.active()):
                await self._something()
        finally:
            _cancel(call)
        return not self._interrupted

    async def sleep_until(self, time: float) -> bool:
        """Wait until then, by the clock; not at all if that is past."""
        seconds = time - self.seconds()
        return await self.sleep(seconds) if seconds > 0 else not self._interrupted

    def end(self, ending: Ending = Ending.END) -> None:
        """End the direction, or the connection, after what was given; later calls do nothing."""
        if not self._ended:
            self._ended = True
            self._inbox.clear()
            self._pipe.end_after(self, ending, self._inbox.take_notes())
            self._pipe.made_room(self)

    def reset(self) -> None:
        """Reset the connection, now."""
        self._pipe.outlet.reset()

    def shrink(self, size: int) -> None:
        """Make the receive buffer of the connection that the bytes come from `size` bytes."""
        self._pipe.outlet.shrink(size)

    def note(self, text: str) -> None:
        """Say what was done to what is given next, for whoever observes the connection."""
        if self.toxic is not None and self._pipe.outlet.observed:
            note = Note(self.toxic.name, text, self.seconds())
            self._pipe.outlet.struck(note)
            self._inbox.keep([note])

    def seconds(self) -> float:
        """Give the time."""
        return self._clock.seconds()

    @property
    def codec(self) -> Codec[Any, Any]:
        """The codec that has decoded this direction since the fault began to strike, before it was changed too."""
        if self._pipe.make_codec is None:
            raise ValueError("a fault of messages needs a codec")
        if self._codec is None:
            self._codec = self._pipe.make_codec()
        return self._codec

    # What the pipe calls.

    def start(self) -> None:
        """Begin."""
        ensureDeferred(self._run())

    def put(self, data: bytes, notes: Sequence[Note] = ()) -> None:
        """Take bytes in."""
        if not self._ended:
            self._inbox.put(Chunk(data, self.seconds(), notes))
            self.wake()

    def put_end(self, ending: Ending, notes: Sequence[Note] = ()) -> None:
        """Take the end in."""
        self._inbox.end(ending, notes)
        self.wake()

    def interrupt(self, toxic: Toxic | None) -> None:
        """Go on with the changed toxic; with None as if there were none, and then out of the pipe."""
        active, before, self.toxic = self._active, self.toxic, toxic
        self._interrupted = True
        if toxic is None and active and not self._ended and before is not None:
            before.fault.removed(self)
        self.wake()

    def stop(self) -> Sequence[Note]:
        """Do nothing more; give what was done to bytes that it hasn't given on."""
        self._stopped = self._ended = True
        self._inbox.clear()
        self.wake()
        return self._inbox.take_notes()

    def wake(self) -> None:
        """Look whether what is waited for has happened."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.callback(None)

    async def _run(self) -> None:
        try:
            while True:
                self._interrupted = False
                try:
                    await (self.toxic.fault.run(self) if self.toxic is not None and self._active else self._pass())
                except InterruptedFaultError:
                    continue
                break
            if self.toxic is not None or self._inbox.ending is not None:
                self.end(self._inbox.ending or Ending.END)
        except _StoppedError:
            pass
        except Exception:  # noqa: BLE001  # a fault of anyone's: the connection ends, the proxy goes on
            self.log.failure("a fault failed")
            self.reset()

    async def _pass(self) -> None:
        """Let everything pass; leave the pipe when nothing is left, if the fault was removed."""
        self._codec = None
        while True:
            if self.toxic is None and not self._inbox and self._inbox.ending is None:
                self._ended = True
                self._pipe.leave(self, self._inbox.take_notes())
                return
            chunk = await self.take()
            if chunk is None:
                return
            await self.give(chunk.data)

    async def _something(self) -> None:
        """Wait for anything to happen."""
        self._check()
        self._waiter = Deferred()
        await self._waiter
        self._check()

    def _check(self) -> None:
        if self._stopped:
            raise _StoppedError


def _cancel(call: IDelayedCall | None) -> None:
    if call is not None and call.active():
        call.cancel()
