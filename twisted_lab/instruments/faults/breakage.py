"""Faults of bytes that toxiproxy hasn't: joined chunks, half a close, flipped bits, a peer that hangs or dawdles."""

from dataclasses import dataclass
from typing import ClassVar

from twisted_lab.instruments.faults.fault import Fault
from twisted_lab.instruments.faults.stage import InterruptedFaultError, Stage
from twisted_lab.instruments.faults.toxics import MILLISECOND, Bandwidth


@dataclass(frozen=True)
class Coalesce(Fault):
    """Bytes are held until there are `size` of them, or the first of them is `delay` ms old; then they go together."""

    kind = "coalesce"
    at_most: ClassVar[dict[str, float]] = {"size": 2**20}
    size: int = 2**16
    delay: int = 100

    async def run(self, stage: Stage) -> None:
        """Gather, and give."""
        while chunk := await stage.take():
            held, parts = bytearray(chunk.data), 1
            until = chunk.time + self.delay * MILLISECOND
            try:
                while len(held) < self.size and (more := await stage.take(until)):
                    held += more.data
                    parts += 1
            except TimeoutError:
                if parts == 1 and self.delay:
                    stage.note(f"{len(held)} bytes late by {self.delay} ms")
            except InterruptedFaultError:
                await stage.give(bytes(held))
                raise
            if parts > 1:
                stage.note(f"{parts} chunks joined to {len(held)} bytes")
            await stage.give(bytes(held))


@dataclass(frozen=True)
class HalfClose(Fault):
    """After `bytes` bytes the direction ends, as if its sender had shut its side; the other direction goes on."""

    kind = "half_close"
    bytes: int = 0

    async def run(self, stage: Stage) -> None:
        """Count; what comes later is dropped."""
        while stage.given < self.bytes:
            chunk = await stage.take()
            if chunk is None:
                return
            await stage.give(chunk.data[: self.bytes - stage.given])
        stage.note(f"ended after {stage.given} bytes")


@dataclass(frozen=True)
class Corrupt(Fault):
    """
    A random bit of a random byte is flipped, in one of `every` bytes on average.

    Which bits depends on the seed alone, and not on how the bytes came.
    """

    kind = "corrupt"
    every: int = 1000

    def __post_init__(self) -> None:
        """Check that there is a distance."""
        super().__post_init__()
        if not self.every:
            raise ValueError("corrupt: every is at least 1")

    async def run(self, stage: Stage) -> None:
        """Flip bits."""
        passed, strike = 0, stage.random.randrange(2 * self.every - 1)
        while chunk := await stage.take():
            data = bytearray(chunk.data)
            while strike < passed + len(data):
                bit = stage.random.randrange(8)
                data[strike - passed] ^= 1 << bit
                stage.note(f"bit {bit} of byte {strike} flipped")
                strike += 1 + stage.random.randrange(2 * self.every - 1)
            passed += len(data)
            await stage.give(bytes(data))


@dataclass(frozen=True)
class Hang(Fault):
    """After `bytes` bytes nothing passes and nothing is read, for `timeout` ms; 0 is until the fault is removed."""

    kind = "hang"
    bytes: int = 0
    timeout: int = 0

    async def run(self, stage: Stage) -> None:
        """Count, wait, and pass on the rest."""
        hangs = stage.given <= self.bytes
        while chunk := await stage.take():
            begin = chunk.data[: max(0, self.bytes - stage.given)] if hangs else b""
            await stage.give(begin)
            rest = chunk.data[len(begin) :]
            if hangs and rest:
                hangs = False
                stage.note(f"hangs after {stage.given} bytes")
                await stage.sleep(self.timeout * MILLISECOND if self.timeout else float("inf"))
            await stage.give(rest)


@dataclass(frozen=True)
class SlowReader(Bandwidth):
    """
    The sender has a peer that reads `rate` KB (1000 bytes) a second, with a receive buffer of `buffer` bytes.

    Unlike with `bandwidth` hardly anything is taken from the sender beforehand. It notices once its own send buffer is
    full, which under Linux may grow to some megabytes unless the sender has set SO_SNDBUF.
    """

    kind = "slow_reader"
    room = 1
    at_most: ClassVar[dict[str, float]] = {"buffer": 2**20}
    rate: int = 1
    buffer: int = 4096

    async def run(self, stage: Stage) -> None:
        """Make the buffer small, and take no more than the rate allows."""
        stage.shrink(self.buffer)
        stage.note(f"read at {self.rate} KB/s")
        await super().run(stage)


FAULTS: list[type[Fault]] = [Coalesce, HalfClose, Corrupt, Hang, SlowReader]
