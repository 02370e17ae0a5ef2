"""What the command says of itself, and of mistakes."""

import os
import shutil
import socket
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.filexfer_command.shop import assert_sentence
from tests.processes import answering, command, receive

VERBS = ["put", "get", "ls", "stat", "mkdir", "mv", "rm", "sync", "verify"]


def test_version() -> None:
    """`filexfer --version` gives the installed version."""
    done = command("filexfer", "--version")
    assert (done.returncode, done.stdout.decode()) == (0, f"filexfer {version('twisted-lab')}\n")


@pytest.mark.parametrize("words", [[], *([verb] for verb in VERBS)], ids=str)
def test_help_reads_well(words: list[str]) -> None:
    """Help fits into 80 columns, and that of the command names each verb and exit status."""
    done = command("filexfer", *words, "--help")
    text = done.stdout.decode()
    assert (done.returncode, done.stderr) == (0, b"")
    assert max(map(len, text.splitlines())) <= 80
    if not words:
        assert all(word in text for word in [*VERBS, "66", "130", "./a:b"])


@pytest.mark.parametrize(
    ("words", "culprit"),
    [
        ([], "COMMAND"),
        (["sing"], "'sing'"),
        (["put", "x"], "TARGET"),
        (["put", "x", "y"], "y isn't on a server"),
        (["put", ":x", ":y"], ":x is on a server"),
        (["put", "-", ":dir/"], "- is one stream"),
        (["put", "-", "x", ":y"], "- is one stream"),
        (["put", "x", ":../y"], ".."),
        (["get", ":x", ":y"], ":y is on a server"),
        (["get", ":x", "here:y", "."], "aren't on one server"),
        (["get", ":x", "-", "--json"], "--json"),
        (["ls", "."], ". isn't on a server"),
        (["ls", "host:", "--connect", "127.0.0.1:1"], "--connect"),
        (["ls", ":", "-P", "99"], "--port"),
        (["ls", "host:", "-P", "99999"], "99999"),
        (["ls", "--connect", "carrier-pigeon:coop:7"], "carrier-pigeon:coop:7"),
        (["ls", "--connect", "unix:/x", "--tls"], "--tls needs a host"),
        (["ls", "--tls-fingerprint", "md5:00"], "fingerprint"),
        (["ls", "--tls-ca", "nowhere.pem"], "nowhere.pem"),
        (["ls", "ann@:", "--user", "bob"], "two users"),
        (["ls", "--user", "ann", "--password-file", "nowhere"], "nowhere"),
        (["ls", "--password-file", "x"], "--user"),
        (["rm", ":"], "root"),
        (["rm", "-r", ":x", "--if-match", "1"], "--if-match"),
        (["put", "x", ":y", "--no-clobber", "--if-match", "1"], "--no-clobber"),
        (["put", "x", ":y", "--limit-rate", "fast"], "'fast'"),
        (["put", "x", ":y", "--exclude", ""], "--exclude"),
        (["put", "", ":y"], "empty"),
        (["sync", "x", "y"], "exactly one"),
        (["verify", ":x", ":y"], "exactly one"),
        (["sync", ":x", "y", "--max-delete", "-1"], "--max-delete"),
    ],
    ids=str,
)
def test_a_mistake_is_one_sentence(words: list[str], culprit: str) -> None:
    """A mistake on the command line is one line that names it, and status 64; nothing is connected."""
    done = command("filexfer", *words)
    assert (done.returncode, done.stdout) == (os.EX_USAGE, b""), done.stderr
    assert_sentence(done.stderr.decode(), culprit)


def test_nobody_there() -> None:
    """A refused connection is one sentence and status 69, an unknown host one and status 68."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = str(bound.getsockname()[1])
        for words in (["ls", "127.0.0.1:", "-P", port], ["ls", "--connect", f"127.0.0.1:{port}"]):
            done = command("filexfer", *words)
            assert (done.returncode, done.stdout) == (os.EX_UNAVAILABLE, b"")
            assert_sentence(done.stderr.decode(), "127.0.0.1", "Connection refused")
    done = command("filexfer", "ls", "nowhere.invalid:x")
    assert done.returncode == os.EX_NOHOST
    assert_sentence(done.stderr.decode(), "nowhere.invalid: there is no host of that name")


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b'\0\0\0\x0d{"type":"hi"}', b"\0\0\0\x02[]"])
def test_another_kind_of_server(answer: bytes) -> None:
    """Who speaks something else is told from a server: one sentence, status 76."""

    def reply(connection: socket.socket) -> None:
        receive(connection, 1)
        connection.sendall(answer)

    with answering(reply) as address:
        done = command("filexfer", "ls", "--connect", address)
    assert done.returncode == os.EX_PROTOCOL
    assert_sentence(done.stderr.decode(), address)


def test_completion() -> None:
    """What is printed for a shell is a script that this shell can read, with the verbs in it."""
    for shell in ("bash", "zsh", "fish"):
        done = command("filexfer", "--print-completion", shell)
        assert (done.returncode, done.stderr) == (0, b"")
        assert all(verb.encode() in done.stdout for verb in VERBS)
        if shutil.which(shell):
            assert command(shell, "-n", "/dev/stdin", content=done.stdout).returncode == 0


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["m"], ["mkdir", "mv"]),
        (["put", "--du"], ["--durability"]),
        (["put", "--durability", ""], ["memory", "file", "directory"]),
        (["put", "pho"], ["photo.jpg"]),
        (["ls", "--tls-ca", "pho"], ["photo.jpg"]),
    ],
    ids=str,
)
def test_completion_in_bash(tmp_path: Path, words: list[str], completed: list[str]) -> None:
    """Bash completes verbs, options, their choices, and local files where one may stand."""
    (tmp_path / "photo.jpg").touch()
    quoted = " ".join(f"'{word}'" for word in ["filexfer", *words])
    script = (
        'source /dev/stdin; COMP_CWORD=$(($# - 1)); COMP_WORDS=("$@");'
        '_shtab_filexfer filexfer "${@: -1}" "${@: -2:1}"; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    printed = command("filexfer", "--print-completion", "bash").stdout
    done = command("bash", "-c", f"set -- {quoted}; {script}", content=printed, cwd=tmp_path)
    assert done.stdout.decode().split() == completed
