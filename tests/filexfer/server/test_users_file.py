"""The file that says who has an account."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.filexfer.modes import Mode
from twisted_lab.filexfer.server.users_file import User, UsersFileError, parse_size, parse_users, read_users

FINGERPRINT = "sha256:" + "0f" * 32
KEYS = st.sampled_from(["root", "mode", "quota", "certificates", "nonsense"])
VALUES = st.one_of(
    st.text(),
    st.integers(),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(st.text()),
    st.sampled_from(["read", "10 GiB", FINGERPRINT]),
)


class ParseUsersTests(SynchronousTestCase):
    """`parse_users` and `read_users`."""

    def test_all_keys(self) -> None:
        """Each key is read, a fingerprint as openssl prints it too."""
        colons = ":".join(["0F"] * 32)
        text = f"""
            [users.alice]
            root = "alice"
            mode = "drop"
            quota = "10 GiB"
            certificates = ["{FINGERPRINT}", "SHA256:{colons.replace("0F", "AB")}"]
            [users.bob]
            root = "/srv/bob"
            quota = 7
        """
        self.assertEqual(
            parse_users(text),
            {
                "alice": User(Path("alice"), Mode.DROP, 10 * 2**30, (FINGERPRINT, "sha256:" + "ab" * 32)),
                "bob": User(Path("/srv/bob"), Mode.READ_WRITE, 7, ()),
            },
        )

    def test_defaults(self) -> None:
        """A user of whom nothing is said has the whole root, to read and write, without a quota of its own."""
        self.assertEqual(parse_users("[users.alice]"), {"alice": User(Path(), Mode.READ_WRITE, None, ())})
        self.assertEqual(parse_users(""), {})

    def test_mistakes(self) -> None:
        """Anything else is one sentence that names the user and the key: a misspelt mode mustn't become the default."""
        for text, sentence in {
            "[user.alice]": "there is no 'user' in a users file",
            "users = 1": "users: it has to be a table",
            "users.alice = 1": "users.alice: it has to be a table",
            "[users.alice]\nMode = 'read'": "users.alice: there is no 'Mode', only root, mode, quota, certificates",
            "[users.alice]\nmode = 'readonly'": "users.alice.mode: it has to be one of read, read-write, drop",
            "[users.alice]\nmode = 1": "users.alice.mode: it has to be one of",
            "[users.alice]\nroot = 1": "users.alice.root: it has to be a string",
            "[users.alice]\nroot = ''": "users.alice.root: it has to be a string",
            "[users.alice]\nroot = 'a\\u0000b'".replace("'", '"'): "users.alice.root: it has to be a string",
            "[users.alice]\nquota = true": "users.alice.quota: it has to be a number of bytes",
            "[users.alice]\nquota = -1": "users.alice.quota: it has to be a number of bytes",
            "[users.alice]\nquota = 1.5": "users.alice.quota: it has to be a number of bytes",
            "[users.alice]\nquota = '1 parsec'": "users.alice.quota: '1 parsec' isn't a size",
            "[users.alice]\ncertificates = 'x'": "users.alice.certificates: it has to be a list",
            "[users.alice]\ncertificates = []": "users.alice.certificates: it has to be a list",
            "[users.alice]\ncertificates = [1]": "users.alice.certificates: it has to be a list",
            "[users.alice]\ncertificates = ['sha1:00']": "users.alice.certificates: 'sha1:00' isn't a fingerprint",
            "[users.'']": "a user has a name",
            '[users."a\\nb"]': "users.a\\x0ab: a user has a name, of printable characters",
            "[users.alice]\n[users.alice]": "it isn't TOML: ",
            "[users.alice": "it isn't TOML: ",
            "x = " + "[" * 5000: "it isn't TOML: ",
        }.items():
            with self.mistake(sentence):
                parse_users(text)

    def test_certificate_of_two(self) -> None:
        """A certificate of two users would log in as either: it is refused."""
        line = f"certificates = ['{FINGERPRINT}']"
        with self.mistake(f"users.bob.certificates: {FINGERPRINT} is alice's too"):
            parse_users(f"[users.alice]\n{line}\n[users.bob]\n{line}")

    def test_read(self) -> None:
        """It is read from a file, in UTF-8; what isn't there is an OSError, as usual."""
        path = Path(self.enterContext(tempfile.TemporaryDirectory())) / "users.toml"
        self.assertRaises(FileNotFoundError, read_users, path)
        path.write_text("[users.'你好']", encoding="utf-8")
        self.assertEqual(list(read_users(path)), ["你好"])
        path.write_bytes(b"# \xff")
        with self.mistake("it isn't UTF-8"):
            read_users(path)

    @given(st.dictionaries(KEYS, VALUES))
    def test_any_table(self, table: dict[str, object]) -> None:
        """Any table is a user, or one printable sentence that begins with the user's name."""
        lines = [f"{key} = {toml(value)}" for key, value in table.items()]
        try:
            users = parse_users("\n".join(["[users.alice]", *lines]))
        except UsersFileError as error:
            self.assertTrue(str(error).startswith("users.alice"), error)
            self.assertTrue(str(error).isprintable())
        else:
            self.assertEqual(list(users), ["alice"])

    @contextlib.contextmanager
    def mistake(self, sentence: str) -> Iterator[None]:
        """Assert that the block is refused, with `sentence` in the words, on one line."""
        with self.assertRaises(UsersFileError) as caught:
            yield
        self.assertIn(sentence, str(caught.exception))
        self.assertTrue(str(caught.exception).isprintable())


class ParseSizeTests(SynchronousTestCase):
    """`parse_size`."""

    def test_units(self) -> None:
        """Letters alone, and those with iB, are powers of 1024; those with B powers of 1000."""
        for text, size in {
            "0": 0,
            "1048576": 2**20,
            "512 B": 512,
            "1k": 2**10,
            "10 GiB": 10 * 2**30,
            "10gib": 10 * 2**30,
            "3 MB": 3_000_000,
            " 2T ": 2**41,
            "1 P": 2**50,
            "2 Ti": 2**41,
        }.items():
            self.assertEqual(parse_size(text), size, text)

    def test_mistakes(self) -> None:
        """Anything else, and what no disk holds, is a ValueError."""
        for text in ("", "x", "-1", "1.5 GiB", "1 GiBit", "1 E", "9007199254740992", "9" * 10_000, "16 P", "²"):
            self.assertRaises(ValueError, parse_size, text)

    @given(st.text())
    def test_any_text(self, text: str) -> None:
        """Any text is a size, at least 0, or a ValueError."""
        with contextlib.suppress(ValueError):
            self.assertGreaterEqual(parse_size(text), 0)


def toml(value: object) -> str:
    """Write `value` as TOML does."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return '"' + "".join(f"\\U{ord(character):08x}" for character in value) + '"'
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case _:
            return str(value)
