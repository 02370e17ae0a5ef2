"""Who asks, and whom they trust: passwords, certificates, and a terminal to ask on."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from tests.filexfer_command.shop import assert_sentence
from tests.processes import DEADLINE, ENVIRONMENT, service
from tests.pseudo_terminal import PseudoTerminal

VARIABLE = "FILEXFER_PASSWORD"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a service that wants a password: ann's is secret."""
    directory = tmp_path_factory.mktemp("guarded")
    (directory / "passwords").write_text("ann:secret\n")
    (directory / "root").mkdir()
    with service("filexfer", "--root", str(directory / "root"), "--auth", f"file:{directory}/passwords") as running:
        yield running.addresses[0]


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the authority's certificate, one that it has signed for ann, and a stranger's."""
    directory = tmp_path_factory.mktemp("public")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(directory / "authority.pem"))
    authority.issue_cert("ann@example.org", common_name="ann").private_key_and_cert_chain_pem.write_to_path(
        str(directory / "ann.pem")
    )
    (directory / "private").mkdir()
    server = authority.issue_cert("localhost")
    server.private_key_and_cert_chain_pem.write_to_path(str(directory / "private" / "localhost.pem"))
    shown = x509.load_pem_x509_certificate(server.cert_chain_pems[0].bytes())
    (directory / "fingerprint").write_text(f"sha256:{shown.fingerprint(SHA256()).hex(':').upper()}")
    trustme.CA().cert_pem.write_to_path(str(directory / "stranger.pem"))
    return directory


@pytest.fixture(scope="module")
def private(public: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a service on TLS, which logs in whom the authority has signed a certificate for; give its port."""
    root = tmp_path_factory.mktemp("root")
    options = ["--root", str(root), "--anonymous", "read", "--client-ca", str(public / "authority.pem")]
    where = ["--listen", f"tls:{public / 'private'}:0:interface=127.0.0.1"]
    with service("filexfer", *where, *options, listen=False) as running:
        yield str(running.port)


def run(*words: str, **variables: str) -> tuple[int, str, str]:
    """Run `filexfer WORDS` where there is no terminal; give exit status, output and errors."""
    done = subprocess.run(
        ["setsid", "--wait", "filexfer", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={**ENVIRONMENT, **variables},
        timeout=DEADLINE,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_a_password_from_a_file_or_a_variable(guarded: str, tmp_path: Path) -> None:
    """The first line of --password-file, or FILEXFER_PASSWORD; the user from --user or the place."""
    (tmp_path / "password").write_text("secret\nnot this\n")
    words = ["mkdir", "-p", "--connect", guarded]
    assert run(*words, ":a", "--user", "ann", "--password-file", str(tmp_path / "password"))[0] == 0
    assert run(*words, "ann@:a", **{VARIABLE: "secret"})[0] == 0


def test_not_let_in(guarded: str) -> None:
    """Without a password, with a wrong one or where none can be asked for: one sentence, status 77."""
    for words, password in (([], "secret"), (["--user", "ann"], "wrong"), (["--user", "bob"], "secret")):
        status, output, errors = run("ls", "--connect", guarded, *words, **{VARIABLE: password})
        assert (status, output) == (os.EX_NOPERM, "")
        assert_sentence(errors, guarded)
        assert password not in errors
    status, _, errors = run("ls", "--connect", guarded, "--user", "ann")
    assert status == os.EX_NOPERM
    assert_sentence(errors, "no terminal", "FILEXFER_PASSWORD", "--password-file")


def test_the_password_is_asked_for(guarded: str) -> None:
    """On a terminal the password is asked for, and isn't shown; Ctrl-C there is 130."""
    with PseudoTerminal("filexfer", "mkdir", "-p", ":a", "--user", "ann", "--connect", guarded) as terminal:
        terminal.wait_for(f"Password of ann on {guarded}: ")
        terminal.type("secret\n")
        assert terminal.wait() == 0
    assert terminal.shown.endswith("mkdir :a\r\n")
    assert "secret" not in terminal.shown
    with PseudoTerminal("filexfer", "ls", "--user", "ann", "--connect", guarded) as terminal:
        terminal.wait_for("Password of ann")
        terminal.type("\x03")
        assert terminal.wait() == 130


def test_tls(private: str, public: Path) -> None:
    """A server is believed by its authority or by its fingerprint, and with the client's certificate one is in."""
    authority = ["--tls-ca", str(public / "authority.pem")]
    fingerprint = ["--tls-fingerprint", (public / "fingerprint").read_text()]
    for trust in (authority, fingerprint):
        status, _, errors = run("ls", "localhost:", "-P", private, *trust)
        assert (status, errors) == (0, "")
    status, _, errors = run("mkdir", "localhost:a", "-P", private, *authority)
    assert status == os.EX_NOPERM
    assert_sentence(errors, "localhost:a")
    certificate = ["--tls-certificate", str(public / "ann.pem")]
    assert run("mkdir", "localhost:a", "-P", private, *authority, *certificate)[0] == 0
    assert run("ls", "--connect", f"localhost:{private}", *authority)[0] == 0


def test_a_server_that_is_not_trusted(private: str, public: Path) -> None:
    """One whose certificate is a stranger's, is for another name or has another fingerprint is told nothing: 77."""
    for words in (
        ["localhost:", "--tls"],
        ["localhost:", "--tls-ca", str(public / "stranger.pem")],
        ["127.0.0.1:", "--tls-ca", str(public / "authority.pem")],
        ["localhost:", "--tls-fingerprint", f"sha256:{'00' * 32}"],
    ):
        status, output, errors = run("ls", *words, "-P", private)
        assert (status, output) == (os.EX_NOPERM, ""), errors
        assert_sentence(errors, words[0].rstrip(":"), "can't be trusted")


def test_tls_and_not(private: str, guarded: str) -> None:
    """TLS with a server that speaks none, and the other way round, is one sentence."""
    for words in (["ls", "localhost:", "-P", private], ["ls", "--tls", "--connect", guarded]):
        status, output, errors = run(*words)
        assert (status, output) in {(os.EX_UNAVAILABLE, ""), (os.EX_PROTOCOL, "")}, errors
        assert_sentence(errors)


def test_a_drop_box(tmp_path: Path) -> None:
    """Into a drop box files can be put, into a directory too, though it tells nothing; the rest is refused: 77."""
    (tmp_path / "root" / "in").mkdir(parents=True)
    (tmp_path / "x").write_text("x")
    with service("filexfer", "--root", str(tmp_path / "root"), "--anonymous", "drop") as running:
        assert run("put", str(tmp_path / "x"), ":in/", "--connect", running.addresses[0])[0] == 0
        for words in (["ls"], ["get", ":in/x", "-"], ["rm", ":in/x"], ["mv", ":in/x", ":y"]):
            status, output, errors = run(*words, "--connect", running.addresses[0])
            assert (status, output) == (os.EX_NOPERM, "")
            assert_sentence(errors, "drop box")
    assert (tmp_path / "root" / "in" / "x").read_text() == "x"


def test_a_quota(tmp_path: Path) -> None:
    """What doesn't fit is refused before it is sent: one sentence, status 74, alone or in a directory."""
    (tmp_path / "root").mkdir()
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "large").write_bytes(bytes(2**21))
    with service("filexfer", "--root", str(tmp_path / "root"), "--quota", "1MiB") as running:
        for words in (["-r", str(tmp_path / "tree"), ":"], [str(tmp_path / "tree" / "large"), ":"]):
            status, output, errors = run("put", *words, "--connect", running.addresses[0])
            assert (status, output) == (os.EX_IOERR, "")
            assert_sentence(errors, "large", "quota")
    assert not [path for path in (tmp_path / "root").rglob("*") if path.is_file()]
