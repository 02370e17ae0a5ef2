"""What docs/filexfer-protocol.rst says of time, on a clock of its own: who is let go, who isn't, and signs of life."""

from tests.filexfer.server.sessions import encode, sha
from tests.filexfer.server.test_hostile import ThreadedTestCase


class TimeTests(ThreadedTestCase):
    """A server with an idle timeout of 30 seconds, so that the third of it is what counts for its signs of life."""

    idle_timeout = 30.0

    def pass_time(self, seconds: int) -> None:
        """Let so much time pass, a second at a time."""
        self.clock.pump([1.0] * seconds)

    def test_idle(self) -> None:
        """A client that gives no sign of life is hung up on, after the idle timeout and little more."""
        self.pass_time(29)
        self.assertFalse(self.connection.closing)
        self.pass_time(10)
        self.assertTrue(self.connection.closing)

    def test_pings(self) -> None:
        """A client that pings each third of the idle timeout isn't idle."""
        for _ in range(10):
            self.pass_time(10)
            self.assertEqual(self.ask({"type": "ping"}), [({"type": "ping", "id": 1}, b"")])
        self.assertFalse(self.connection.closing)

    def test_parts_without_content(self) -> None:
        """Inside a put parts are signs of life, with or without content, and the file is the same for them."""
        self.send({"type": "put", "id": 1, "path": "slow", "size": 3})
        self.threads.run()
        for byte in (b"", b"a", b"", b"b", b"", b"c", b""):
            self.pass_time(10)
            self.send({"type": "part", "id": 1}, byte)
            self.threads.run()
        self.assertFalse(self.connection.closing)
        ((reply, _),) = self.ask({"type": "digest", "id": 1, "digest": sha(b"abc")})
        self.assertEqual((reply["type"], (self.directory / "slow").read_bytes()), ("ok", b"abc"))

    def test_working(self) -> None:
        """A server that works on a request says so each third of the idle timeout, and its client isn't idle for it."""
        (self.directory / "x").write_bytes(b"hello")
        self.send({"type": "digest", "id": 7, "path": "x"})
        self.pass_time(120)
        self.assertEqual([header for header, _ in self.answers()][:-1], [{"type": "working", "id": 7}] * 12)
        self.assertFalse(self.connection.closing)

    def test_too_little_progress(self) -> None:
        """A message that moves, but hardly, isn't a sign of life: the client is hung up on."""
        message = encode({"type": "bundle", "id": 1}, bytes(1000))
        self.connection.dataReceived(message[:-1000])
        for _ in range(60):
            self.pass_time(1)
            if not self.connection.closing:
                self.connection.dataReceived(b"x")
        self.assertTrue(self.connection.closing)
