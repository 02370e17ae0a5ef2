"""The recorder: synthetic TCP as it should be, rotated within bounds, and never in the way."""

import os
import tempfile
from pathlib import Path

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.instruments.capture.packets import flags, read
from twisted_lab.instruments.capture.recorder import Recorder
from twisted_lab.instruments.capture.recording import MAX_NOTES
from twisted_lab.instruments.capture.segment import ACK, MAX_PAYLOAD
from twisted_lab.instruments.directions import DOWNSTREAM, UPSTREAM

CLIENT, SERVER = IPv4Address("TCP", "127.0.0.1", 40000), IPv4Address("TCP", "127.0.0.1", 5679)


class RecorderTests(SynchronousTestCase):
    """`Recorder` and `Recording`."""

    def setUp(self) -> None:
        """Make a recorder whose clock stands at 1000 s."""
        self.clock = Clock()
        self.path = Path(self.enterContext(tempfile.TemporaryDirectory())) / "it.pcapng"

    def make(self, **bounds: int) -> Recorder:
        """Make a recorder."""
        recorder = Recorder(self.clock, self.path, now=lambda: 1000.0, **bounds)
        self.addCleanup(recorder.close)
        return recorder

    def test_a_connection(self) -> None:
        """A handshake, then numbers that count bytes, SYN and FIN; times are real; notes are comments."""
        recording = self.make().record(CLIENT, SERVER)
        recording.struck(UPSTREAM, "slicer", "size=3 seed=42", 0.5)
        recording.passed(UPSTREAM, b"hello", 0.5)
        recording.passed(DOWNSTREAM, b"echo hello", 0.75)
        recording.ended(UPSTREAM, 1.0)
        recording.passed(DOWNSTREAM, b"!", 1.25)
        recording.closed("idle for 300 s", 1.5, reset=False)
        packets = read(self.path)
        start = {packet.source: packet.sequence for _, packet in packets[:2]}
        seen = [
            (
                packet.time,
                segment.source.port,
                flags(segment),
                (segment.sequence - start[segment.source]) % 2**32,
                (segment.acknowledgement - start[segment.destination]) % 2**32 if segment.flags & ACK else None,
                segment.payload,
                packet.comments,
            )
            for packet, segment in packets
        ]
        self.assertEqual(
            seen,
            [
                (1000.0, 40000, "S", 0, None, b"", ()),
                (1000.0, 5679, "S.", 0, 1, b"", ()),
                (1000.0, 40000, ".", 1, 1, b"", ()),
                (1000.5, 40000, "P.", 1, 1, b"hello", ("fault=slicer size=3 seed=42",)),
                (1000.75, 5679, "P.", 1, 6, b"echo hello", ()),
                (1001.0, 40000, "F.", 6, 11, b"", ()),
                (1001.25, 5679, "P.", 11, 7, b"!", ()),
                (1001.5, 5679, "F.", 12, 7, b"", ()),
                (1001.5, 40000, ".", 7, 13, b"", ("closed: idle for 300 s",)),
            ],
        )

    def test_a_reset(self) -> None:
        """A reset is one packet, of whoever sent it, with notes and the reason; nothing comes after it."""
        recording = self.make().record(CLIENT, SERVER)
        recording.struck(DOWNSTREAM, "reset_peer", "timeout=0", 0.0)
        recording.closed("reset by a fault", 0.0, stream=DOWNSTREAM)
        recording.passed(UPSTREAM, b"late", 0.0)
        recording.ended(UPSTREAM, 0.0)
        recording.closed("again", 0.0)
        *_, (packet, segment) = packets = read(self.path)
        self.assertEqual(len(packets), 4)
        self.assertEqual((flags(segment), segment.source.port), ("R.", 5679))
        self.assertEqual(packet.comments, ("fault=reset_peer timeout=0", "closed: reset by a fault"))

    def test_long_reads(self) -> None:
        """What doesn't fit a packet takes several; only the last has the flag PSH, only the first the comments."""
        recording = self.make().record(CLIENT, SERVER)
        recording.struck(UPSTREAM, "coalesce", "", 0.0)
        recording.passed(UPSTREAM, bytes(2 * MAX_PAYLOAD + 1), 0.0)
        pieces = [
            (segment.length, flags(segment), packet.comments) for packet, segment in read(self.path) if segment.payload
        ]
        self.assertEqual(pieces, [(MAX_PAYLOAD, ".", ("fault=coalesce",)), (MAX_PAYLOAD, ".", ()), (1, "P.", ())])

    def test_numbers_wrap(self) -> None:
        """Sequence numbers go on from 0 after 2^32."""
        recording = self.make().record(CLIENT, SERVER)
        recording._next[UPSTREAM] = 2**32 - 2
        recording.passed(UPSTREAM, b"four", 0.0)
        recording.passed(UPSTREAM, b"more", 0.0)
        self.assertEqual([segment.sequence for _, segment in read(self.path)][-2:], [2**32 - 2, 2])

    def test_addresses(self) -> None:
        """IPv6 is kept; what has no address, as UNIX sockets, gets one of its own, and a comment."""
        recorder = self.make()
        pairs: list[tuple[IAddress | None, IAddress | None]] = [
            (IPv6Address("TCP", "::1", 40000), IPv6Address("TCP", "fe80::1%lo", 5679)),
            (UNIXAddress(None), UNIXAddress(b"/run/echo")),
            (None, None),
        ]
        for client, server in pairs:
            recorder.record(client, server)
        first, second, third = (each for each in read(self.path) if flags(each[1]) == "S")
        self.assertEqual((str(first[1].source), str(first[1].destination)), ("[::1]:40000", "[fe80::1]:5679"))
        self.assertEqual((str(second[1].source), str(second[1].destination)), ("192.0.2.1:1026", "192.0.2.2:1"))
        self.assertEqual(second[0].comments, ("between unix and unix:/run/echo",))
        self.assertNotEqual(second[1].source, third[1].source)

    def test_notes_are_bounded(self) -> None:
        """Of faults that nothing passes after, so many are kept and no more."""
        recording = self.make().record(CLIENT, SERVER)
        for number in range(MAX_NOTES + 10):
            recording.struck(UPSTREAM, "drop_message", str(number), 0.0)
        recording.passed(UPSTREAM, b"x", 0.0)
        comments = read(self.path)[-1][0].comments
        self.assertEqual((len(comments), comments[-1]), (MAX_NOTES + 1, "fault=… and more than these"))

    def test_rotation(self) -> None:
        """Files are no longer than asked, and no more; the newest packets are in FILE, and each file is whole."""
        recorder = self.make(size=1000, files=3)
        recording = recorder.record(CLIENT, SERVER)
        for number in range(50):
            recording.passed(UPSTREAM, b"%d" % number * 50, float(number))
        names = sorted(path.name for path in self.path.parent.glob(f"{self.path.name}*"))
        self.assertEqual(names, [self.path.name, f"{self.path.name}.1", f"{self.path.name}.2"])
        payloads = []
        for path in (f"{self.path}.2", f"{self.path}.1", self.path):
            self.assertLessEqual(Path(path).stat().st_size, 1000)
            payloads += [segment.payload for _, segment in read(Path(path))]
        self.assertEqual(payloads, [b"%d" % number * 50 for number in range(50)][-len(payloads) :])

    def test_a_new_file(self) -> None:
        """Whatever stood there, the capture is its owner's alone, and who follows the old file sees that it is over."""
        self.path.write_bytes(b"somebody's")
        self.path.chmod(0o644)
        with self.path.open("rb") as old:
            self.make()
            self.assertEqual(old.read(), b"somebody's")
            self.assertNotEqual(os.fstat(old.fileno()).st_ino, self.path.stat().st_ino)
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)

    def test_one_recorder_a_file(self) -> None:
        """A second one would spoil what the first writes; when that is closed another may begin."""
        first = self.make()
        first.record(CLIENT, SERVER)
        before = self.path.read_bytes()
        with self.assertRaisesRegex(OSError, "another capture is written there"):
            self.make()
        self.assertEqual(self.path.read_bytes(), before)
        first.close()
        self.make()

    def test_a_pipe(self) -> None:
        """What isn't a file is written to as it is."""
        pipe = self.path.with_name("pipe")
        os.mkfifo(pipe)
        reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reading)
        Recorder(self.clock, pipe).close()
        self.assertEqual(os.read(reading, 4), b"\x0a\x0d\x0d\x0a")

    def test_a_path_may_be_text(self) -> None:
        """It is one all the same, also when the file is full."""
        recorder = Recorder(self.clock, str(self.path), size=1000, files=2)
        self.addCleanup(recorder.close)
        recording = recorder.record(CLIENT, SERVER)
        for number in range(50):
            recording.passed(UPSTREAM, b"%d" % number * 50, float(number))
        self.assertEqual(read(self.path)[-1][1].payload, b"49" * 50)

    def test_one_file(self) -> None:
        """A single file begins anew when it is full."""
        recording = self.make(size=1000, files=1).record(CLIENT, SERVER)
        for number in range(50):
            recording.passed(UPSTREAM, b"%d" % number * 50, float(number))
        self.assertEqual([*self.path.parent.glob(f"{self.path.name}*")], [self.path])
        self.assertEqual(read(self.path)[-1][1].payload, b"49" * 50)

    def test_it_is_there_at_once(self) -> None:
        """What is recorded can be read before the recorder is closed; nobody else than the user may."""
        self.make().record(CLIENT, SERVER).passed(UPSTREAM, b"x", 0.0)
        self.assertEqual(read(self.path)[-1][1].payload, b"x")
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)

    def test_what_cannot_be_written(self) -> None:
        """A file that can't be made is an error; a disk that is full later ends the capture, and nothing else."""
        self.assertRaises(OSError, Recorder, self.clock, Path("/nowhere/at/all"))
        recorder = self.make()
        recording = recorder.record(CLIENT, SERVER)
        full = os.open("/dev/full", os.O_WRONLY)
        assert recorder._file is not None
        os.dup2(full, recorder._file)
        os.close(full)
        recording.passed(UPSTREAM, b"x", 0.0)
        recording.passed(UPSTREAM, b"x", 0.0)
        self.assertEqual(len(read(self.path)), 3)
