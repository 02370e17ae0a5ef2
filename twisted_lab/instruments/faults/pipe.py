"""One direction of a connection: the stages that its bytes pass, in order, and how reading stops when they are full."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorTime

from twisted_lab.instruments.faults.inbox import Ending, Note
from twisted_lab.instruments.faults.stage import Stage
from twisted_lab.instruments.faults.toxic import Toxic
from twisted_lab.wire.codec import Codec

#: Makes a codec for one direction.
MakeCodec = Callable[[], Codec[Any, Any]]


class Outlet(Protocol):
    """What a pipe does to the world: a connection, or a test that notes it."""

    def write(self, data: bytes) -> None:
        """Send bytes on their way."""

    def end(self) -> None:
        """Say that no more will come this way; the other direction goes on."""

    def close(self, *, last_word: bool) -> None:
        """Close the connection, after what was written; with `last_word` that arrives though the receiver sends."""

    def reset(self) -> None:
        """Reset the connection on both sides, now."""

    def pause(self) -> None:
        """Read no more from where the bytes come from."""

    def resume(self) -> None:
        """Read on."""

    def shrink(self, size: int) -> None:
        """Make the receive buffer of where the bytes come from `size` bytes."""

    @property
    def observed(self) -> bool:
        """Whether anybody wants to know what faults do."""

    def struck(self, note: Note) -> None:
        """Take notice of what a fault has done, now; its bytes may be late, or never come."""

    def noted(self, notes: Sequence[Note]) -> None:
        """Take notice of what faults have done to the bytes that are written next, or to some that are missing."""


class Pipe:
    """
    Takes bytes, lets them pass the stages, and writes what comes out of the last one.

    Memory: at most a fault's `room`, and one chunk, for each stage.
    """

    def __init__(self, clock: IReactorTime, outlet: Outlet, make_codec: MakeCodec | None = None) -> None:
        self.clock = clock
        self.outlet = outlet
        self.make_codec = make_codec
        self._stages: list[Stage] = []
        self._blocked = False  # where the bytes go doesn't take more
        self._paused = False
        self._ended = False
        self._stopped = False

    @property
    def empty(self) -> bool:
        """Whether there is no stage: bytes go straight through."""
        return not self._stages

    @property
    def waiting(self) -> int:
        """How many bytes wait in the stages; few at a time are taken for more."""
        return sum(stage.waiting for stage in self._stages)

    def feed(self, data: bytes) -> None:
        """Take bytes."""
        if self._stages:
            self._stages[0].put(data)
            self._pace()
        elif not self._stopped:
            self.outlet.write(data)

    def feed_end(self) -> None:
        """Take the end."""
        self._ended = True
        if self._stages:
            self._stages[0].put_end(Ending.END)
        elif not self._stopped:
            self.outlet.end()

    def add(self, toxic: Toxic, random: Random) -> None:
        """Let bytes pass another fault, behind those there are; what has passed these before it doesn't meet."""
        if self._ended or self._stopped:
            return
        stage = Stage(self, toxic, random)
        self._stages.append(stage)
        stage.start()
        self.made_room(stage)

    def change(self, toxic: Toxic) -> None:
        """Have the fault of that name do otherwise from now on."""
        for stage in self._find(toxic.name):
            stage.interrupt(toxic)
        self._pace()

    def remove(self, name: str) -> None:
        """Let bytes pass that fault no more; what it holds goes on at once."""
        for stage in self._find(name):
            stage.interrupt(None)
        self._pace()

    def block(self) -> None:
        """Write no more for now."""
        self._blocked = True
        self._pace()

    def unblock(self) -> None:
        """Write on."""
        self._blocked = False
        if self._stages:
            self._stages[-1].wake()
        self._pace()

    def stop(self) -> None:
        """Forget what waits: the connection is gone."""
        self._stopped = True
        stages, self._stages = self._stages, []
        for stage in reversed(stages):
            self.outlet.noted(stage.stop())

    # What a stage calls.

    def has_room_after(self, stage: Stage) -> bool:
        """Whether the stage may give more."""
        after = self._after(stage)
        return not (self._blocked if after is None else after.full)

    def pass_on(self, stage: Stage, data: bytes, notes: Sequence[Note]) -> None:
        """Hand on what a stage gives, and what was done to it."""
        after = self._after(stage)
        if after is not None:
            after.put(data, notes)
        elif not self._stopped:
            self.outlet.noted(notes)
            self.outlet.write(data)

    def end_after(self, stage: Stage, ending: Ending, notes: Sequence[Note]) -> None:
        """Hand on that a stage has ended the direction, and what was done to bytes that come no further."""
        after = self._after(stage)
        if after is not None:
            after.put_end(ending, notes)
        elif not self._stopped:
            self.outlet.noted(notes)
            if ending is Ending.END:
                self.outlet.end()
            else:
                self.outlet.close(last_word=ending is Ending.CLOSE)

    def made_room(self, stage: Stage) -> None:
        """Wake who waits for room in that stage."""
        if stage in self._stages and (number := self._stages.index(stage)) > 0:
            self._stages[number - 1].wake()
        self._pace()

    def leave(self, stage: Stage, notes: Sequence[Note]) -> None:
        """Take a stage out that holds nothing, but what was done to bytes that it dropped."""
        if stage in self._stages:
            self.outlet.noted(notes)
            number = self._stages.index(stage)
            del self._stages[number]
            if number > 0:
                self._stages[number - 1].wake()
            self._pace()

    def _after(self, stage: Stage) -> Stage | None:
        if stage not in self._stages:
            return None
        number = self._stages.index(stage) + 1
        return self._stages[number] if number < len(self._stages) else None

    def _find(self, name: str) -> list[Stage]:
        return [stage for stage in self._stages if stage.toxic is not None and stage.toxic.name == name]

    def _pace(self) -> None:
        """Stop or go on reading."""
        full = self._stages[0].full if self._stages else self._blocked
        if full != self._paused and not self._stopped:
            self._paused = full
            if full:
                self.outlet.pause()
            else:
                self.outlet.resume()
