"""
Faults of whole messages, of which a codec says where they end.

The bytes of a message pass as they are. A codec takes bytes and doesn't say where in them a message ended, so it is fed
no more at one time than it says it wants. Where the stream breaks the protocol nobody knows what a message is any more,
and the rest passes untouched.

Which messages are struck depends on the seed and on their number alone.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from twisted_lab.instruments.faults.fault import Fault
from twisted_lab.instruments.faults.stage import InterruptedFaultError, Stage
from twisted_lab.instruments.faults.toxics import MILLISECOND
from twisted_lab.wire.codec import wanted_by

#: Bytes of a message that a fault holds at most; a longer message is left alone.
LONGEST = 2**20


class Piece(NamedTuple):
    """Some of a message's bytes: the message's number, from 1, and whether they are its first, and its last."""

    number: int
    data: bytes
    first: bool
    last: bool


async def take_messages(stage: Stage) -> AsyncIterator[Piece]:
    """
    Give what comes, cut where messages end; return at the end, or where the codec fails, with that passed on.

    An interruption waits until the message ends that it comes in: what is dropped is dropped whole, and what follows
    begins with a message.
    """
    codec = stage.codec
    first = True
    while codec.error is None and (chunk := await stage.take(whole=first)):
        data, start, position = chunk.data, 0, 0
        while position < len(data) and codec.error is None:
            piece = data[position : position + wanted_by(codec)]
            codec.feed(piece)
            position += len(piece)
            if codec.at_boundary:
                stage.messages += first
                yield Piece(stage.messages, data[start:position], first, last=True)
                start, first = position, True
        if codec.error is not None:
            await stage.give(data[start:])
        elif start < len(data):
            stage.messages += first
            yield Piece(stage.messages, data[start:], first, last=False)
            first = False


@dataclass(frozen=True)
class MessageFault(Fault):
    """Each message is struck with that `probability`."""

    needs_codec = True
    at_most: ClassVar[dict[str, float]] = {"probability": 1}
    probability: float = 0.1

    async def run(self, stage: Stage) -> None:
        """Strike; then, if the codec could follow no longer, pass on the rest."""
        await self.strike(stage)
        while chunk := await stage.take():
            await stage.give(chunk.data)

    async def strike(self, stage: Stage) -> None:
        """Do it until the direction ends or the codec fails."""
        raise NotImplementedError

    def draw(self, stage: Stage) -> bool:
        """Decide about a message."""
        return stage.random.random() < self.probability


@dataclass(frozen=True)
class DropMessage(MessageFault):
    """A message doesn't arrive."""

    kind = "drop_message"

    async def strike(self, stage: Stage) -> None:
        """Drop."""
        struck = False
        async for piece in take_messages(stage):
            if piece.first and (struck := self.draw(stage)):
                stage.note(f"message {piece.number} dropped")
            if not struck:
                await stage.give(piece.data)


@dataclass(frozen=True)
class DuplicateMessage(MessageFault):
    """A message arrives twice."""

    kind = "duplicate_message"

    async def strike(self, stage: Stage) -> None:
        """Keep a copy."""
        struck = False
        copy = bytearray()
        async for piece in take_messages(stage):
            if piece.first:
                struck = self.draw(stage)
                copy.clear()
            await stage.give(piece.data)
            if struck:
                copy += piece.data
                struck = len(copy) <= LONGEST
                if struck and piece.last:
                    stage.note(f"message {piece.number} duplicated")
                    await stage.give(bytes(copy))


@dataclass(frozen=True)
class ReorderMessage(MessageFault):
    """A message arrives after the one that follows it."""

    kind = "reorder_message"

    async def strike(self, stage: Stage) -> None:
        """Hold one message."""
        holds = False
        held = bytearray()
        try:
            async for piece in take_messages(stage):
                if piece.first:
                    struck = self.draw(stage)  # always, so that it depends on the number alone
                    holds = struck and not held
                if not holds:
                    await stage.give(piece.data)
                else:
                    held += piece.data
                    if len(held) > LONGEST:
                        holds = False
                        await _release(stage, held)
                if piece.last and held and not holds:
                    stage.note(f"message {piece.number - 1} comes after message {piece.number}")
                    await _release(stage, held)
        except InterruptedFaultError:
            await _release(stage, held)
            raise
        await _release(stage, held)


@dataclass(frozen=True)
class DelayMessage(MessageFault):
    """A message arrives `delay` ms late, and what follows it waits."""

    kind = "delay_message"
    delay: int = 100

    async def strike(self, stage: Stage) -> None:
        """Wait before a message."""
        async for piece in take_messages(stage):
            if piece.first and self.draw(stage):
                stage.note(f"message {piece.number} late by {self.delay} ms")
                await stage.sleep(self.delay * MILLISECOND)
            await stage.give(piece.data)


async def _release(stage: Stage, held: bytearray) -> None:
    data = bytes(held)
    held.clear()
    await stage.give(data)


FAULTS: list[type[Fault]] = [DropMessage, DuplicateMessage, ReorderMessage, DelayMessage]
