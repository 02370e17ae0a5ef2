"""Bytes on their way through faults: whole, in order, and the same each time."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.instruments.faults.faulty import FaultTestCase
from tests.wire.cuts import PLACES, cut

#: Faults that lose and change nothing, on a connection that lasts.
HARMLESS = [
    "latency:latency=20,jitter=20",
    "bandwidth:rate=1000",
    "slow_close:delay=30",
    "slicer:average_size=100,size_variation=60",
    "coalesce:size=300,delay=10",
    "hang:bytes=100,timeout=20",
    "slow_reader:rate=2000",
    "limit_data:bytes=1000000",
    "corrupt:every=900000,toxicity=0",
    "reset_peer:toxicity=0",
]
#: Those that chance has a part in.
RANDOM = ["latency:latency=20,jitter=20", "slicer:average_size=40,size_variation=30", "corrupt:every=30"]


class NoteTests(FaultTestCase):
    """What an observer, as a capture is, is told of faults."""

    def observe(self) -> list[tuple[list[str], bytes]]:
        """Note what passes from now on, or that it ended with nothing, each with what was done to it."""
        seen: list[tuple[list[str], bytes]] = []
        notes: list[str] = []
        one: Any = self.connection

        def passed(_: str, data: bytes = b"", *__: Any, **___: Any) -> None:
            seen.append(([*notes], data))
            notes.clear()

        one.struck = lambda _, fault, text, __: notes.append(f"{fault} {text}")
        one.passed = passed
        one.closed = lambda *_, **__: passed("")
        return seen

    def test_it_is_told_with_the_bytes(self) -> None:
        """Of a flipped bit it hears with the bytes that it is in, however late they go on."""
        for behind in (
            [],
            ["latency:latency=1000"],
            ["slow_close", "coalesce:size=70,delay=5000"],
            ["hang:timeout=500"],
        ):
            self.join("corrupt:every=10", *behind)
            seen = self.observe()
            for _ in range(10):
                self.send(bytes(20))
                self.pass_time(0.05, 0.05)
            self.pass_time(10, 0.05)
            self.assertEqual(len(self.client.data), 200)
            start = 0
            for notes, data in seen:
                flips = [note.split() for note in notes if note.startswith("corrupt_downstream bit")]
                places = [start + place for place, byte in enumerate(data) if byte]
                self.assertEqual([int(flip[5]) for flip in flips], places, behind)
                start += len(data)

    def test_pieces(self) -> None:
        """What is cut has it with its first piece, and only there."""
        self.join("latency:latency=10", "slicer:average_size=2")
        seen = self.observe()
        self.send(b"abcd")
        self.pass_time(0.02)
        late, slices = "latency_downstream 4 bytes late by 10 ms", "slicer_downstream a slice of 2 bytes"
        self.assertEqual(seen, [([late, slices], b"ab"), ([slices], b"cd")])

    def test_bytes_that_never_come(self) -> None:
        """What was done to them is told with what comes next, or with the end; not all of it, when it is much."""
        self.join("half_close:bytes=1", "latency:latency=10")
        seen = self.observe()
        self.send(b"ab")
        self.server.wire.abortConnection()
        self.clock.advance(0)
        late = "latency_downstream 1 bytes late by 10 ms"
        self.assertEqual(seen, [([late, "half_close_downstream ended after 1 bytes"], b"")])
        self.join("timeout")
        seen = self.observe()
        for _ in range(100):
            self.send(b"ab")
        self.connection.remove("timeout_downstream")
        self.pass_time(0.1)
        ((notes, _),) = seen
        self.assertEqual(notes, ["timeout_downstream 2 bytes dropped"] * 65)

    def test_the_journal_has_it_at_once(self) -> None:
        """The journal doesn't wait for the bytes."""
        self.join("corrupt:every=1", "latency:latency=1000", seed=1)
        self.pass_time(1, 1)
        self.send(b"x")
        times = [(time, fault) for time, _, fault, _ in self.connection.journal]
        self.assertEqual(times, [(1, "corrupt_downstream"), (1, "latency_downstream")])


class PipeTests(FaultTestCase):
    """Faults in a row, on a live connection."""

    @given(st.binary(max_size=5000), PLACES, st.lists(st.integers(1, 700), max_size=20))
    @settings(max_examples=50)
    def test_without_faults_nothing_is_changed(self, data: bytes, places: list[int], cuts: list[int]) -> None:
        """All bytes arrive in order, both ways, and so do both ends."""
        self.join(cuts=cuts, room=1000)
        for piece in cut(data, places):
            self.send(piece)
            self.client.wire.write(piece)
        self.client.wire.loseWriteConnection()
        self.server.wire.loseWriteConnection()
        self.clock.advance(0)
        self.assertEqual((self.client.data, self.server.data), (data, data))
        self.assertEqual((self.client.happened, self.server.happened), (["end"], ["end"]))
        self.assertEqual(self.connection.reason, "closed by both sides")

    @given(st.binary(min_size=1, max_size=5000), PLACES, st.lists(st.sampled_from(HARMLESS), max_size=4, unique=True))
    @settings(max_examples=50)
    def test_harmless_faults(self, data: bytes, places: list[int], faults: list[str]) -> None:
        """However faults are combined that lose nothing, nothing is lost."""
        self.join(*faults)
        self.send(*cut(data, places))
        self.server.wire.loseWriteConnection()
        self.pass_time(1, 0.005)
        self.assertEqual((self.client.data, self.client.happened), (data, ["end"]))

    @given(st.binary(min_size=1, max_size=3000), PLACES, st.data())
    @settings(max_examples=50)
    def test_faults_that_come_and_go(self, data: bytes, places: list[int], choice: Any) -> None:
        """While faults are added, changed and removed no byte is lost, and none overtakes another."""
        self.join()
        there: list[str] = []
        for piece in cut(data, places):
            fault = choice.draw(st.sampled_from(HARMLESS))
            if fault in there:
                there.remove(fault)
                self.connection.remove(f"{fault.partition(':')[0]}_downstream")
            else:
                there.append(fault)
                self.connection.add(fault)
            self.send(piece)
            self.pass_time(choice.draw(st.sampled_from([0, 0.005, 0.02])), 0.005)
        self.server.wire.loseWriteConnection()
        self.pass_time(1, 0.005)
        self.assertEqual((self.client.data, self.client.happened), (data, ["end"]))

    @given(st.integers(0, 2**32), st.binary(min_size=1, max_size=2000), PLACES)
    @settings(max_examples=30)
    def test_a_seed_replays(self, seed: int, data: bytes, places: list[int]) -> None:
        """The same seed and the same bytes give the same faults, at the same times."""

        def once() -> tuple[Any, ...]:
            self.join(*RANDOM, seed=seed)
            self.send(*cut(data, places))
            self.pass_time(1, 0.005)
            return self.client.chunks, self.client.times, self.connection.journal

        self.assertEqual(once(), once())

    def test_seeds_differ(self) -> None:
        """Another seed gives other faults."""
        outcomes = set()
        for seed in range(5):
            self.join("corrupt:every=20", seed=seed)
            self.send(bytes(500))
            outcomes.add(self.client.data)
        self.assertEqual(len(outcomes), 5)

    def test_toxicity(self) -> None:
        """A share of the connections has the fault, and which ones follows from the seed."""
        late = []
        for seed in range(40):
            self.join("latency:latency=1000,toxicity=0.5", seed=seed)
            self.send(b"x")
            late.append(not self.client.data)
        self.assertTrue(10 < sum(late) < 30, sum(late))

    def test_a_reader_that_pauses(self) -> None:
        """Behind faults, too, a client that doesn't read holds the server back."""
        self.join("slicer:average_size=1000", "latency:latency=1", room=10_000)
        self.client.wire.pauseProducing()
        self.send(bytes(10**7))
        self.pass_time(0.1)
        self.assertLess(sum(map(len, self.connection.passed_bytes.values())), 10**6)
        way = next(iter(self.connection._proxy._links)).ways["downstream"]
        self.assertLess(way.received, 2**23)
        self.client.wire.resumeProducing()
        self.pass_time(12, 0.01)
        self.assertEqual(len(self.client.data), 10**7)

    def test_a_fault_of_ones_own_that_fails(self) -> None:
        """The connection is reset, and the error is logged."""
        self.join("drop_message:probability=1,toxicity=0", codec=dict)  # type: ignore[arg-type]
        self.join("drop_message:probability=1", codec=dict)  # type: ignore[arg-type]
        self.send(b"x")
        self.assertEqual(self.client.happened, ["ConnectionLost"])
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)

    def test_a_fault_that_comes_while_nothing_passes(self) -> None:
        """Added while the client doesn't read, behind a fault that waits for it, it keeps nothing from arriving."""
        self.join("slicer:average_size=1000", room=10_000)
        self.client.wire.pauseProducing()
        self.send(bytes(10**6))
        self.connection.add("latency:latency=10")
        self.clock.advance(0)
        self.client.wire.resumeProducing()
        self.pass_time(1, 0.01)
        self.assertEqual(len(self.client.data), 10**6)

    def test_what_comes_after_an_end_is_dropped(self) -> None:
        """A direction that a fault has ended takes what its sender still sends, through the faults before that."""
        self.join("slicer:average_size=1000", "half_close:bytes=5", room=10_000)
        self.send(bytes(10**6))
        way = next(iter(self.connection._proxy._links)).ways["downstream"]
        self.assertEqual((self.client.data, self.client.happened, way.received), (bytes(5), ["end"], 10**6))
