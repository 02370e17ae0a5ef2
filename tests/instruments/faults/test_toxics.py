"""toxiproxy's faults: each does what toxiproxy says it does."""

from tests.instruments.faults.faulty import FaultTestCase


class LatencyTests(FaultTestCase):
    """`latency`."""

    def test_bytes_are_late(self) -> None:
        """Each chunk arrives that long after it came, and not after the one before it."""
        self.join("latency:latency=100")
        self.send(b"one")
        self.pass_time(0.05)
        self.send(b"two")
        self.pass_time(0.2)
        self.assertEqual((self.client.chunks, self.client.times), ([b"one", b"two"], [0.1, 0.15]))

    def test_jitter(self) -> None:
        """Jitter makes it more or less, and never out of order."""
        self.join("latency:latency=100,jitter=50")
        for number in range(30):
            self.send(b"%02d" % number)
            self.pass_time(0.2)
        delays = [time - number * 0.2 for number, time in enumerate(self.client.times)]
        self.assertEqual(self.client.data, b"".join(b"%02d" % number for number in range(30)))
        self.assertTrue(all(0.05 <= round(delay, 6) <= 0.15 for delay in delays))
        self.assertGreater(max(delays) - min(delays), 0.03)

    def test_the_other_direction_is_left_alone(self) -> None:
        """A fault is downstream unless it says upstream."""
        self.join("latency:latency=100")
        self.client.wire.write(b"now")
        self.clock.advance(0)
        self.assertEqual(self.server.data, b"now")
        self.join("latency:latency=100:upstream")
        self.client.wire.write(b"later")
        self.send(b"now")
        self.assertEqual((self.server.data, self.client.data), (b"", b"now"))

    def test_what_it_holds_is_bounded(self) -> None:
        """With bytes for a long time on their way it stops reading; all of them arrive in the end."""
        self.join("latency:latency=60000")
        self.send(bytes(2**23))
        way = next(iter(self.connection._proxy._links)).ways["downstream"]
        self.assertLess(way.pipe.waiting, 2**22 + 2**17)
        self.assertLess(way.received, 2**22 + 2**17)
        for _ in range(4):
            self.clock.advance(60)
        self.assertEqual(len(self.client.data), 2**23)

    def test_small_reads_are_bounded_too(self) -> None:
        """Slices of a byte each take more memory than they have bytes: far fewer of them are held."""
        self.join("slicer:average_size=1", "latency:latency=60000")
        self.send(bytes(2**18))
        way = next(iter(self.connection._proxy._links)).ways["downstream"]
        self.assertLess(way.received, 2**18)

    def test_removed_it_lets_go(self) -> None:
        """What it holds arrives at once, in order, and then it isn't there."""
        self.join("latency:latency=1000")
        self.send(b"one", b"two")
        self.connection.remove("latency_downstream")
        self.clock.advance(0)
        self.send(b"three")
        self.assertEqual(self.client.data, b"onetwothree")
        self.assertTrue(next(iter(self.connection._proxy._links)).ways["downstream"].pipe.empty)


class BandwidthTests(FaultTestCase):
    """`bandwidth`."""

    def test_rate(self) -> None:
        """So many KB arrive in a second, ten times a second."""
        self.join("bandwidth:rate=10")
        self.send(bytes(30_000))
        self.pass_time(1.0005)
        self.assertEqual([len(chunk) for chunk in self.client.chunks], [1000] * 10)
        self.pass_time(2.1)
        self.assertEqual(len(self.client.data), 30_000)
        self.assertEqual(self.struck(), ["30000 bytes take 3000 ms, at 10 KB/s"])
        self.send(bytes(500))
        self.pass_time(1)
        self.send(bytes(1000))
        self.send(bytes(2000))
        self.assertEqual(
            self.struck()[1:], [f"{size} bytes take {wait} ms, at 10 KB/s" for size, wait in ((500, 50), (1000, 100))]
        )
        self.pass_time(0.1)
        self.assertEqual(self.struck()[3:], ["2000 bytes take 200 ms, at 10 KB/s"])

    def test_none_at_all(self) -> None:
        """At a rate of 0 nothing arrives until it is changed."""
        self.join("bandwidth")
        self.send(b"x")
        self.pass_time(1)
        self.assertEqual((self.client.data, self.struck()), (b"", ["1 bytes held, at 0 KB/s"]))
        self.connection.remove("bandwidth_downstream")
        self.clock.advance(0)
        self.assertEqual(self.client.data, b"x")


class ClosingTests(FaultTestCase):
    """`slow_close`, `timeout`, `reset_peer` and `limit_data`."""

    def test_slow_close(self) -> None:
        """The end is late; the bytes before it aren't, and the other direction has no end."""
        self.join("slow_close:delay=200")
        self.send(b"bytes")
        self.server.wire.loseWriteConnection()
        self.pass_time(0.199)
        self.assertEqual((self.client.data, self.client.happened), (b"bytes", []))
        self.pass_time(0.002)
        self.assertEqual((self.client.happened, self.server.happened), (["end"], []))

    def test_timeout(self) -> None:
        """Nothing arrives, and both sides are closed when it is time."""
        self.join("timeout:timeout=200")
        self.send(b"lost")
        self.pass_time(0.199)
        self.assertEqual((self.client.data, self.client.happened, self.server.happened), (b"", [], []))
        self.pass_time(0.002)
        self.assertEqual((self.client.data, self.client.happened, self.server.happened), (b"", ["end"], ["end"]))

    def test_timeout_of_0(self) -> None:
        """Nothing arrives, for ever; removing the fault closes the connection, for bytes are missing."""
        self.join("timeout")
        self.send(b"lost")
        self.pass_time(10, 0.1)
        self.assertEqual((self.client.data, self.client.happened), (b"", []))
        self.connection.remove("timeout_downstream")
        self.clock.advance(0)
        self.assertEqual((self.client.data, self.client.happened), (b"", ["end"]))

    def test_reset_peer(self) -> None:
        """With the first bytes both sides are reset, and nothing arrives."""
        self.join("reset_peer")
        self.assertEqual(self.client.happened, [])
        self.send(b"x")
        self.assertEqual(
            (self.client.data, self.client.happened, self.server.happened),
            (b"", ["ConnectionLost"], ["ConnectionLost"]),
        )
        self.assertEqual(self.connection.reason, "reset by a fault")

    def test_reset_peer_later(self) -> None:
        """With a timeout they are reset so long after the first bytes."""
        self.join("reset_peer:timeout=100")
        self.send(b"x")
        self.pass_time(0.099)
        self.assertEqual(self.client.happened, [])
        self.pass_time(0.002)
        self.assertEqual(self.client.happened, ["ConnectionLost"])

    def test_reset_peer_removed_in_time(self) -> None:
        """A reset that hasn't happened yet doesn't, and the bytes go on."""
        self.join("reset_peer:timeout=100")
        self.send(b"x")
        self.connection.remove("reset_peer_downstream")
        self.pass_time(1)
        self.assertEqual((self.client.data, self.client.happened), (b"x", []))

    def test_limit_data(self) -> None:
        """So many bytes arrive, then the connection is closed on both sides."""
        self.join("limit_data:bytes=5")
        self.send(b"123", b"4567", b"89")
        self.assertEqual((self.client.data, self.client.happened, self.server.happened), (b"12345", ["end"], ["end"]))

    def test_limit_behind_which_bytes_are_late(self) -> None:
        """The close stays behind the bytes that a later fault holds."""
        self.join("limit_data:bytes=5", "latency:latency=100")
        self.send(b"1234567")
        self.assertEqual((self.client.data, self.client.happened), (b"", []))
        self.pass_time(0.101)
        self.assertEqual((self.client.data, self.client.happened), (b"12345", ["end"]))


class SlicerTests(FaultTestCase):
    """`slicer`."""

    def test_slices(self) -> None:
        """Bytes arrive in small reads, of the size that was asked for, and whole."""
        self.join("slicer:average_size=10,size_variation=3")
        self.send(bytes(range(256)))
        self.assertEqual(self.client.data, bytes(range(256)))
        sizes = [len(chunk) for chunk in self.client.chunks[:-1]]
        self.assertTrue(all(7 <= size <= 13 for size in sizes), sizes)
        self.assertGreater(len({*sizes}), 3)

    def test_delay(self) -> None:
        """Between two slices there is a pause, in microseconds."""
        self.join("slicer:average_size=1,delay=2000")
        self.send(b"abc")
        self.pass_time(0.01)
        self.assertEqual(self.client.times, [0, 0.002, 0.004])

    def test_where_it_cuts_depends_on_the_seed_alone(self) -> None:
        """However the bytes come, they are cut at the same places; with another seed at others."""

        def cuts(seed: int, *pieces: bytes) -> set[int]:
            self.join("slicer:average_size=10,size_variation=5", seed=seed)
            self.send(*pieces)
            ends, total = set(), 0
            for chunk in self.client.chunks:
                total += len(chunk)
                ends.add(total)
            return ends

        whole = cuts(1, bytes(200))
        self.assertEqual(cuts(1, bytes(77), bytes(123)) - {77}, whole - {77})
        self.assertNotEqual(cuts(2, bytes(200)), whole)
