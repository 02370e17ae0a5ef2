"""Where a user's words lead: here, or to a server."""

import os

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.cli.filexfer.exits import UsageError
from twisted_lab.cli.filexfer.place import Local, Remote, inside, parse_pair, parse_place, parse_remotes, remote_of
from twisted_lab.filexfer.errors import BadNameError
from twisted_lab.filexfer.names import parse_name


def remote(text: str) -> Remote:
    """Read a place that is remote."""
    place = parse_place(text)
    assert isinstance(place, Remote), place
    return place


class PlaceTests(SynchronousTestCase):
    """`parse_place`, and what a place says of itself."""

    def test_remote(self) -> None:
        """Before the first colon stands the host, perhaps with a user; none means the server of --connect."""
        for text, user, host, path in (
            (":", None, "", ""),
            (":in/x", None, "", "in/x"),
            ("example.org:in/x", None, "example.org", "in/x"),
            ("ann@example.org:x", "ann", "example.org", "x"),
            ("ann@:x", "ann", "", "x"),
            ("127.0.0.1:x", None, "127.0.0.1", "x"),
            ("[::1]:x", None, "::1", "x"),
            ("ann@[fe80::1%eth0]:x", "ann", "fe80::1%eth0", "x"),
            ("host:a:b", None, "host", "a:b"),
        ):
            place = remote(text)
            self.assertEqual((place.user, place.host, place.path), (user, host, path), text)

    def test_local(self) -> None:
        """Without a colon, or with a slash before it, a place is here: so every local file can be written."""
        for text in ("x", "in/x", "./a:b", "/a:b", "in/a:b", "[::1]", "a@b"):
            self.assertEqual(parse_place(text), Local(text))

    def test_the_root_by_other_names(self) -> None:
        """A leading slash, `.` and double slashes in a remote path say nothing."""
        for text in (":", ":/", ":.", ":./", "://."):
            self.assertEqual(remote(text).name, (), text)
        self.assertEqual(remote(":/a//./b/").name, ("a", "b"))

    def test_a_directory_is_meant(self) -> None:
        """A slash at the end says so, here and there."""
        meant = {text: parse_place(text).directory for text in (":a/", ":a/.", ":.", ":a", "a/", "a")}
        self.assertEqual(meant, {":a/": True, ":a/.": True, ":.": True, ":a": False, "a/": True, "a": False})

    def test_a_remote_path_that_cannot_be(self) -> None:
        """`..`, control characters, our own names and bytes that aren't UTF-8 are refused, and shown escaped."""
        for path, shown in (
            ("../x", "../x"),
            ("a/../b", "a/../b"),
            ("a\x1b[2J", r"a\x1b[2J"),
            ("line\nbreak", r"line\x0abreak"),
            (".filexfer-1", ".filexfer-1"),
            ("caf\udce9", r"caf\xe9"),
        ):
            with self.assertRaises(BadNameError) as caught:
                parse_place(f"host:{path}")
            self.assertIn(f"host:{shown}: ", str(caught.exception))

    def test_shown_as_it_is_written(self) -> None:
        """A place is shown so that it could be typed again, but for what would rewrite the terminal."""
        self.assertEqual(remote("ann@[::1]:/in//x/").shown, "ann@[::1]:in/x")
        self.assertEqual(remote(":in/\u202ex").shown, r":in/\u202ex")
        self.assertEqual(Local("a\x1b[2J").shown, r"a\x1b[2J")

    def test_an_entry(self) -> None:
        """An entry is a place of its own; a server's name for one leads nowhere else (wormhole's basename CVEs)."""
        self.assertEqual(remote("h:in/").joined("x").shown, "h:in/x")
        self.assertEqual(Local("in").joined("x"), Local("in/x"))
        for component in ("..", "a/b", "", ".filexfer-x", "\udce9"):
            with self.assertRaises(BadNameError):
                remote("h:in").joined(component)

    def test_the_last_component(self) -> None:
        """What a copy into a directory is called: for `.` too, and with a slash at the end."""
        self.assertEqual(
            [Local(path).last for path in ("a/b", "a/b/", "/", ".", "a/..")], ["b", "b", "", *[_here()] * 2]
        )
        self.assertEqual([remote(path).last for path in (":a/b/", ":")], ["b", ""])

    def test_a_stream(self) -> None:
        """`-` is a stream, and a file called so is written ./-."""
        self.assertEqual([Local(path).is_stream for path in ("-", "./-")], [True, False])

    def test_on_one_server(self) -> None:
        """Places that one connection has to serve can't be on two servers, or here."""
        self.assertEqual([place.path for place in parse_remotes([":a", ":b/c"])], ["a", "b/c"])
        for texts in ([":a", "host:b"], ["ann@:a", ":b"], [":a", "b"], ["-"]):
            with self.assertRaises(UsageError, msg=str(texts)):
                parse_remotes(texts)

    def test_a_pair(self) -> None:
        """Of two places that are compared one is here, and one on a server, in either order."""
        for texts in (("a", ":b"), (":b", "a")):
            self.assertEqual(remote_of(parse_pair(*texts)).path, "b")
        for texts in (("a", "b"), (":a", ":b"), ("-", ":b")):
            with self.assertRaises(UsageError, msg=str(texts)):
                parse_pair(*texts)

    def test_inside(self) -> None:
        """What is in a directory is shown with one slash between, and the directory itself without."""
        for top, path, shown in (
            (":", "a", ":a"),
            ("h:in/", "a/b", "h:in/a/b"),
            ("in", "a", "in/a"),
            ("in/", "a", "in/a"),
            ("/", "a", "/a"),
            (":in", "", ":in"),
        ):
            self.assertEqual(inside(parse_place(top), path), shown)

    @given(st.text())
    def test_any_text(self, text: str) -> None:
        """Whatever is written is here, or remote with a name that the protocol has, or refused."""
        try:
            place = parse_place(text)
        except (BadNameError, UsageError):
            return
        if isinstance(place, Remote):
            self.assertEqual(parse_name(place.path), place.name)
            self.assertEqual(remote(place.written + place.path), remote(place.written + place.path.strip("/")))
        else:
            self.assertEqual(place.path, text)


def _here() -> str:
    return os.path.basename(os.getcwd())  # noqa: PTH109, PTH119  # as the shell says it
