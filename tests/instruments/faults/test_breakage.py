"""Our faults of bytes."""

from tests.instruments.faults.faulty import FaultTestCase


class BreakageTests(FaultTestCase):
    """Each fault of breakage.py."""

    def test_coalesce(self) -> None:
        """Small writes arrive as one read, when the first is old enough, or when there are enough of them."""
        self.join("coalesce:size=10,delay=100")
        self.send(b"ab", b"cd")
        self.pass_time(0.05)
        self.send(b"e")
        self.pass_time(0.2)
        self.send(b"0123456", b"789", b"late")
        self.pass_time(0.2)
        self.assertEqual(self.client.chunks, [b"abcde", b"0123456789", b"late"])
        self.assertEqual(self.client.times[0], 0.1)
        self.assertEqual(
            self.struck(), ["3 chunks joined to 5 bytes", "2 chunks joined to 10 bytes", "4 bytes late by 100 ms"]
        )

    def test_coalesce_holds_nothing_back(self) -> None:
        """What it holds arrives when the direction ends, and when it is removed."""
        self.join("coalesce:size=100,delay=100000")
        self.send(b"ab", b"cd")
        self.server.wire.loseWriteConnection()
        self.clock.advance(0)
        self.assertEqual((self.client.chunks, self.client.happened), ([b"abcd"], ["end"]))
        self.join("coalesce:size=100,delay=100000")
        self.send(b"ab", b"cd")
        self.connection.remove("coalesce_downstream")
        self.clock.advance(0)
        self.assertEqual(self.client.chunks, [b"abcd"])

    def test_half_close(self) -> None:
        """The direction ends after so many bytes; the other one goes on."""
        self.join("half_close:bytes=5")
        self.send(b"1234", b"5678", b"9")
        self.client.wire.write(b"still here")
        self.clock.advance(0)
        self.assertEqual((self.client.data, self.client.happened), (b"12345", ["end"]))
        self.assertEqual((self.server.data, self.server.happened), (b"still here", []))

    def test_corrupt(self) -> None:
        """Some bits are flipped, the same ones however the bytes come, and no byte is lost."""
        self.join("corrupt:every=50", seed=3)
        self.send(bytes(1000))
        one = self.client.data
        self.assertEqual(len(one), 1000)
        flipped = [position for position, byte in enumerate(one) if byte]
        self.assertTrue(5 < len(flipped) < 60, flipped)
        self.assertTrue(all(one[position].bit_count() == 1 for position in flipped))
        self.assertEqual(len(self.struck()), len(flipped))
        self.join("corrupt:every=50", seed=3)
        self.send(bytes(1), bytes(333), bytes(666))
        self.assertEqual(self.client.data, one)
        self.join("corrupt:every=50", seed=4)
        self.send(bytes(1000))
        self.assertNotEqual(self.client.data, one)

    def test_corrupt_everything(self) -> None:
        """With every=1 no byte is left as it was."""
        self.join("corrupt:every=1")
        self.send(bytes(100))
        self.assertEqual(self.client.data.count(0), 0)

    def test_hang(self) -> None:
        """After so many bytes nothing arrives, and nothing more is read; then all of it does."""
        self.join("hang:bytes=3,timeout=1000")
        self.send(b"12345", bytes(2**20))
        self.pass_time(0.9)
        self.assertEqual(self.client.data, b"123")
        self.assertTrue(self.server.wire.dataBuffer or self.server.wire._tempDataBuffer)
        self.pass_time(0.2)
        self.assertEqual(self.client.data, b"12345" + bytes(2**20))

    def test_hang_for_ever(self) -> None:
        """With a timeout of 0 it hangs until it is removed, and nothing is lost."""
        self.join("hang")
        self.send(b"12345")
        self.pass_time(1000, 100)
        self.assertEqual((self.client.data, self.client.happened), (b"", []))
        self.connection.remove("hang_downstream")
        self.clock.advance(0)
        self.assertEqual(self.client.data, b"12345")

    def test_slow_reader(self) -> None:
        """The sender is read from slowly: after little more than a buffer it can send no more."""
        self.join("slow_reader:rate=1,buffer=2000")
        self.send(bytes(100_000))
        self.pass_time(1.0005)
        self.assertEqual(len(self.client.data), 1000)
        way = next(iter(self.connection._proxy._links)).ways["downstream"]
        self.assertLess(way.received, 6_000)
        self.assertLess(len(self.server.wire.socket._out.data), 2001)
