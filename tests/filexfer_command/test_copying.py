"""Put and get: files and streams."""

import os
import re
import signal
import subprocess
from pathlib import Path

from tests.filexfer_command.shop import MEBIBYTE, Shop, assert_sentence, contents
from tests.processes import DEADLINE, ENVIRONMENT, command


def test_there_and_back(shop: Shop) -> None:
    """A file that is put and got is the same: bytes, time and mode; each time there is a receipt."""
    content = os.urandom(3 * MEBIBYTE)
    source = shop.here / "cat.jpg"
    source.write_bytes(content)
    source.chmod(0o750)
    os.utime(source, ns=(1, 1_764_000_000_123_456_789))
    status, output, errors = shop.run("put", "cat.jpg", ":photo.jpg")
    assert (status, errors) == (0, "")
    assert re.fullmatch(r":photo\.jpg: 3\.0 MiB, blake3:[0-9a-f]{12}, on disk\n", output)
    status, output, errors = shop.run("get", ":photo.jpg", "back.jpg")
    assert (status, errors) == (0, "")
    assert output.startswith("back.jpg: 3.0 MiB, blake3:")
    back = shop.here / "back.jpg"
    assert back.read_bytes() == content
    facts = back.stat()
    assert (facts.st_mtime_ns, facts.st_mode & 0o777) == (1_764_000_000_123_456_789, 0o750)


def test_host_and_port(shop: Shop) -> None:
    """HOST:PATH with -P is the same server as :PATH with --connect."""
    host, _, port = shop.address.partition(":")
    (shop.here / "x").write_text("x")
    done = command("filexfer", "put", "-q", "x", f"{host}:y", "-P", port, cwd=shop.here)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (shop.root / "y").read_text() == "x"


def test_where_a_copy_goes(shop: Shop) -> None:
    """As by cp: into a directory, under its own name; several need one; a missing one isn't made."""
    for name in ("one", "two"):
        (shop.here / name).write_text(name)
    (shop.root / "dir").mkdir()
    assert shop.run("put", "one", ":dir")[0] == 0
    assert shop.run("put", "one", "two", ":")[0] == 0
    assert contents(shop.root) == {"dir": None, "dir/one": b"one", "one": b"one", "two": b"two"}
    for words in (["one", "two", ":new"], ["one", ":new/"], ["one", ":one/"], ["one", ":new/one"]):
        status, _, errors = shop.run("put", *words)
        assert status == os.EX_CANTCREAT
        assert_sentence(errors, words[-1].rstrip("/"))
    (shop.here / "in").mkdir()
    assert shop.run("get", ":dir/one", ":two", "in")[0] == 0
    assert contents(shop.here / "in") == {"one": b"one", "two": b"two"}
    for words in ([":one", ":two", "new"], [":one", "new/"], [":one", "one/"], [":one", "new/one"]):
        status, _, errors = shop.run("get", *words)
        assert status == os.EX_CANTCREAT
        assert_sentence(errors, words[-1])


def test_what_fails_does_not_hold_up_the_rest(shop: Shop) -> None:
    """Of several sources those that are there arrive; what isn't is one sentence, and the status is 23, alone 66."""
    (shop.here / "one").write_text("one")
    (shop.root / "two").write_text("two")
    assert shop.run("put", "nothing", ":")[0] == os.EX_NOINPUT
    assert shop.run("get", ":nothing", ".")[0] == os.EX_NOINPUT
    status, output, errors = shop.run("put", "nothing", "one", ":")
    assert (status, (shop.root / "one").read_text()) == (23, "one")
    assert_sentence(errors, "nothing: there is nothing of that name")
    assert output.endswith("1 file, 3 B, verified and on disk, 1 failed\n")
    status, _, errors = shop.run("get", ":nothing", ":two", ".")
    assert (status, (shop.here / "two").read_text()) == (23, "two")
    assert_sentence(errors, ":nothing: there is nothing of that name")


def test_what_is_no_file(shop: Shop) -> None:
    """A directory needs -r, a FIFO isn't waited for, a link on the server isn't followed."""
    (shop.here / "dir").mkdir()
    os.mkfifo(shop.here / "fifo")
    (shop.root / "link").symlink_to("/etc/passwd")
    for words, why in ((["dir", ":"], "-r"), (["fifo", ":"], "regular")):
        status, _, errors = shop.run("put", *words)
        assert status == os.EX_NOINPUT
        assert_sentence(errors, why)
    status, _, errors = shop.run("get", ":link", "got")
    assert status == os.EX_NOINPUT
    assert_sentence(errors, ":link")
    assert not (shop.here / "got").exists()


def test_streams(shop: Shop) -> None:
    """Standard input is put under the target's name, and got to standard output, with nothing else in it."""
    content = os.urandom(MEBIBYTE)
    status, output, errors = shop.run("put", "-", ":piped", content=content)
    assert (status, errors, output.startswith(":piped: 1.0 MiB, ")) == (0, "", True)
    assert (shop.root / "piped").read_bytes() == content
    done = command("filexfer", "get", ":piped", "-", "--connect", shop.address)
    assert (done.returncode, done.stdout, done.stderr) == (0, content, b"")


def test_nobody_reads_the_output(shop: Shop) -> None:
    """A reader that has seen enough ends the command without a word."""
    (shop.root / "large").write_bytes(bytes(8 * MEBIBYTE))
    with shop.start("get", ":large", "-") as getting:
        assert getting.stdout is not None
        assert getting.stderr is not None
        getting.stdout.read(1)
        getting.stdout.close()
        assert getting.wait(DEADLINE) == 128 + signal.SIGPIPE
        assert getting.stderr.read() == b""


def test_a_full_output(shop: Shop) -> None:
    """Output that can't be written is one sentence, and status 74."""
    (shop.root / "x").write_bytes(b"x")
    with Path("/dev/full").open("wb") as full:
        for words in (["get", ":x", "-"], ["ls"]):
            done = subprocess.run(
                ["filexfer", *words, "--connect", shop.address],
                stdout=full,
                stderr=subprocess.PIPE,
                env=ENVIRONMENT,
                timeout=DEADLINE,
                check=False,
            )
            assert done.returncode == os.EX_IOERR
            assert_sentence(done.stderr.decode(), "No space left")


def test_never_replaced(shop: Shop) -> None:
    """--no-clobber: what exists stays, status 73, either way."""
    (shop.here / "x").write_text("mine")
    (shop.root / "x").write_text("theirs")
    for words in (["put", "x", ":x"], ["get", ":x", "x"]):
        status, _, errors = shop.run(*words, "--no-clobber")
        assert status == os.EX_CANTCREAT
        assert_sentence(errors, "exists")
    assert ((shop.here / "x").read_text(), (shop.root / "x").read_text()) == ("mine", "theirs")


def test_only_if_it_is_what_it_was(shop: Shop) -> None:
    """--if-match takes the etag that stat shows; another one leaves everything as it is."""
    (shop.here / "x").write_text("new")
    (shop.root / "x").write_text("old")
    (record, _) = shop.records("stat", ":x")
    for words in (["put", "x", ":x"], ["rm", ":x"], ["mv", ":x", ":y"]):
        status, _, errors = shop.run(*words, "--if-match", "0" * 16)
        assert status in {24, os.EX_CANTCREAT}
        assert_sentence(errors, ":x")
    assert contents(shop.root) == {"x": b"old"}
    assert shop.run("put", "x", ":x", "--if-match", record["etag"])[0] == 0
    assert contents(shop.root) == {"x": b"new"}
