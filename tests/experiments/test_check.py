"""``twisted-lab check``: right solutions pass, and each of the classic wrong ones fails where it is wrong."""

import os
import re
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.processes import DEADLINE, ENVIRONMENT, command

TOP = Path(__file__).parents[2]
EXAMPLES = TOP / "docs" / "examples"
SOLUTIONS = "tests.experiments.solutions"


def failing(number: str, protocol: str) -> list[str]:
    """Check one of our wrong solutions; give the points that fail, as they are printed, in one line each."""
    done = command("twisted-lab", "check", number, "--protocol", f"{SOLUTIONS}:{protocol}", cwd=TOP)
    printed = done.stdout.decode()
    points = re.findall(r"^(?:FAIL|pass)  .*\n(?: .*\n)*", printed, re.MULTILINE)
    failed = [re.sub(r"\s+", " ", point) for point in points if point.startswith("FAIL")]
    assert f"{len(points) - len(failed)} of {len(points)} points are right.\n" in printed, printed + str(done.stderr)
    assert done.returncode == bool(failed)
    assert all("seen: " in point for point in failed)
    return failed


@pytest.mark.parametrize(
    ("number", "protocol"),
    [("10", "my_echo:EchoFactory"), ("12", "my_strings:StringsFactory"), ("13", "my_messages:MessagesFactory")],
)
def test_the_examples_pass(number: str, protocol: str) -> None:
    """The solutions in docs/examples are right in every point; a module of the current directory is found."""
    done = command("twisted-lab", "check", number, "--protocol", protocol, cwd=EXAMPLES)
    assert (done.returncode, done.stderr) == (os.EX_OK, b""), done.stdout.decode()
    assert b"FAIL" not in done.stdout


@pytest.mark.parametrize(
    ("number", "protocol"),
    [
        ("10", "RightEchoFactory"),
        ("10", "MadeFactory"),
        ("10", "make_factory"),
        ("12", "StringsFactory"),
        ("13", "MessagesFactory"),
    ],
)
def test_right_ones_pass(number: str, protocol: str) -> None:
    """What the wrong solutions are derived from is right; a factory may be there, or be made by a call."""
    assert failing(number, protocol) == []


@pytest.mark.parametrize(
    ("number", "protocol", "points"),
    [
        ("10", "DecodingEchoFactory", ["bytes that are no text", "a letter that is cut"]),
        ("10", "AbortingEchoFactory", ["a client that shuts its side"]),
        ("10", "SharingEchoFactory", ["a client that resets", "of 100 clients at once"]),
        ("12", "OneEachReadFactory", ["4 strings that are read at once", "strings that are cut", "an empty string"]),
        # The same, though it stands still for longer than a check waits for an answer.
        ("12", "StalledFactory", ["4 strings that are read at once", "strings that are cut", "an empty string"]),
        ("12", "ForgetfulFactory", ["strings that are cut", "a stream that comes byte by byte"]),
        ("12", "BoundlessFactory", ["a string of 4 GiB"]),
        ("12", "CompletingFactory", ["when the stream ends inside"]),
        ("13", "AnonymousFactory", ["the id comes back"]),
        ("13", "SilentFactory", ["a header that isn't JSON", "a header of over 64 KiB"]),
    ],
)
def test_wrong_ones_fail(number: str, protocol: str, points: list[str]) -> None:
    """Each fails in the points where it is wrong, and in no other."""
    failed = failing(number, protocol)
    assert len(failed) == len(points), failed
    assert all(f"FAIL {point}" in said for point, said in zip(points, failed, strict=True)), failed
    assert all("hint: " in said or "JSON" in said or "64 KiB" in said for said in failed)


@pytest.mark.parametrize(("number", "protocol"), [("12", "NoEmptyFactory"), ("13", "WholeFactory")])
def test_very_wrong_ones_fail(number: str, protocol: str) -> None:
    """What is wrong in many points fails in more than one."""
    assert len(failing(number, protocol)) > 1


def test_a_server_that_ends() -> None:
    """A server that ends in the middle fails, and what is left isn't tried."""
    (*_, last) = failing("10", "QuittingEchoFactory")
    assert "the server is there to the end" in last


def test_its_last_exception_is_told() -> None:
    """What the reader's protocol raised is printed."""
    done = command("twisted-lab", "check", "10", "--protocol", f"{SOLUTIONS}:DecodingEchoFactory", cwd=TOP)
    assert b"The last exception in the server was builtins.UnicodeDecodeError: 'utf-8' codec" in done.stdout


@pytest.mark.parametrize(
    ("protocol", "sentence"),
    [
        ("my_echo", "'my_echo' isn't module:Factory"),
        ("nowhere:Factory", "'nowhere' can't be imported: ModuleNotFoundError: No module named 'nowhere'"),
        (f"{SOLUTIONS}:Nothing", f"there is no Nothing in {SOLUTIONS}"),
        (f"{SOLUTIONS}:RightEcho", "RightEcho is a protocol; Factory.forProtocol(RightEcho) makes a factory for it"),
        (f"{SOLUTIONS}:make_nothing", "make_nothing gives no factory of Twisted's but a NoneType"),
        (f"{SOLUTIONS}:raise_error", "raise_error() raised RuntimeError: out of order"),
    ],
)
def test_no_factory(protocol: str, sentence: str) -> None:
    """A name that leads to no factory is one sentence."""
    done = command("twisted-lab", "check", "10", "--protocol", protocol, cwd=TOP)
    assert (done.returncode, done.stdout) == (os.EX_USAGE, b"")
    assert done.stderr.decode() == f"twisted-lab: {sentence}\n"


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        ("import sys; sys.exit(3)", "'mine' exited when it was imported, with status 3"),
        ("import sys; sys.exit()", "'mine' exited when it was imported, with status 0"),
        ("import sys; sys.exit('no configuration')", "'mine' exited when it was imported: no configuration"),
        ("import sys; Factory = sys.exit", "Factory() exited, with status 0"),
        ("import os; os._exit(3)", "a server ended with status 3: it has printed nothing"),
    ],
)
def test_a_module_that_exits(tmp_path: Path, module: str, sentence: str) -> None:
    """A module that ends the program, in place of making a factory, is said to do that."""
    (tmp_path / "mine.py").write_text(module)
    done = command("twisted-lab", "check", "10", "--protocol", "mine:Factory", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (os.EX_USAGE, b"")
    assert done.stderr.decode() == f"twisted-lab: {sentence}\n"


@pytest.mark.parametrize("number", ["02", "99", "ten"])
def test_no_check(number: str) -> None:
    """An experiment without a check is one sentence, that names those that have one."""
    done = command("twisted-lab", "check", number, "--protocol", f"{SOLUTIONS}:RightEchoFactory", cwd=TOP)
    assert (done.returncode, done.stdout) == (os.EX_USAGE, b"")
    expected = f"twisted-lab: there is no check '{number}': these experiments have one: 10, 12, 13\n"
    assert done.stderr.decode() == expected


@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGTERM])
def test_breaking_off(with_signal: signal.Signals) -> None:
    """Ctrl-C, or a SIGTERM, ends the command and the server, which may be stuck."""
    words = ["twisted-lab", "check", "12", "--protocol", f"{SOLUTIONS}:StuckFactory"]
    with subprocess.Popen(words, cwd=TOP, env=ENVIRONMENT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        started = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(with_signal)
        assert process.wait(DEADLINE) == 128 + with_signal
    _, alive = psutil.wait_procs(started, DEADLINE)
    assert started
    assert not alive
