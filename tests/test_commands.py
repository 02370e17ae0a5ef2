"""The command ``twisted-lab`` as a user runs it: real processes against real services."""

import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from threading import Event

import pytest
import trustme

from tests.processes import DEADLINE, ENVIRONMENT, Running, answering, command, receive, service

MEBIBYTE = 2**20


@pytest.fixture(scope="module")
def rfc862(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run the echo of RFC 862, on a unix socket too."""
    path = tmp_path_factory.mktemp("rfc862") / "socket"
    options = ["--listen", "tcp:0:interface=127.0.0.1", "--listen", f"unix:{path}", "--prefix", ""]
    with service("echo", *options, endpoints=2, listen=False) as running:
        yield running


@pytest.fixture(scope="module")
def header() -> Iterator[Running]:
    """Run the header protocol's service."""
    with service("header") as running:
        yield running


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run RFC 862 over TLS; give the client's endpoint, which verifies the certificate."""
    private, public = tmp_path_factory.mktemp("private"), tmp_path_factory.mktemp("public")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(public / "authority.pem")
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(private / "localhost.pem")
    options = ["--listen", f"tls:{private}:0:interface=127.0.0.1", "--prefix", ""]
    with service("echo", *options, listen=False) as running:
        yield f"tls:localhost:{running.port}:trustRoots={public}"


@pytest.fixture(scope="module")
def nobody() -> Iterator[str]:
    """Give an address that refuses connections: it is bound, so that nobody else can take it, but doesn't listen."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


def lab(*words: str, content: str | bytes | None = None) -> tuple[int, str, str]:
    """Run `twisted-lab WORDS`; give exit status, output and errors."""
    done = command("twisted-lab", *words, content=content)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def assert_sentence(errors: str, *parts: str) -> None:
    """See that `errors` is one line of ours, with `parts` in it."""
    assert re.fullmatch(r"twisted-lab[^\n]*\n", errors), errors
    for part in parts:
        assert part in errors


def pack(header: bytes) -> bytes:
    """Put the prefix before a header."""
    return struct.pack("!I", len(header)) + header


def vanish(connection: socket.socket) -> None:
    """Receive a little, then reset the connection."""
    receive(connection, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_version() -> None:
    """`twisted-lab --version` gives the installed version."""
    assert lab("--version") == (0, f"twisted-lab {version('twisted-lab')}\n", "")


@pytest.mark.parametrize(
    ("verb", "names"),
    [
        ([], ["echo", "send", "demo", "--version"]),
        (["echo"], ["TARGET", "MESSAGE", "--connections", "--json", "--timeout"]),
        (["send"], ["TYPE", "--connect", "--content-file", "--header", "--timeout"]),
        (["demo"], ["--help"]),
    ],
    ids=str,
)
def test_help_reads_well(verb: list[str], names: list[str]) -> None:
    """Help fits into 80 columns and names each verb, argument and option."""
    status, text, errors = lab(*verb, "--help")
    assert (status, errors) == (0, "")
    assert max(map(len, text.splitlines())) <= 80
    assert all(name in text for name in names)


@pytest.mark.parametrize(
    ("words", "culprit"),
    [
        ([], "COMMAND"),
        (["sing"], "'sing'"),
        (["echo", "--nonsense"], "--nonsense"),
        (["echo", "--connections", "0"], "--connections"),
        (["echo", "--timeout", "soon"], "--timeout"),
        (["send"], "TYPE"),
        (["send", "greeting", "--header", "no-value"], "--header"),
        (["echo", "carrier-pigeon:coop:7", "hello"], "carrier-pigeon:coop:7"),
        (["echo", "tcp:127.0.0.1", "hello"], "tcp:127.0.0.1"),
        (["echo", "127.0.0.1:99999", "hello"], "127.0.0.1:99999"),
        (["send", "greeting", "--connect", "tcp:127.0.0.1:port"], "tcp:127.0.0.1:port"),
    ],
    ids=str,
)
def test_a_mistake_is_one_sentence(words: list[str], culprit: str) -> None:
    """A mistake on the command line is one line that names it, and status 64."""
    status, output, errors = lab(*words)
    assert (status, output) == (os.EX_USAGE, "")
    assert_sentence(errors, culprit)


@pytest.mark.parametrize("verb", [["echo", "{}", "hello"], ["echo", "{}"], ["send", "greeting", "--connect", "{}"]])
def test_nobody_there(verb: list[str], nobody: str) -> None:
    """A refused connection is one sentence and status 69, an unknown host one and status 68."""
    status, output, errors = lab(*(word.format(nobody) for word in verb))
    assert (status, output) == (os.EX_UNAVAILABLE, "")
    assert_sentence(errors, nobody, "Connection refused")
    status, output, errors = lab(*(word.format("nowhere.invalid") for word in verb))
    assert (status, output) == (os.EX_NOHOST, "")
    assert_sentence(errors, "nowhere.invalid")


def test_messages_over_several_connections(echo: Running) -> None:
    """`twisted-lab echo ADDR m1 m2 --connections 2` shows what each connection sent and received."""
    status, output, errors = lab("echo", echo.addresses[0], "m1", "你好", "--connections", "2")
    assert (status, errors) == (0, "")
    for number in (1, 2):
        lines = [line for line in output.splitlines() if line.startswith(f"connection {number}: ")]
        assert lines[:2] == [f"connection {number}: sent 'm1'", f"connection {number}: sent '你好'"]
        # Two messages may be received, and echoed, as one.
        received = "".join(line.partition("received ")[2].strip("'") for line in lines[2:])
        assert received in {"echo m1echo 你好", "echo m1你好"}


def test_messages_as_json(rfc862: Running) -> None:
    """With --json each line is an object, for programs to read."""
    status, output, errors = lab("echo", rfc862.addresses[0], "m1", "m2", "--connections", "2", "--json")
    assert (status, errors) == (0, "")
    lines = [json.loads(line) for line in output.splitlines()]
    for number in (1, 2):
        mine = [line for line in lines if line["connection"] == number]
        assert mine[:2] == [{"connection": number, "sent": "m1"}, {"connection": number, "sent": "m2"}]
        assert "".join(line["received"] for line in mine[2:]) == "m1m2"


def test_options_may_stand_anywhere(rfc862: Running) -> None:
    """Options may stand before, between and after target and messages."""
    address = rfc862.addresses[0]
    expected = lab("echo", address, "hello", "--json")
    assert expected[0] == 0
    assert lab("echo", "--json", address, "hello") == expected
    assert lab("echo", address, "--json", "hello") == expected


@pytest.mark.parametrize("kind", ["unix", "tls"])
def test_other_endpoints(kind: str, rfc862: Running, tls: str) -> None:
    """A target may be any client endpoint: a unix socket; TLS, whose certificate is verified."""
    target = rfc862.addresses[1] if kind == "unix" else tls
    status, output, errors = lab("echo", target, "hello", "--json")
    assert (status, errors) == (0, "")
    assert json.loads(output.splitlines()[-1]) == {"connection": 1, "received": "hello"}


def test_a_certificate_that_is_not_trusted(tls: str) -> None:
    """Without the authority's certificate the server isn't trusted: one sentence, status 69, nothing received."""
    status, output, errors = lab("echo", tls.partition(":trustRoots")[0], "hello", "--json")
    assert (status, "received" in output) == (os.EX_UNAVAILABLE, False)
    assert_sentence(errors, "certificate")


@pytest.mark.parametrize("source", ["pipe", "file"])
@pytest.mark.parametrize("kind", ["tcp", "tls"])
def test_standard_input_comes_back(source: str, kind: str, rfc862: Running, tls: str, tmp_path: Path) -> None:
    """3 MiB of anything, piped in or redirected from a file, come out as they were."""
    content = os.urandom(3 * MEBIBYTE)
    words = ["twisted-lab", "echo", rfc862.addresses[0] if kind == "tcp" else tls]
    if source == "pipe":
        done = command(*words, content=content)
    else:
        path = tmp_path / "content"
        path.write_bytes(content)
        with path.open("rb") as file:
            done = command(*words, stdin=file)
    assert (done.returncode, done.stderr, len(done.stdout)) == (0, b"", len(content))
    assert done.stdout == content


def test_a_reader_that_stops_early(rfc862: Running) -> None:
    """`... | twisted-lab echo | head -c 3` ends without a word, as by SIGPIPE: who reads has seen enough."""
    pipeline = f"head -c 64M /dev/zero | twisted-lab echo {rfc862.addresses[0]} | head -c 3; exit ${{PIPESTATUS[1]}}"
    done = command("bash", "-c", pipeline)
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.SIGPIPE, bytes(3), b"")


@pytest.mark.parametrize(
    "words",
    ["echo {echo} hello", "echo {echo}", "send greeting --connect {header}"],
)
def test_output_that_cannot_be_written(words: str, echo: Running, header: Running) -> None:
    """A full disk under standard output is one sentence and status 74, never a silent success."""
    line = words.format(echo=echo.addresses[0], header=header.addresses[0])
    done = command("sh", "-c", f"printf x | twisted-lab {line} >/dev/full")
    assert done.returncode == os.EX_IOERR
    assert_sentence(done.stderr.decode())


@pytest.mark.parametrize("leave", [vanish, lambda connection: receive(connection, 1)], ids=["reset", "close"])
@pytest.mark.parametrize("piped", [True, False])
def test_a_server_that_goes_away(piped: bool, leave: Callable[[socket.socket], object]) -> None:  # noqa: FBT001
    """A server that resets the connection, or closes it before all has come back, is one sentence and status 69."""
    with answering(leave) as address:
        words = ["echo", address] if piped else ["echo", address, "hello"]
        status, _, errors = lab(*words, content="hello" if piped else None)
    assert status == os.EX_UNAVAILABLE
    assert_sentence(errors)


@pytest.mark.parametrize("piped", [True, False])
def test_a_server_that_never_echoes(piped: bool, silent: str) -> None:  # noqa: FBT001
    """With --timeout a server that sends nothing back is one sentence and status 69."""
    words = ["echo", silent, *([] if piped else ["hello"]), "--timeout", "0.5"]
    status, _, errors = lab(*words, content="hello" if piped else None)
    assert status == os.EX_UNAVAILABLE
    assert_sentence(errors, "0.5 s")


@pytest.mark.parametrize("words", [["echo", "{}", "hello"], ["send", "hello", "--connect", "{}"]])
def test_ctrl_c(words: list[str]) -> None:
    """Ctrl-C while the server is silent ends the command with status 130, and without a word."""
    heard, released = Event(), Event()

    def listen(connection: socket.socket) -> None:
        receive(connection, 5)
        heard.set()
        released.wait(DEADLINE)

    with answering(listen) as address:
        process = subprocess.Popen(
            # Where the tests run in the background SIGINT is ignored, and that would be inherited.
            ["env", "--default-signal=INT", "twisted-lab", *(word.format(address) for word in words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
        )
        assert heard.wait(DEADLINE)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=DEADLINE)
        released.set()
    assert (process.returncode, errors) == (130, b"")


def test_send_prints_the_reply(header: Running) -> None:
    """`twisted-lab send` prints the reply's header as a line of JSON, then its content."""
    status, output, errors = lab(
        *("send", "greeting", "--connect", header.addresses[0], "--header", "id=7", "--content-file", "-"),
        content="你好\n",
    )
    assert (status, errors) == (0, "")
    line, _, content = output.partition("\n")
    reply = json.loads(line)
    assert (reply["type"], reply["id"], reply["length"], content) == ("greeting", 7, 7, "你好\n")
    assert reply["received-in"] >= 1


def test_send_header_values() -> None:
    """--header KEY=VALUE sends VALUE as JSON if it is, else as text; it may hold a `=`."""

    def mirror(connection: socket.socket) -> None:
        (length,) = struct.unpack("!I", receive(connection, 4))
        raw = receive(connection, length)
        connection.sendall(pack(b'{"type":"mirror","length":%d}' % len(raw)) + raw)

    values = ["number=5", "list=[1, null]", 'quoted="5"', "text=hello", "equation=e=mc2", "nothing="]
    options = [word for value in values for word in ("--header", value)]
    with answering(mirror) as address:
        status, output, errors = lab("send", "greeting", "--connect", address, *options)
    assert (status, errors) == (0, "")
    assert json.loads(output.splitlines()[1]) == {
        "type": "greeting",
        "number": 5,
        "list": [1, None],
        "quoted": "5",
        "text": "hello",
        "equation": "e=mc2",
        "nothing": "",
    }


def test_send_a_file(header: Running, tmp_path: Path) -> None:
    """--content-file FILE sends the file; its bytes come back as they are, a whole mebibyte of them."""
    path = tmp_path / "content"
    content = os.urandom(MEBIBYTE)
    path.write_bytes(content)
    done = command("twisted-lab", "send", "file", "--connect", header.addresses[0], "--content-file", str(path))
    assert (done.returncode, done.stderr) == (0, b"")
    line, _, received = done.stdout.partition(b"\n")
    assert json.loads(line)["length"] == MEBIBYTE
    assert received == content


def test_send_what_cannot_be_measured(header: Running) -> None:
    """--content-file takes a pipe too, such as the shell's <(command)."""
    done = command(
        "bash", "-c", f"twisted-lab send greeting --connect {header.addresses[0]} --content-file <(printf hello)"
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.endswith(b"\nhello")


def test_send_too_much(header: Running, tmp_path: Path) -> None:
    """Content that the server won't take: its error is printed, and the status is 1."""
    path = tmp_path / "content"
    path.write_bytes(bytes(3 * MEBIBYTE))
    status, output, errors = lab("send", "x", "--connect", header.addresses[0], "--content-file", str(path))
    assert (status, errors) == (1, "")
    reply = json.loads(output)
    assert (reply["type"], reply["code"]) == ("error", "content-too-large")


@pytest.mark.parametrize("path", ["/nonexistent/file", "/"])
def test_send_what_cannot_be_read(path: str, header: Running) -> None:
    """A file that can't be read is one sentence and status 66."""
    status, output, errors = lab("send", "x", "--connect", header.addresses[0], "--content-file", path)
    assert (status, output) == (os.EX_NOINPUT, "")
    assert_sentence(errors, f"can't read {path}")


@pytest.mark.parametrize("option", ["id=seven", "length=3", "x=NaN"])
def test_send_what_the_protocol_forbids(option: str, header: Running) -> None:
    """A header that isn't allowed is one sentence and status 64, and isn't sent."""
    status, output, errors = lab("send", "x", "--connect", header.addresses[0], "--header", option)
    assert (status, output) == (os.EX_USAGE, "")
    assert_sentence(errors)


@pytest.mark.parametrize(
    "garbage",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", pack(b"{]"), pack(b'{"type":"cut","length":9}') + b"short", b"\0\0"],
)
def test_send_to_a_server_that_talks_garbage(garbage: bytes) -> None:
    """A reply that isn't the header protocol's, or is cut short, is one sentence and status 76."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(garbage)
        receive(connection, len(pack(b'{"type":"x"}')))
        connection.shutdown(socket.SHUT_WR)

    with answering(talk) as address:
        status, output, errors = lab("send", "x", "--connect", address)
    assert (status, output) == (os.EX_PROTOCOL, "")
    assert_sentence(errors)


@pytest.mark.parametrize("leave", [vanish, lambda connection: connection.shutdown(socket.SHUT_RDWR)])
def test_send_to_a_server_that_goes_away(leave: Callable[[socket.socket], object]) -> None:
    """A connection that is lost before the reply comes is one sentence and status 69."""
    with answering(leave) as address:
        status, output, errors = lab("send", "x", "--connect", address)
    assert (status, output) == (os.EX_UNAVAILABLE, "")
    assert_sentence(errors)


def test_send_to_a_server_that_never_answers(silent: str) -> None:
    """With --timeout 0.5 a reply that never comes is one sentence and status 69."""
    status, output, errors = lab("send", "x", "--connect", silent, "--timeout", "0.5")
    assert (status, output) == (os.EX_UNAVAILABLE, "")
    assert_sentence(errors, "0.5 s")


def demo(directory: Path, *before: str) -> tuple[int, str, str]:
    """Run `twisted-lab demo`, see that it leaves no files and no processes; give status, output and errors."""
    where, temporary = directory / "where", directory / "temporary"
    where.mkdir()
    temporary.mkdir()
    process = subprocess.Popen(
        ["env", f"TMPDIR={temporary}", *before, "twisted-lab", "demo"],
        cwd=where,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    output, errors = process.communicate(timeout=2 * DEADLINE)
    assert not [*where.iterdir(), *temporary.iterdir()]
    assert not _session(process.pid)
    return process.returncode, output, errors


def _session(leader: int) -> list[int]:
    """Give the processes of a session."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(path.name)) == leader:
                found.append(int(path.name))
        except ProcessLookupError:
            continue
    return found


def test_demo(tmp_path: Path) -> None:
    """`twisted-lab demo` shows both services at work, ends with status 0, and leaves nothing behind."""
    status, output, errors = demo(tmp_path)
    assert (status, errors) == (0, "")
    assert "received 'echo hello'" in output
    assert '{"type": "greeting", "received-in": ' in output
    assert output.endswith("All of it went as it should.\n")


def test_demo_without_its_plugins(tmp_path: Path) -> None:
    """Where a service can't start the demo ends with status 1 and says why."""
    plugins = tmp_path / "twisted" / "plugins"
    plugins.mkdir(parents=True)
    # Found before ours, and empty: twistd knows neither echo nor header.
    (plugins / "twisted_lab_plugins.py").touch()
    status, output, errors = demo(tmp_path, f"PYTHONPATH={tmp_path}")
    assert (status, output) == (1, "")
    assert errors.startswith("twisted-lab: the service didn't start:\n")
    assert "Unknown command: echo" in errors
    assert "Traceback" not in errors


def test_without_the_tls_extra() -> None:
    """Without pyOpenSSL a TLS endpoint is one sentence that says what to install."""
    program = "import sys; sys.modules['OpenSSL'] = None; from twisted_lab.cli.main import main; main()"
    done = command(sys.executable, "-c", program, "echo", "tls:localhost:1", "hello")
    assert done.returncode == os.EX_USAGE
    assert_sentence(done.stderr.decode(), "tls:localhost:1 needs TLS: pip install 'twisted-lab[tls]'")
