"""``twisted-lab conform`` as a user runs it: in memory, and over the network against real services."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.processes import DEADLINE, SCRIPTS, command, program, service, unread

LAB = str(SCRIPTS / "twisted-lab")
WRONG = """
from twisted.internet.protocol import Factory, Protocol


class ReadIsMessage(Protocol):
    def dataReceived(self, data):
        if len(data) >= 4:
            self.transport.write(data[: 4 + int.from_bytes(data[:4], "big")])


def wrong():
    return Factory.forProtocol(ReadIsMessage)
"""


def conform(*words: str, cwd: Path | None = None) -> "subprocess.CompletedProcess[bytes]":
    """Examine."""
    return command(LAB, "conform", *words, cwd=cwd, deadline=4 * DEADLINE)


def test_a_right_server_in_memory() -> None:
    """Each case has a line with its id and verdict, and the sum is the last."""
    done = conform("header", "--strict")
    assert done.returncode == 0, done.stdout.decode()
    lines = done.stdout.decode().splitlines()
    assert lines[0] == "F1   pass        a request at a time, each whole"
    assert lines[-1] == f"{len(lines) - 1} cases: {len(lines) - 1} pass"


def test_ones_own_server_that_is_wrong(tmp_path: Path) -> None:
    """Status 1; what was expected and what happened; JUnit's file; and a test of pytest's that fails by itself."""
    (tmp_path / "mine.py").write_text(WRONG)
    (tmp_path / "kept").mkdir()
    words = ("mine:wrong", "--codec", "int32", "--limit", "20", "--only", "framing")
    done = conform(*words, "-j", "results.xml", "--save", "kept", cwd=tmp_path)
    assert done.returncode == 1
    assert "cut after byte 1 of 14" in done.stdout.decode()
    assert "expected: the same replies" in done.stdout.decode()
    suite = ET.parse(tmp_path / "results.xml").getroot()  # noqa: S314  # ours
    assert int(suite.attrib["failures"]) >= 4
    pytest_command = str(SCRIPTS / "pytest")  # which, other than python -m pytest, adds no directory
    again = command(pytest_command, "-q", "-p", "no:cacheprovider", "kept/test_conform_f5.py", cwd=tmp_path)
    assert again.returncode == 1, again.stdout.decode()
    assert "AssertionError: mine:wrong: " in again.stdout.decode()
    right = WRONG.replace("class ReadIsMessage(Protocol)", "class Old(Protocol)")
    right += "\n\nfrom twisted_lab.net.int32 import Int32Receiver\n\n\nclass ReadIsMessage(Int32Receiver):\n"
    (tmp_path / "mine.py").write_text(
        right + "    MAX_LENGTH = 20\n\n    def stringReceived(self, string):\n        self.sendString(string)\n"
    )
    again = command(pytest_command, "-q", "-p", "no:cacheprovider", "kept/test_conform_f5.py", cwd=tmp_path)
    assert again.returncode == 0, again.stdout.decode()


@pytest.mark.parametrize("name", ["echo", "header"])
def test_our_services_over_the_network(name: str) -> None:
    """They pass, strictly."""
    with service(name) as running:
        done = conform(running.addresses[0], "--codec", name, "--strict")
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


def test_filexfer_over_the_network(tmp_path: Path) -> None:
    """Its requests and replies hold too, after its hello."""
    (tmp_path / "served").mkdir()
    with service("filexfer", "--root", str(tmp_path / "served")) as running:
        done = conform(running.addresses[0], "--codec", "filexfer", "--strict")
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


@pytest.mark.parametrize("name", ["echo", "header", "filexfer"])
def test_our_services_behind_the_proxy(name: str, tmp_path: Path) -> None:
    """Through latency and slices, over the network, nothing changes."""
    options = ("--root", str(tmp_path)) if name == "filexfer" else ()
    faults = ("--fault", "latency:latency=1", "--fault", "slicer:average_size=50,size_variation=40:upstream")
    with (
        service(name, *options) as running,
        service("faultproxy", "--upstream", running.addresses[0], "--api", "", "--seed", "1", *faults) as proxy,
    ):
        only = [word for group in ("F2", "F4", "C2", "C4", "P3", "I1") for word in ("--only", group)]
        done = conform(proxy.addresses[0], "--codec", name, "--strict", *only)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


def test_faults_in_between() -> None:
    """They are the proxy's, by its words; over the network they are the proxy itself's."""
    done = conform("header", "--only", "F4", "--fault", "slicer:average_size=3,size_variation=1:upstream", "--strict")
    assert done.returncode == 0, done.stdout.decode()
    done = conform("header", "--only", "F1", "--fault", "timeout:timeout=10")
    assert done.returncode == 1, done.stdout.decode()
    done = conform("header", "--fault", "rain")
    assert done.returncode == os.EX_USAGE
    assert done.stderr.startswith(b"twisted-lab: rain: ")
    done = conform("127.0.0.1:1", "--codec", "echo", "--fault", "latency")
    assert b"over the network faults are twistd faultproxy's" in done.stderr


def test_a_slow_network() -> None:
    """What comes late through the proxy is waited for."""
    with (
        service("header") as running,
        service(
            "faultproxy", "--upstream", running.addresses[0], "--api", "", "--fault", "latency:latency=100"
        ) as proxy,
    ):
        done = conform(
            proxy.addresses[0], "--codec", "header", "--strict", "--only", "F1", "--only", "F2", "--only", "F4"
        )
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


INTERRUPTED = """
import os
import signal

from twisted.internet.defer import ensureDeferred
from twisted.internet.protocol import Factory
from twisted.protocols.basic import Int32StringReceiver


class Interrupted(Int32StringReceiver):
    def stringReceived(self, string):
        ensureDeferred(self.answer(string))

    async def answer(self, string):
        os.kill(os.getpid(), signal.SIGINT)
        self.sendString(string)


def make():
    return Factory.forProtocol(Interrupted)
"""


def test_interrupted(tmp_path: Path) -> None:
    """Ctrl-C ends it, and isn't a failure of the server's, even where a Deferred keeps it to itself."""
    (tmp_path / "mine.py").write_text(INTERRUPTED)
    done = conform("mine:make", "--codec", "int32", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (130, b"")


DYING = """
import os

from twisted.internet import reactor
from twisted.internet.protocol import Factory
from twisted.protocols.basic import Int32StringReceiver


class Dying(Int32StringReceiver):
    def stringReceived(self, string):
        self.sendString(string)

    def lengthLimitExceeded(self, length):
        os._exit(3)


port = reactor.listenTCP(0, Factory.forProtocol(Dying), interface="127.0.0.1")
print(f"dying listens on 127.0.0.1:{port.getHost().port}", flush=True)
reactor.run()
"""


LOSING = """
import asyncio
import sys

SERVED = int(sys.argv[1])


class Losing(asyncio.Protocol):
    \"\"\"Answers strings; aborts at their end. After so many connections it closes each at once.\"\"\"

    count = 0

    def connection_made(self, transport):
        Losing.count += 1
        self.transport, self.waiting = transport, b""
        if Losing.count > SERVED:
            transport.close()

    def data_received(self, data):
        self.waiting += data
        while len(self.waiting) >= 4 and len(self.waiting) >= (end := 4 + int.from_bytes(self.waiting[:4], "big")):
            self.transport.write(self.waiting[:end])
            self.waiting = self.waiting[end:]

    def eof_received(self):
        self.transport.abort()


async def main():
    server = await asyncio.get_running_loop().create_server(Losing, "127.0.0.1", 0)
    print(f"losing listens on 127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("served", "case", "sentence"), [(10**9, "C3", "bytes of replies came"), (7, "C6", "the server ")]
)
def test_what_real_sockets_hide(tmp_path: Path, served: int, case: str, sentence: str) -> None:
    """Replies that are lost beyond what sockets keep, and a close that comes a moment after connecting, are seen."""
    (tmp_path / "losing.py").write_text(LOSING)
    with program(sys.executable, str(tmp_path / "losing.py"), str(served)) as running:
        done = conform(running.addresses[0], "--codec", "int32", "--only", case)
    assert done.returncode == 1, done.stdout.decode()
    assert sentence in done.stdout.decode()


@pytest.mark.parametrize("words", [("--list",), ("echo", "--only", "F1")])
def test_a_reader_that_has_seen_enough(words: tuple[str, ...]) -> None:
    """A closed pipe ends it as it ends any filter."""
    done = unread(LAB, "conform", *words)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_server_that_dies(tmp_path: Path) -> None:
    """The case that is there for it fails, and those behind it; all of it is written down."""
    with program(sys.executable, "-c", DYING) as running:
        done = conform(
            running.addresses[0], "--codec", "int32", "--only", "H1", "--only", "H2", "-j", "r.xml", cwd=tmp_path
        )
    assert done.returncode == 1, done.stderr.decode()
    assert "a client can't connect: Connection refused" in done.stdout.decode()
    suite = ET.parse(tmp_path / "r.xml").getroot()  # noqa: S314  # ours
    assert suite.attrib["failures"] == "2"


SILENT = """
from twisted.internet.protocol import Factory, Protocol


def silent():
    return Factory.forProtocol(Protocol)
"""


def test_a_server_that_answers_nothing(tmp_path: Path) -> None:
    """That is said: there is nothing to compare."""
    (tmp_path / "mine.py").write_text(SILENT)
    done = conform("mine:silent", "--codec", "int32", "--only", "F2", "--only", "C6", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.decode().splitlines()[-1] == "1 cases: 1 pass"
    assert done.stderr == b"twisted-lab: mine:silent answers no request, so what compares replies is left out\n"


def test_a_unix_socket() -> None:
    """It is an address too."""
    with service("echo", "--listen", "unix:echo.sock", listen=False) as running:
        done = conform(f"unix:{running.directory}/echo.sock", "--codec", "echo", "--only", "F1", "--only", "C2")
    assert done.returncode == 0, done.stdout.decode()


def test_a_model_over_the_network() -> None:
    """Anybody's server can be examined; this one serves one client at a time, and that is found."""
    with program(sys.executable, "-m", "twisted_lab.models.blocking", "127.0.0.1", "0") as running:
        done = conform(running.addresses[0], "--codec", "echo", "--only", "I1", "--json")
    assert done.returncode == 1
    (found,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (found["id"], found["verdict"]) == ("I1", "fail")


def test_the_list() -> None:
    """All cases, with what they do and what is expected, or some; for machines too."""
    assert b"F3   framing    two requests cut at every place\n                expected: " in conform("--list").stdout
    listed = [json.loads(line) for line in conform("--list", "--json", "--only", "close").stdout.splitlines()]
    assert [case["id"] for case in listed] == ["C1", "C2", "C3", "C4", "C5", "C6"]


def test_strict(tmp_path: Path) -> None:
    """What is right in effect passes, unless it is to be strict."""
    words = ("twisted_lab.net.int32:Int32Receiver", "--only", "H4")
    assert conform(*words, cwd=tmp_path).returncode == 0
    assert conform(*words, "--strict", cwd=tmp_path).returncode == 1


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        ((), os.EX_USAGE, "what is to be examined?"),
        (("os:getcwd", "--codec", "int32"), os.EX_USAGE, "os:getcwd is no factory, and makes none but a str"),
        (("echo", "--limit", "5"), os.EX_USAGE, "in the codec stream no request is too long"),
        (("nothing",), os.EX_USAGE, "there is no specimen 'nothing'"),
        (("127.0.0.1:1",), os.EX_USAGE, "what does 127.0.0.1:1 speak?"),
        (("127.0.0.1:1", "--codec", "int32"), os.EX_UNAVAILABLE, "can't connect to 127.0.0.1:1: Connection refused"),
        (("127.0.0.1:1", "--codec", "echo"), os.EX_UNAVAILABLE, "can't connect to 127.0.0.1:1: Connection refused"),
        (("..:80", "--codec", "echo"), os.EX_UNAVAILABLE, "can't connect to ..:80: .. is no name"),
        (("..:80", "--codec", "int32"), os.EX_UNAVAILABLE, "can't connect to ..:80: .. is no name"),
        (("echo", "--only", "F99"), os.EX_USAGE, "there is no case 'F99'"),
        (("echo", "--only", "V1"), 2, "none of these cases applies to echo"),
        (("echo", "--only", "F1", "-j", "/nowhere/x.xml"), os.EX_CANTCREAT, "can't write /nowhere/x.xml"),
    ],
)
def test_mistakes_are_one_sentence(words: tuple[str, ...], status: int, sentence: str) -> None:
    """With the proper status."""
    done = conform(*words)
    assert done.returncode == status, done.stderr.decode()
    assert sentence in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1
