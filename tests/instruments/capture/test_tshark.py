"""Captures and dissectors, held to tshark: streams, checksums, messages put together, faults."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IAddress, IProtocolFactory
from twisted.internet.task import Clock

from tests.filexfer.client.test_with_a_server import ServerTestCase
from tests.instruments.capture.packets import flags, read
from tests.net.wires import DEADLINE, reactor, wait
from tests.tshark import NO_TSHARK, fields, make_dissector, tshark
from twisted_lab.header_service import HeaderClientFactory, HeaderServerFactory
from twisted_lab.instruments.capture.dissector import write_dissector
from twisted_lab.instruments.capture.recorder import Recorder
from twisted_lab.instruments.capture.wrapping import capture
from twisted_lab.instruments.directions import DOWNSTREAM, UPSTREAM
from twisted_lab.net.host_endpoint import HostEndpoint
from twisted_lab.specimen import Specimen
from twisted_lab.wire.header import HeaderCodec, Message
from twisted_lab.wire.int32 import LAYOUT, Int32Codec

pytestmark = pytest.mark.skipif(NO_TSHARK is not None, reason=NO_TSHARK or "")

FOUR = IPv4Address("TCP", "127.0.0.1", 40000), IPv4Address("TCP", "127.0.0.1", 5679)
SIX = IPv6Address("TCP", "::1", 40000), IPv6Address("TCP", "::1", 5679)
QUESTION = HeaderCodec().encode(Message({"type": "greeting", "id": 7, "a": {"type": ["}"]}, "b": '"'}, b"hello"))
STRINGS = Specimen("strings", HeaderServerFactory, HeaderClientFactory, Int32Codec, 5679, layout=LAYOUT)


@dataclass
class Made:
    """A capture and who makes it."""

    path: Path
    recorder: Recorder


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Begin one."""
    path = tmp_path / "it.pcapng"
    return Made(path, Recorder(Clock(), path))


@pytest.mark.parametrize("ends", [FOUR, SIX])
def test_it_is_sound_tcp(made: Made, ends: tuple[IAddress, IAddress]) -> None:
    """Checksums are right, and nothing about the streams makes tshark wonder; it follows them as they were."""
    for number in range(3):  # on the same ports, one after the other
        recording = made.recorder.record(*ends)
        recording.passed(UPSTREAM, b"question %d" % number, 0.0)
        recording.passed(DOWNSTREAM, b"x" * 200_000, 0.0)
        recording.passed(UPSTREAM, b"and more", 0.0)
        if number == 1:
            recording.closed("reset by client", 0.0)
        else:
            recording.ended(UPSTREAM, 0.0)
            recording.passed(DOWNSTREAM, b"the rest", 0.0)
            recording.closed("Connection was closed cleanly", 0.0)
    checks = ("-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE")
    good = tshark(made.path, *checks, "-T", "fields", "-e", "tcp.checksum.status", "-e", "ip.checksum.status")
    assert set(good.split()) == {"1"}
    wonders = "tcp.analysis.flags && !tcp.analysis.reused_ports"
    assert fields(made.path, "frame.number", "_ws.expert.message", only=wonders) == []
    assert {stream for (stream,) in fields(made.path, "tcp.stream")} == {"0", "1", "2"}
    followed = tshark(made.path, "-q", "-z", "follow,tcp,ascii,0")
    assert "question 0" in followed
    assert followed.count("x") == 200_000
    assert followed.index("and more") < followed.index("the rest")
    assert fields(made.path, "frame.number", only="tcp.flags.reset==1 && tcp.stream==1") == [["23"]]
    assert fields(made.path, "frame.comment", only="tcp.flags.reset==1") == [["closed: reset by client"]]


def test_what_wireshark_writes_is_read(made: Made) -> None:
    """A file that Wireshark's tools have written has the same packets for us, with their comments."""
    recording = made.recorder.record(*SIX)
    recording.struck(UPSTREAM, "slicer", "size=3", 0.0)
    recording.passed(UPSTREAM, QUESTION, 0.25)
    recording.closed("reset by client", 0.5)
    theirs = made.path.with_name("theirs.pcapng")
    tshark(made.path, "-F", "pcapng", "-w", str(theirs))
    assert read(theirs) == read(made.path)


def test_faults_are_comments(made: Made) -> None:
    """What was done to the bytes stands beside them, and can be searched for."""
    recording = made.recorder.record(*FOUR)
    recording.passed(UPSTREAM, b"one", 0.0)
    recording.struck(UPSTREAM, "slicer", "size=3 seed=42", 0.0)
    recording.struck(UPSTREAM, "corrupt", "bit 3 of byte 4 flipped", 0.0)
    recording.passed(UPSTREAM, b"two", 1.0)
    found = fields(made.path, "frame.number", "frame.comment", only='frame.comment contains "fault="')
    assert found == [["5", "fault=slicer size=3 seed=42|fault=corrupt bit 3 of byte 4 flipped"]]


@pytest.mark.parametrize("size", [1, 3, 10, 1000])
def test_header_is_dissected(made: Made, size: int) -> None:
    """Messages are put together from pieces of any size, even those of the header; each has its fields."""
    recording = made.recorder.record(*FOUR)
    stream = QUESTION + QUESTION
    for start in range(0, len(stream), size):
        recording.passed(UPSTREAM, stream[start : start + size], 0.0)
    recording.closed("Connection was closed cleanly", 0.0)
    dissector = make_dissector(made.path.with_suffix(".lua"), "header", 5679)
    names = ("lab_header.type", "lab_header.id", "lab_header.length", "lab_header.content")
    found = fields(made.path, *names, only="lab_header", dissector=dissector)
    both = [["greeting", "7", "5", "68656c6c6f"]] * 2
    joined = [["|".join(column) for column in zip(*both, strict=True)]]
    assert found == (joined if size == 1000 else both)
    assert fields(made.path, "frame.number", only="_ws.malformed", dissector=dissector) == []
    shown = tshark(made.path, dissector=dissector)
    assert shown.count("LAB_HEADER") == (1 if size == 1000 else 2)
    assert "greeting id=7 length=5" in shown


def test_what_breaks_the_protocol(made: Made) -> None:
    """A prefix that no header has is shown as such."""
    recording = made.recorder.record(*FOUR)
    recording.passed(UPSTREAM, b"GET / HTTP/1.1\r\n\r\n", 0.0)
    recording.passed(DOWNSTREAM, b'\0\0\0\5{"a":' + b"\0\0\0\2{}", 0.0)
    dissector = make_dissector(made.path.with_suffix(".lua"), "header", 5679)
    assert "(this breaks the protocol)" in tshark(made.path, dissector=dissector)


def test_int32_is_dissected(made: Made) -> None:
    """A layout without JSON works as well: strings, empty ones too, in several reads and several in one."""
    recording = made.recorder.record(*FOUR)
    for piece in (b"\0\0", b"\0\2hi\0\0\0\0", b"\0\0\0\3yes"):
        recording.passed(DOWNSTREAM, piece, 0.0)
    dissector = made.path.with_suffix(".lua")
    dissector.write_text(write_dissector(STRINGS))
    found = fields(made.path, "lab_strings.length", "lab_strings.string", only="lab_strings", dissector=dissector)
    assert found == [["2|0", "6869"], ["3", "796573"]]


def test_echo_is_dissected(made: Made) -> None:
    """A stream without messages is shown read by read."""
    recording = made.recorder.record(*FOUR)
    recording.passed(UPSTREAM, b"hello", 0.0)
    recording.passed(DOWNSTREAM, b"echo hello", 0.0)
    dissector = make_dissector(made.path.with_suffix(".lua"), "echo", 5679)
    found = fields(made.path, "tcp.dstport", "lab_echo.data", only="lab_echo", dissector=dissector)
    assert found == [["5679", b"hello".hex()], ["40000", b"echo hello".hex()]]


class ServicesTests(ServerTestCase):
    """Services that were recorded on real sockets."""

    skip = NO_TSHARK

    def setUp(self) -> None:
        """Make a recorder."""
        super().setUp()
        self.path = self.local / "it.pcapng"
        self.recorder = Recorder(reactor, self.path)
        self.addCleanup(self.recorder.close)

    def wrap(self, factory: IProtocolFactory) -> IProtocolFactory:
        """Have it recorded."""
        return capture(factory, self.recorder)

    async def test_header(self) -> None:
        """Request and reply, of more than a packet; tshark sees nothing wrong with it."""
        port = await serverFromString(reactor, "tcp:0:interface=127.0.0.1").listen(
            self.wrap(HeaderServerFactory(reactor))
        )
        self.addCleanup(port.stopListening)
        number = port.getHost().port
        client: Any = await HostEndpoint(reactor, "127.0.0.1", number, timeout=DEADLINE).connect(HeaderClientFactory())
        await client.request({"type": "greeting", "id": 1}, b"x" * 300_000)
        client.transport.loseConnection()
        await wait(lambda: sum(flags(segment) == "F." for _, segment in read(self.path)) == 2)
        dissector = make_dissector(self.path.with_suffix(".lua"), "header", number)
        names = ("tcp.srcport", "lab_header.type", "lab_header.length")
        found = fields(self.path, *names, only="lab_header", dissector=dissector)
        self.assertEqual([each[1:] for each in found], [["greeting", "300000"]] * 2)
        self.assertEqual([each[0] == str(number) for each in found], [False, True])
        self.assertEqual(fields(self.path, "frame.number", only="tcp.analysis.flags"), [])

    async def test_filexfer(self) -> None:
        """A file that is put: requests and replies with their paths and digests."""
        port = await self.listen(wrap=self.wrap)
        files = await self.connected(port)
        self.source.write_bytes(b"0123456789abcdef" * 2**16)
        receipt = await files.put(self.source, "x")
        dissector = make_dissector(self.path.with_suffix(".lua"), "filexfer", port)
        names = ("lab_filexfer.type", "lab_filexfer.path", "lab_filexfer.digest")
        found = fields(self.path, *names, only="lab_filexfer", dissector=dissector)
        kinds = [kind for each in found for kind in each[0].split("|")]
        self.assertEqual(kinds[0], "hello")
        self.assertLessEqual({"put", "digest", "ok"}, {*kinds})
        self.assertTrue(any("x" in each[1].split("|") for each in found))
        self.assertTrue(any(receipt.digest in each[2].split("|") for each in found))
        self.assertEqual(fields(self.path, "frame.number", only="_ws.malformed", dissector=dissector), [])
