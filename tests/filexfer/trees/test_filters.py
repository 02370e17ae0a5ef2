"""Which names take part."""

import re
import time
from fnmatch import translate

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.filexfer.trees.filters import Filters, Rule

#: Pattern, names that it matches, names that it doesn't; a / at the end of a name marks a directory.
TABLE = [
    ("*.o", ["a.o", "a/b.o", ".o"], ["a.oo", "o", "a.o/b"]),
    ("/*.o", ["a.o"], ["a/b.o"]),
    ("b/*.o", ["b/c.o", "a/b/c.o"], ["b.o", "b/c/d.o", "ab/c.o"]),
    ("/b/*.o", ["b/c.o"], ["a/b/c.o"]),
    ("build/", ["build/", "a/build/"], ["build", "a/build"]),
    ("a/**/b", ["a/b", "a/x/b", "a/x/y/b", "z/a/x/b"], ["a/x", "b"]),
    ("/a/**", ["a/x", "a/x/y"], ["a", "b/a/x"]),
    ("**", ["a", "a/b"], []),
    ("a**b", ["ab", "axxb"], ["a/b"]),
    ("f?", ["f1"], ["f", "f12"]),
    ("[a-c]x", ["ax", "cx"], ["dx", "x"]),
    ("[!a-c]x", ["dx"], ["ax", "x"]),
    ("[^a]", ["b"], ["a"]),
    ("[]]", ["]"], ["a"]),
    ("[!]]", ["a"], ["]"]),
    ("[a", ["[a"], ["a"]),
    ("[z-a]", [], ["a", "m", "z", "-"]),
    ("[!z-a]", ["a", "-"], ["ab"]),
    ("[a-]", ["a", "-"], ["b"]),
    (r"\*", ["*"], ["a"]),
    ("a\\", ["a\\"], ["a"]),
    ("a.b", ["a.b"], ["axb"]),
    ("*a*b*c", ["xaybzc", "abc"], ["acb", "abcd"]),
    ("*", ["a\nb", "ü"], []),
]


def matches(pattern: str, name: str) -> bool:
    """Tell whether a pattern matches a name."""
    rule = Rule(pattern, include=False)
    return rule.matches(tuple(name.removesuffix("/").split("/")), directory=name.endswith("/"))


class RuleTests(SynchronousTestCase):
    """One pattern."""

    def test_table(self) -> None:
        """Patterns match what the documentation says, and nothing else."""
        for pattern, yes, no in TABLE:
            for name in yes:
                self.assertTrue(matches(pattern, name), (pattern, name))
            for name in no:
                self.assertFalse(matches(pattern, name), (pattern, name))

    def test_matches_nothing(self) -> None:
        """A pattern that can't match anything is refused, for it would be taken for one that does."""
        for pattern in ("", "/", "//", "a//b", "a//", "./a", "../a", "a/.."):
            self.assertRaises(ValueError, Rule, pattern, include=True)

    @given(st.text("ab*?[]!-\\", min_size=1, max_size=12), st.text("ab-]", min_size=1, max_size=12))
    def test_as_fnmatch(self, pattern: str, name: str) -> None:
        """In one component wildcards mean what they do in a shell; a backslash apart, which Python's don't know."""
        if "\\" not in pattern and "-" not in pattern and "**" not in pattern:
            expected = re.match(translate(pattern.replace("[^", "[!")), name) is not None
            self.assertEqual(matches(f"/{pattern}", name), expected)

    @given(st.lists(st.sampled_from(["a", "b", "*", "**", "a*"]), min_size=1, max_size=6), st.data())
    def test_components(self, parts: list[str], data: st.DataObject) -> None:
        """A pattern of several components matches what trying all ways would match."""
        name = data.draw(st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=6))
        ending = [*parts, "*"] if parts[-1] == "**" else parts
        self.assertEqual(matches("/" + "/".join(parts), "/".join(name)), _slowly(ending, name))

    def test_never_slow(self) -> None:
        """Patterns that make other matchers go back and forth for ever are done in the time of the others."""
        began = time.monotonic()
        matches("*a" * 120 + "b", "a" * 255)
        matches("*[ab]?" * 60 + "c", "ab" * 127)
        matches("/".join(["**", "a"] * 400 + ["b"]), "/".join("a" * 2048))
        # The first alone would take longer than the universe has.
        self.assertLess(time.monotonic() - began, 60)


class FiltersTests(SynchronousTestCase):
    """Several rules."""

    def test_first_match_decides(self) -> None:
        """The order of the rules matters: what comes first wins."""
        filters = Filters((Rule("keep.o", include=True), Rule("*.o", include=False), Rule("a.o", include=True)))
        for name, allowed in (("keep.o", True), ("a.o", False), ("a.c", True)):
            self.assertEqual(filters.allow((name,), directory=False), allowed)

    def test_no_rules(self) -> None:
        """Without rules everything takes part."""
        self.assertTrue(Filters().allow(("a",), directory=True))


def _slowly(parts: list[str], name: list[str]) -> bool:
    if not parts:
        return not name
    if parts[0] == "**":
        return any(_slowly(parts[1:], name[skip:]) for skip in range(len(name) + 1))
    return bool(name) and matches(f"/{parts[0]}", name[0]) and _slowly(parts[1:], name[1:])
