"""What ``twisted-lab capture`` shows of a capture that lacks something."""

import os
import signal
import subprocess
from argparse import Namespace
from pathlib import Path

import pytest

from tests.instruments.capture.packets import CLIENT, HANDSHAKE, SERVER, START, downstream, upstream
from tests.processes import DEADLINE, ENVIRONMENT
from tests.test_capture_command import LAB, QUESTION, Captured, look, wait
from twisted_lab.cli.capture import Looker
from twisted_lab.instruments.capture.message_lines import MessageLines
from twisted_lab.instruments.capture.pcapng import write_packet_block, write_start
from twisted_lab.instruments.capture.segment import ACK, FIN, Segment, write_packet
from twisted_lab.instruments.directions import DOWNSTREAM, UPSTREAM

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
LOST = "twisted-lab: some of the capture may be lost: files went faster than they were read\n"


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


@pytest.mark.parametrize(("count", "lost"), [(30, ""), (200, LOST)], ids=["there", "gone"])
def test_files_that_come_faster_than_they_are_read(tmp_path: Path, count: int, lost: str) -> None:
    """Files between two looks are shown as long as they are there; that some may be missing is said."""
    captured = Captured(tmp_path / "it.pcapng")
    recording = captured.talk()
    shown, said = tmp_path / "shown", tmp_path / "said"
    words = [LAB, "capture", captured.path, "--follow", "--codec", "header", "--json"]
    with (
        shown.open("w") as out,
        said.open("w") as err,
        subprocess.Popen([*map(str, words)], stdout=out, stderr=err, env=ENVIRONMENT) as process,
    ):
        wait(lambda: shown.read_text().count('"message"') == 2, process)
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        for number in range(count):
            recording.passed(UPSTREAM, QUESTION, 2.0 + number)
        recording.passed(DOWNSTREAM, QUESTION.replace(b"hello", b"last!"), 2.0 + count)
        process.send_signal(signal.SIGCONT)
        assert (tmp_path / "it.pcapng.2").exists()
        wait(lambda: "last!" in shown.read_text() or bool(lost and said.read_text()), process)
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 130
    captured.recorder.close()
    assert said.read_text() == lost
    if not lost:
        assert shown.read_text().count('"message"') == 2 + count + 1


def test_what_waits_when_another_file_begins(capsys: pytest.CaptureFixture[str]) -> None:
    """What a file lacks isn't in the next one: it is shown before what that one has."""
    looker = Looker(Namespace(connection=None, codec="header"), MessageLines())
    other = Segment(CLIENT._replace(port=1), SERVER, 0, 0, ACK, QUESTION.replace(b"hello", b"later"))
    looker.look([GAP, b"", write_start() + write_packet_block(4.0, write_packet(other))])
    out = capsys.readouterr().out
    assert out.index("weren't captured") < out.index("later")
