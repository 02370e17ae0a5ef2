"""The faults of toxiproxy, with its names, attributes, units, defaults and meanings."""

from collections.abc import Iterator
from dataclasses import dataclass

from twisted_lab.instruments.faults.fault import Fault
from twisted_lab.instruments.faults.inbox import Ending
from twisted_lab.instruments.faults.stage import Stage

MILLISECOND = 1e-3
MICROSECOND = 1e-6
#: How often a second a limited rate lets something pass.
STEPS = 10


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    """Cut data into pieces of that size."""
    return (data[start : start + size] for start in range(0, len(data), size))


@dataclass(frozen=True)
class Latency(Fault):
    """Bytes arrive `latency` ms after they came, plus or minus up to `jitter` ms, and stay in order."""

    kind = "latency"
    #: Bytes that are on their way at one time at most; then reading stops.
    room = 2**22
    latency: int = 0
    jitter: int = 0

    async def run(self, stage: Stage) -> None:
        """Hold each chunk until its time."""
        while chunk := await stage.take():
            delay = self.latency + (stage.random.randint(-self.jitter, self.jitter) if self.jitter else 0)
            if delay > 0:
                stage.note(f"{len(chunk.data)} bytes late by {delay} ms")
                await stage.sleep_until(chunk.time + delay * MILLISECOND)
            await stage.give(chunk.data)


@dataclass(frozen=True)
class Bandwidth(Fault):
    """At most `rate` KB (1000 bytes) a second pass; 0 lets nothing pass."""

    kind = "bandwidth"
    rate: int = 0

    async def run(self, stage: Stage) -> None:
        """Let a piece pass ten times a second, or a chunk when it is due."""
        due = 0.0
        while chunk := await stage.take():
            size = len(chunk.data)
            if not self.rate:
                stage.note(f"{size} bytes held, at 0 KB/s")
                await stage.sleep(float("inf"))
            elif (wait := max(due, chunk.time) + size / (self.rate * 1000) - stage.seconds()) > 0:
                stage.note(f"{size} bytes take {wait / MILLISECOND:.0f} ms, at {self.rate} KB/s")
            for piece in pieces(chunk.data, max(1, self.rate * 1000 // STEPS)):
                due = max(due, chunk.time) + (len(piece) / (self.rate * 1000) if self.rate else 0)
                await stage.sleep_until(due)
                await stage.give(piece)


@dataclass(frozen=True)
class SlowClose(Fault):
    """The end of the direction is `delay` ms late."""

    kind = "slow_close"
    delay: int = 0

    async def run(self, stage: Stage) -> None:
        """Pass everything on, and then wait."""
        while chunk := await stage.take():
            await stage.give(chunk.data)
        stage.note(f"the end is late by {self.delay} ms")
        await stage.sleep(self.delay * MILLISECOND)


@dataclass(frozen=True)
class Timeout(Fault):
    """
    Nothing passes, and the connection is closed after `timeout` ms, or when the direction ends.

    With 0 it is held open; removing the fault closes it, for bytes are missing.
    """

    kind = "timeout"
    timeout: int = 0

    async def run(self, stage: Stage) -> None:
        """Drop everything."""
        until = stage.seconds() + self.timeout * MILLISECOND if self.timeout else None
        try:
            while chunk := await stage.take(until):
                stage.note(f"{len(chunk.data)} bytes dropped")
        except TimeoutError:
            stage.note(f"closed after {self.timeout} ms")
        stage.end(Ending.CUT)

    def removed(self, stage: Stage) -> None:
        """Close the connection."""
        stage.end(Ending.CUT)


@dataclass(frozen=True)
class ResetPeer(Fault):
    """`timeout` ms after the first bytes come, or the end does, the connection is reset on both sides."""

    kind = "reset_peer"
    timeout: int = 0

    async def run(self, stage: Stage) -> None:
        """Wait for the first bytes, and strike."""
        chunk = await stage.take()
        if not self.timeout or await stage.sleep(self.timeout * MILLISECOND):
            stage.note("connection reset")
            stage.reset()
        elif chunk:
            await stage.give(chunk.data)
            await stage.take()  # raises, for we were interrupted


@dataclass(frozen=True)
class Slicer(Fault):
    """
    Bytes pass in slices of `average_size` bytes, plus or minus up to `size_variation`, `delay` µs after one another.

    Where they are cut depends on the seed alone, and not on how the bytes came.
    """

    kind = "slicer"
    average_size: int = 0
    size_variation: int = 0
    delay: int = 0

    def __post_init__(self) -> None:
        """Check that a slice has a byte."""
        super().__post_init__()
        if self.average_size <= self.size_variation:
            raise ValueError("slicer: average_size must be greater than size_variation")

    async def run(self, stage: Stage) -> None:
        """Cut what comes."""
        left = 0
        while chunk := await stage.take():
            data = memoryview(chunk.data)
            while data:
                if not left:
                    left = self.average_size + stage.random.randint(-self.size_variation, self.size_variation)
                piece, data = bytes(data[:left]), data[left:]
                left -= len(piece)
                stage.note(f"a slice of {len(piece)} bytes")
                await stage.give(piece)
                await stage.sleep(self.delay * MICROSECOND)


@dataclass(frozen=True)
class LimitData(Fault):
    """After `bytes` bytes the connection is closed."""

    kind = "limit_data"
    bytes: int = 0

    async def run(self, stage: Stage) -> None:
        """Count."""
        while chunk := await stage.take():
            await stage.give(chunk.data[: max(0, self.bytes - stage.given)])
            if stage.given >= self.bytes:
                stage.note(f"closed after {stage.given} bytes")
                stage.end(Ending.CLOSE)
                return


FAULTS: list[type[Fault]] = [Latency, Bandwidth, SlowClose, Timeout, ResetPeer, Slicer, LimitData]
