"""A load's plan: what is sent where, how much of it and when."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Self

#: Messages of a connection that may be on their way at one time; what is due beyond them waits, and is counted from
#: when it was due all the same.
WINDOW = 1000
#: Bytes of a connection that may be on their way at one time; one message may be more.
WINDOW_BYTES = 2**20


@dataclass(frozen=True)
class Plan:
    """
    What a load does.

    `rate` is in messages a second, over all connections; None is the closed loop: each connection sends when its last
    message is answered. `connect_rate` is in connections a second; None is as fast as they come about. `duration`,
    `warmup`, `timeout`, which is for the last answers, and `connect_timeout`, which is for each connection and for
    what is asked before it is measured, are in seconds; `size` in bytes. `content`: the message itself, in place of
    `size` drawn bytes; in hexadecimal.
    """

    specimen: str
    target: str
    connections: int = 1
    rate: float | None = None
    duration: float = 10.0
    warmup: float = 1.0
    size: int = 64
    content: str | None = None
    seed: int = 0
    connect_rate: float | None = None
    timeout: float = 10.0
    connect_timeout: float = 10.0
    workers: int = 1
    reactor: str = "default"

    @property
    def window(self) -> int:
        """How many messages of a connection may be on their way."""
        return 1 if self.rate is None else max(1, min(WINDOW, WINDOW_BYTES // self.size))

    def lanes(self, worker: int) -> range:
        """Give the numbers of the connections that this worker drives."""
        return range(worker, self.connections, self.workers)

    def at_rate(self, rate: float) -> Self:
        """Give the same plan at another rate."""
        return replace(self, rate=rate)

    def describe(self) -> str:
        """Give the plan in words."""
        pace = "closed loop" if self.rate is None else f"{self.rate:,.6g} messages/s offered"
        connections = "1 connection" if self.connections == 1 else f"{self.connections:,} connections"
        processes = "1 process" if self.workers == 1 else f"{self.workers} processes"
        return (
            f"{self.specimen} at {self.target}: {connections}, {self.size:,} B a message, {pace}, "
            f"{self.duration:g} s after {self.warmup:g} s of warm-up, {processes} on the {self.reactor} reactor"
        )

    def as_json(self) -> dict[str, Any]:
        """Give it for JSON; `Plan(**…)` is the way back."""
        return asdict(self)
