"""What ``twisted-lab capture`` shows of a capture that lacks something."""

import signal
import subprocess
from argparse import Namespace
from pathlib import Path

import pytest

from tests.instruments.capture.packets import CLIENT, HANDSHAKE, SERVER, START, downstream, upstream
from tests.processes import DEADLINE, ENVIRONMENT
from tests.test_capture_command import LAB, QUESTION, look, wait
from twisted_lab.cli.capture import Looker
from twisted_lab.instruments.capture.message_lines import MessageLines
from twisted_lab.instruments.capture.pcapng import write_packet_block, write_start
from twisted_lab.instruments.capture.segment import ACK, FIN, Segment, write_packet

#: A capture that lacks ten bytes of the client's; the rest of its packets come before the server's.
GAP = b"".join(
    [
        write_start(),
        *(write_packet_block(0.0, write_packet(segment)) for segment in HANDSHAKE),
        write_packet_block(0.0, write_packet(upstream(START, QUESTION[:3]))),
        write_packet_block(1.0, write_packet(upstream(START + 13, QUESTION[13:])), ["fault=corrupt bit 3"]),
        write_packet_block(2.0, write_packet(upstream(START + len(QUESTION), flags=FIN | ACK))),
        write_packet_block(3.0, write_packet(downstream(1000, QUESTION))),
    ]
)


def test_what_was_not_captured(tmp_path: Path) -> None:
    """It is shown where it lacks, with what was captured after it: what was noted, and the end."""
    (tmp_path / "gap").write_bytes(GAP)
    status, out, err = look(tmp_path / "gap", "--codec", "header")
    assert (status, err) == (0, "")
    assert [line[17:].strip() for line in out.splitlines()][1:] == [
        "<-  greeting 'hello'  [39 B]",
        "->  10 bytes weren't captured; 3 B of the message were there",
        "fault=corrupt bit 3",
        "->  the client has sent everything",
    ]


def test_what_waits_when_following_ends(tmp_path: Path) -> None:
    """While a file is followed what is missing may still come; when that ends it doesn't."""
    (tmp_path / "gap").write_bytes(GAP)
    with (
        (tmp_path / "out").open("w+") as out,
        subprocess.Popen(
            [LAB, "capture", tmp_path / "gap", "--codec", "header", "--follow"], stdout=out, env=ENVIRONMENT
        ) as process,
    ):
        wait(lambda: "<-  greeting" in (tmp_path / "out").read_text(), process)  # all else came before it
        assert "captured" not in (tmp_path / "out").read_text()
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 130
    assert "10 bytes weren't captured" in (tmp_path / "out").read_text()


def test_what_waits_when_another_file_begins(capsys: pytest.CaptureFixture[str]) -> None:
    """What a file lacks isn't in the next one: it is shown before what that one has."""
    looker = Looker(Namespace(connection=None, codec="header"), MessageLines())
    other = Segment(CLIENT._replace(port=1), SERVER, 0, 0, ACK, QUESTION.replace(b"hello", b"later"))
    looker.look([GAP, b"", write_start() + write_packet_block(4.0, write_packet(other))])
    out = capsys.readouterr().out
    assert out.index("weren't captured") < out.index("later")
