"""Names: read strictly, written back the same, shown without harm."""

import os
import re

from hypothesis import example, given, strategies
from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.filexfer.errors import BadNameError
from twisted_lab.filexfer.names import (
    MAX_COMPONENT,
    MAX_NAME,
    RESERVED,
    Name,
    check_name,
    component_on_disk,
    is_reserved,
    join_name,
    parse_name,
    show_name,
    show_sentence,
)

#: Any text, lone surrogates too; and texts near the border, made of what names are made of.
ANY = strategies.text(strategies.characters(), max_size=20)
NEAR = strategies.lists(
    strategies.sampled_from(
        ["a", "/", ".", "..", "//", "\0", "\x1b", "\x7f", "\x9b", "\ud800", "é", "\u202e", RESERVED]
    ),
    max_size=8,
).map("".join)
COMPONENTS = strategies.text(strategies.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20).filter(
    lambda text: "/" not in text and text not in {".", ".."} and not is_reserved(text)
)


class ParseTests(SynchronousTestCase):
    """`parse_name`, `join_name`, `check_name`."""

    @given(ANY | NEAR)
    def test_any_text(self, text: str) -> None:
        """Any text is a name or a `BadNameError`; a name leads down, and has one spelling (SFTPGo's GHSA-x8qh)."""
        try:
            name = parse_name(text)
        except BadNameError:
            return
        self.assertEqual(join_name(name), text)
        here = os.path.normpath(os.path.join("/root", *name))  # noqa: PTH118 - the very function that follows ..
        self.assertEqual(here, "/".join(("/root", *name)))
        for component in name:
            self.assertNotIn(component, {"", ".", ".."})
            self.assertNotRegex(component, "[\0-\x1f\x7f-\x9f/]")
            self.assertLessEqual(len(component.encode()), MAX_COMPONENT)

    @given(strategies.lists(COMPONENTS, max_size=6).map(tuple))
    def test_round_trip(self, name: Name) -> None:
        """What was written is read back; what people call files is accepted: spaces, dashes, any script, emoji."""
        self.assertEqual(parse_name(join_name(name)), name)

    @given(strategies.lists(ANY | NEAR, max_size=3).map(tuple))
    def test_unparsed(self, name: Name) -> None:
        """A tuple that wasn't parsed is checked as strictly: a component with a slash isn't two."""
        try:
            check_name(name)
        except BadNameError:
            self.assertRaises(BadNameError, join_name, name)
        else:
            self.assertEqual(parse_name(join_name(name)), name)

    def test_the_root(self) -> None:
        """The root is the empty name, and has no other."""
        self.assertEqual(parse_name(""), ())
        self.assertEqual(join_name(()), "")
        for text in ("/", ".", "./", "//"):
            self.assertRaises(BadNameError, parse_name, text)

    def test_refused(self) -> None:
        """What could lead out, hide, or be read differently by two programs is refused, with the reason."""
        for text, why in {
            "/etc/passwd": "relative",
            "..": r"\.\.",
            "a/../../b": r"\.\.",
            "a/./b": r"\.",
            "a//b": "empty",
            "a/": "empty",
            "a\0b": "control",
            "a\nb": "control",
            "a\x1b[2Jb": "control",
            "a\x7f": "control",
            "a\x9b2J": "control",
            "\ud83d": "surrogate",
            "a/.filexfer-1/b": "server's own",
        }.items():
            self.assertRegex(str(self.assertRaises(BadNameError, parse_name, text)), why)

    def test_lengths(self) -> None:
        """A component may have 255 bytes and a name 4096, counted in UTF-8, and not one more."""
        for text in ("a" * 255, "é" * 127, ("a" * 255 + "/") * 16, "a/" * 2048):
            self.assertEqual(join_name(parse_name(text.strip("/"))), text.strip("/"))
        longest = "/".join(["é" * 127] * 16 + ["b" * 16])
        self.assertEqual(len(longest.encode()), MAX_NAME)
        self.assertEqual(len(parse_name(longest)), 17)
        for text in ("a" * 256, "é" * 128, longest + "b", "a/" * 2048 + "a", "a/" * 1_000_000):
            self.assertRegex(str(self.assertRaises(BadNameError, parse_name, text)), "longer than")

    def test_twins_stay_apart(self) -> None:
        """Names that differ in case or normal form are different names; nothing is renamed on the way."""
        self.assertEqual(len({parse_name(text) for text in ("é", "e\u0301", "É", "E\u0301")}), 4)


class ReservedTests(SynchronousTestCase):
    """`is_reserved`."""

    def test_other_spellings(self) -> None:
        """What a file system that folds case or normalises would take for ours is ours."""
        for text in (".filexfer-", ".FILEXFER-1", ".\ufb01lexfer-1", ".file\u200dxfer-1", "\uff0efilexfer\uff0d1"):
            self.assertTrue(is_reserved(text), ascii(text))
            self.assertRaises(BadNameError, parse_name, "a/" + text)

    def test_not_ours(self) -> None:
        """Names that only look related are free."""
        for text in (".filexfer", "filexfer-1", "a.filexfer-1", ".filexferé"):
            self.assertFalse(is_reserved(text))
            self.assertEqual(parse_name(text), (text,))


class DiskTests(SynchronousTestCase):
    """`component_on_disk`."""

    @given(strategies.binary(min_size=1, max_size=20) | COMPONENTS.map(str.encode))
    def test_any_bytes(self, raw: bytes) -> None:
        """A name on the disk can be said and leads back to the same bytes, or it can't be said at all."""
        component = component_on_disk(raw)
        if component is not None:
            self.assertEqual(component.encode(), raw)
            self.assertEqual(parse_name(component), (component,))

    def test_unspeakable(self) -> None:
        """Bytes that aren't UTF-8 and control characters can't be said; all else can."""
        for raw in (b"caf\xe9", b"a\nb", b"\x1b[2J", b"\xed\xa0\x80"):
            self.assertIsNone(component_on_disk(raw))
        self.assertEqual(component_on_disk("café".encode()), "café")


class ShowTests(SynchronousTestCase):
    """`show_name`."""

    @given(ANY | NEAR)
    def test_fit_for_a_terminal(self, name: str) -> None:
        """Whatever a file is called, what is shown can be printed, on one line, and moves no cursor."""
        shown = show_name(name)
        self.assertTrue(shown.isprintable())
        shown.encode()

    @given(ANY | NEAR, ANY | NEAR)
    @example("\x80", "\udc80")
    @example("\\x1b", "\x1b")
    def test_no_two_alike(self, one: str, other: str) -> None:
        """No name can pass for another by its escapes."""
        self.assertEqual(show_name(one) == show_name(other), one == other)

    def test_shown(self) -> None:
        """Letters of any script and emoji are shown as they are; what can't be seen is spelled out."""
        for name, shown in {
            "naïve 名前 🐈.txt": "naïve 名前 🐈.txt",
            "a\x1b[2J\n": r"a\x1b[2J\x0a",
            "\x9b2J\x7f": r"\u009b2J\x7f",
            "gpj.\u202eexe": r"gpj.\u202eexe",
            "a\\x1b": r"a\\x1b",
            b"caf\xe9".decode(errors="surrogateescape"): r"caf\xe9",
            "\ud800": r"\ud800",
            "a\u00a0b\u2028": r"a\u00a0b\u2028",
            "\U000e0041": r"\U000e0041",
        }.items():
            self.assertEqual(show_name(name), shown)
            self.assertIsNone(re.search("[\0-\x1f\x7f-\x9f]", shown))

    def test_sentences(self) -> None:
        """A sentence that a peer wrote does nothing to a terminal; names that are escaped in it stay as they are."""
        self.assertEqual(show_sentence("a\\x1bb: gone\x1b[2J"), "a\\x1bb: gone\\x1b[2J")
