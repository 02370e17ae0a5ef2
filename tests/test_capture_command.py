"""``twisted-lab capture`` and ``twisted-lab dissector`` as a user runs them."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock

from tests.processes import DEADLINE, ENVIRONMENT, SCRIPTS, command, unread
from twisted_lab.instruments.capture.recorder import Recorder
from twisted_lab.instruments.capture.recording import Recording
from twisted_lab.instruments.directions import DOWNSTREAM, UPSTREAM
from twisted_lab.wire.header import HeaderCodec, Message

LAB = str(SCRIPTS / "twisted-lab")
CLIENT, SERVER = IPv4Address("TCP", "127.0.0.1", 40000), IPv4Address("TCP", "127.0.0.1", 5679)
QUESTION = HeaderCodec().encode(Message({"type": "greeting"}, b"hello"))
MINE = """\
from twisted_lab.specimen import ECHO, Specimen
from twisted_lab.wire.int32 import LAYOUT, Int32Codec

STRINGS = Specimen("strings", ECHO.server, ECHO.client, Int32Codec, 7000, layout=LAYOUT)
NO_LAYOUT = Specimen("no-layout", ECHO.server, ECHO.client, Int32Codec, 7000)
"""


class Captured:
    """A capture that is being made, at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recorder = Recorder(Clock(), path, size=2000, files=3)

    def talk(self) -> Recording:
        """Record a question in two reads, and its answer."""
        recording = self.recorder.record(CLIENT, SERVER)
        recording.struck(UPSTREAM, "slicer", "size=10 seed=42", 0.0)
        recording.passed(UPSTREAM, QUESTION[:10], 0.0)
        recording.passed(UPSTREAM, QUESTION[10:], 0.5)
        recording.passed(DOWNSTREAM, QUESTION, 1.0)
        return recording


@pytest.fixture
def captured(tmp_path: Path) -> Iterator[Captured]:
    """Make a capture."""
    captured = Captured(tmp_path / "it.pcapng")
    yield captured
    captured.recorder.close()


def look(
    *words: object, stdin: "IO[bytes] | int" = subprocess.DEVNULL, cwd: Path | None = None
) -> tuple[int, str, str]:
    """Run the command; give its status, and what it printed on both streams."""
    done = command(LAB, "capture", *map(str, words), stdin=stdin, cwd=cwd)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_views(captured: Captured) -> None:
    """Each view shows the conversation; messages are the default."""
    captured.talk()
    status, out, err = look(captured.path, "--codec", "header")
    assert (status, err) == (0, "")
    assert "0.500000    1  ->  greeting 'hello'  [39 B in 2 reads]\n" in out
    assert "fault=slicer size=10 seed=42\n" in out
    status, out, err = look("--view", "sequence", "--codec", "header", captured.path)
    assert (status, err) == (0, "")
    assert "|-- [39 B in 2 reads] greeting 'hello' ---" in out
    status, out, err = look(captured.path, "--view", "ruler", "--codec", "header", "--bytes", "20")
    assert (status, err) == (0, "")
    assert f"messages  {20 * '1'}\nreads     {10 * '1'}{10 * '2'}\n" in out


def test_without_a_codec(captured: Captured) -> None:
    """Each read is shown as it is, from standard input too."""
    captured.talk()
    with captured.path.open("rb") as file:
        status, out, _ = look("-", stdin=file)
    assert status == 0
    assert "->  '\\x00\\x00\\x00\\x1e{\"type'  [10 B]" in out


def test_pictures(captured: Captured, tmp_path: Path) -> None:
    """``--svg`` writes a picture beside what is printed."""
    captured.talk()
    for view, word in (("sequence", "greeting"), ("ruler", "reads")):
        path = tmp_path / f"{view}.svg"
        status, out, _ = look(captured.path, "--view", view, "--codec", "header", "--svg", path)
        assert status == 0
        assert word in out
        assert word in path.read_text()


def test_json_of_one_connection(captured: Captured) -> None:
    """``--json`` gives lines for programs, ``--connection`` those of one."""
    captured.talk()
    captured.talk().closed("reset by client", 2.0)
    status, out, _ = look(captured.path, "--json", "--codec", "header", "--connection", "2")
    lines = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [line["event"] for line in lines] == ["opened", "message", "message", "reset"]
    assert {line["connection"] for line in lines} == {2}
    assert lines[-1]["comments"] == ["closed: reset by client"]


def test_anyones_codec(captured: Captured, tmp_path: Path) -> None:
    """A specimen in the current directory is found, for both commands."""
    (tmp_path / "mine.py").write_text(MINE)
    recording = captured.recorder.record(CLIENT, SERVER)
    recording.passed(UPSTREAM, b"\0\0\0\2hi\0\0", 0.0)
    recording.ended(UPSTREAM, 1.0)
    status, out, _ = look(captured.path, "--codec", "mine:STRINGS", cwd=tmp_path)
    assert status == 0
    assert "->  'hi'  [6 B]\n" in out
    assert "the stream ended in the middle of a message; 2 B of the message were there\n" in out
    done = command(LAB, "dissector", "mine:STRINGS", "--port", "7001", cwd=tmp_path)
    assert done.returncode == 0
    assert b'Proto("lab_strings", "strings")' in done.stdout
    assert b"PORT = 4, 268435456, 7001" in done.stdout


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_follow(captured: Captured, tmp_path: Path, stop: int) -> None:
    """What is recorded is shown at once, over into the next file; an interrupt ends it, with the picture drawn."""
    picture = tmp_path / "it.svg"
    words = ["--follow", "--view", "sequence", "--svg", str(picture), "--codec", "header"]
    with (
        (tmp_path / "out").open("w+") as out,
        subprocess.Popen([LAB, "capture", str(captured.path), *words], stdout=out, env=ENVIRONMENT) as process,
    ):

        def shown() -> int:
            return (tmp_path / "out").read_text().count("greeting")

        recording = captured.talk()
        wait(lambda: shown() == 2, process)
        for number in range(3, 43):  # more than two files
            recording.passed(UPSTREAM, QUESTION, float(number))
            if number % 10 == 0:
                wait(lambda number=number: shown() == number, process)  # type: ignore[misc]
        wait(lambda: shown() == 42, process)
        process.send_signal(stop)
        assert process.wait(DEADLINE) == 130
    assert "greeting" in picture.read_text()


def test_the_last_message_is_not_whole(captured: Captured) -> None:
    """A capture that ends in the midst of a message says so, and what had come of it; to programs too."""
    recording = captured.talk()
    recording.struck(UPSTREAM, "timeout", "", 2.0)
    recording.passed(UPSTREAM, QUESTION[:-1], 3.0)
    status, out, _ = look(captured.path, "--codec", "header", "--json")
    last = json.loads(out.splitlines()[-1])
    assert status == 0
    assert (last["event"], last["from"], last["size"]) == ("broken", "client", len(QUESTION) - 1)
    assert (last["why"], last["comments"]) == ("the capture ended in the middle of a message", ["fault=timeout"])


def wait(happened: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    """Wait until it has."""
    deadline = time.monotonic() + DEADLINE
    while not happened():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["nowhere"], os.EX_NOINPUT, "can't read nowhere: No such file or directory"),
        (["."], os.EX_NOINPUT, "can't read .: Is a directory"),
        (["nowhere", "--follow"], os.EX_NOINPUT, "can't read nowhere: No such file or directory"),
        (["text"], os.EX_DATAERR, "text: this is no pcapng file"),
        (["half"], os.EX_DATAERR, "half: the capture ends in the middle of a block"),
        (["none"], os.EX_NOINPUT, "there is no TCP connection in none"),
        (["it.pcapng", "--connection", "2"], os.EX_NOINPUT, "there is no connection 2 in it.pcapng"),
        (["it.pcapng", "--view", "ruler", "--svg", "no/x.svg"], os.EX_CANTCREAT, "can't write no/x.svg"),
        (["it.pcapng", "--codec", "fibres"], os.EX_USAGE, "there is no specimen 'fibres'"),
        (["it.pcapng", "--view", "ruler", "--json"], os.EX_USAGE, "--json is for --view messages"),
        (["it.pcapng", "--bytes", "9"], os.EX_USAGE, "--bytes is for --view ruler"),
        (["it.pcapng", "--svg", "x.svg"], os.EX_USAGE, "--svg is for --view sequence or ruler"),
        (["-", "--follow"], os.EX_USAGE, "--follow is for files"),
        (["it.pcapng", "--view", "films"], os.EX_USAGE, "invalid choice: 'films'"),
        ([], os.EX_USAGE, "the following arguments are required: FILE"),
    ],
)
def test_mistakes_are_one_sentence(
    captured: Captured, tmp_path: Path, words: list[str], status: int, sentence: str
) -> None:
    """Each has its own exit status."""
    captured.talk()
    data = captured.path.read_bytes()
    (tmp_path / "text").write_text("hello\n")
    (tmp_path / "half").write_bytes(data[:-5])
    Recorder(Clock(), tmp_path / "none").close()
    seen, _, err = look(*words, cwd=tmp_path)
    assert seen == status
    assert sentence in err
    assert err.count("\n") == 1


def test_what_can_be_read_is_shown(captured: Captured) -> None:
    """A file that is cut off is shown as far as it goes."""
    captured.talk()
    captured.path.write_bytes(captured.path.read_bytes()[:-5])
    status, out, _ = look(captured.path, "--codec", "header")
    assert status == os.EX_DATAERR
    assert "greeting 'hello'" in out


def test_a_reader_that_has_seen_enough(captured: Captured) -> None:
    """A closed pipe ends it, as it ends any filter."""
    captured.talk()
    done = unread(LAB, "capture", str(captured.path))
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize(
    ("specimen", "sentence"),
    [("fibres", "there is no specimen 'fibres'"), ("mine:NO_LAYOUT", "no-layout has no `layout`")],
)
def test_no_dissector(tmp_path: Path, specimen: str, sentence: str) -> None:
    """Without a layout there is no dissector."""
    (tmp_path / "mine.py").write_text(MINE)
    done = command(LAB, "dissector", specimen, cwd=tmp_path)
    assert done.returncode == os.EX_USAGE
    assert sentence in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1
