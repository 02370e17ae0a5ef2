"""
For tests of protocols: connections in memory, with a clock of one's own, faults on them, and cases of conformance.

`join` connects two protocols; `MemoryEndpoint` leads to a factory; `join_through` puts the fault proxy between the two,
with the faults that ``twistd -n faultproxy`` has. Nothing happens but what `twisted.internet.task.Clock.advance` makes
happen, and the same seed gives the same faults. `Conformance` has a test for each case of ``twisted-lab conform``.
"""

from twisted_lab.instruments.conform import conformance
from twisted_lab.instruments.conform.conformance import Conformance, replay
from twisted_lab.instruments.faults.toxic import Toxic, make_toxic
from twisted_lab.instruments.proxy.in_memory import FaultyConnection, join_through
from twisted_lab.net.memory import MemoryEndpoint, MemoryTransport, join

__all__ = [
    "Conformance",
    "FaultyConnection",
    "MemoryEndpoint",
    "MemoryTransport",
    "Toxic",
    "conformance",
    "join",
    "join_through",
    "make_toxic",
    "replay",
]
