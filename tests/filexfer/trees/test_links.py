"""Where links lead, and which may be kept."""

import os

from hypothesis import given
from hypothesis import strategies as st

from tests.filexfer.trees.fakes import TwoTreesTestCase, fill
from twisted_lab.filexfer.errors import BadNameError, FilexferError, NotDirectoryError, NotFoundError
from twisted_lab.filexfer.links import MAX_LINKS, check_target, resolve
from twisted_lab.filexfer.names import Name
from twisted_lab.filexfer.status import Status

PARTS = st.lists(st.sampled_from(["..", ".", "a", "b", "l", ""]), min_size=1, max_size=6)


class ResolveTests(TwoTreesTestCase):
    """Links followed inside their tree."""

    def resolve(self, name: str) -> tuple[Name, Status | None]:
        """Find out where a link leads."""
        link = tuple(name.split("/"))
        steps = resolve(link, self.root.stat(link).target)
        try:
            look = next(steps)
            while True:
                look = steps.send(self.root.stat(look.name))
        except StopIteration as end:
            result: tuple[Name, Status | None] = end.value
            return result

    def test_leads(self) -> None:
        """A link leads to a file, a directory, through other links, up and down again."""
        links = {"l": "-> d/f", "d/up": "-> ../l", "d/e/far": "-> ../../d/up", "dir": "-> ./d//e/", "d/e/f": "-> ../f"}
        fill(self.here, {"d/f": "content", **links})
        for name in ("l", "d/up", "d/e/far", "d/e/f"):
            real, status = self.resolve(name)
            assert status is not None
            self.assertEqual((real, status.kind), (("d", "f"), "file"))
        self.assertEqual(self.resolve("dir")[0], ("d", "e"))

    def test_to_the_top(self) -> None:
        """A link to the top of the tree is known as that."""
        fill(self.here, {"d/l": "-> ..", "m": "-> d/l"})
        self.assertEqual((self.resolve("d/l"), self.resolve("m")), (((), None), ((), None)))

    def test_through_a_link_to_here(self) -> None:
        """The facts given are those of what a link leads to in the end, not those of a link on the way."""
        fill(self.here, {"d/l": "-> here", "d/here": "-> ."})
        real, status = self.resolve("d/l")
        assert status is not None
        self.assertEqual((real, status.kind), (("d",), "directory"))

    def test_outside(self) -> None:
        """What leads out of the tree isn't followed, by whatever way."""
        fill(self.outside, {"secret": "secret"})
        fill(self.here, {"d/f": "", "d/deep": "-> ..", "top": "-> ."})
        for target in ("/etc/passwd", "../outside/secret", "top/../../outside/secret", "d/deep/../outside"):
            link = self.here / "l"
            link.symlink_to(target)
            self.assertRaises(BadNameError, self.resolve, "l")
            link.unlink()

    def test_in_circles(self) -> None:
        """Links that lead to each other come to an end."""
        fill(self.here, {"a": "-> b", "b": "-> a", "c": "-> c"})
        for name in ("a", "b", "c"):
            self.assertRaises(BadNameError, self.resolve, name)

    def test_many(self) -> None:
        """As many links as the kernel follows are followed, and no more."""
        fill(self.here, {"0": "content", **{str(n): f"-> {n - 1}" for n in range(1, MAX_LINKS + 2)}})
        self.assertEqual(self.resolve(str(MAX_LINKS))[0], ("0",))
        self.assertRaises(BadNameError, self.resolve, str(MAX_LINKS + 1))

    def test_nowhere(self) -> None:
        """A link to what isn't there, or through a file, is an error that says so."""
        fill(self.here, {"f": "", "l": "-> nothing", "m": "-> f/x", "n": "-> .filexfer-1"})
        self.assertRaises(NotFoundError, self.resolve, "l")
        self.assertRaises(NotDirectoryError, self.resolve, "m")
        self.assertRaises(BadNameError, self.resolve, "n")


class KeepTests(TwoTreesTestCase):
    """Links that may be made."""

    def test_allowed(self) -> None:
        """Targets that stay in the tree may be kept, as they are."""
        for name, target in (
            ("l", "a"),
            ("l", "a/b/"),
            ("d/l", "../a"),
            ("d/l", ".."),
            ("d/e/l", "../../a"),
            ("l", "."),
        ):
            self.assertEqual(check_target(tuple(name.split("/")), target), target)

    def test_refused(self) -> None:
        """Targets that lead out, or might with the help of another link, are refused; and what can't be said."""
        for name, target in (
            ("l", "/etc/passwd"),
            ("l", "/"),
            ("l", ".."),
            ("d/l", "../.."),
            ("l", "a/../../b"),
            ("l", "a/.."),
            ("d/l", "./../../x"),
            ("l", ""),
            ("l", None),
            ("l", "a\0b"),
        ):
            self.assertRaises(BadNameError, check_target, tuple(name.split("/")), target)

    @given(st.lists(st.tuples(st.sampled_from(["a", "b", "l", "d/a", "d/b", "d/l", "d/e/a"]), PARTS), max_size=5))
    def test_never_leads_out(self, links: list[tuple[str, list[str]]]) -> None:
        """Whatever links are kept, the kernel follows none of them out of the tree."""
        fill(self.here, {"d/e/": None})
        fill(self.top, {"a/": None, "b/": None, "l/": None})
        made = []
        for name, parts in links:
            path = self.here / name
            try:
                target = check_target(tuple(name.split("/")), "/".join(parts))
            except FilexferError:
                continue
            if not os.path.lexists(path):
                path.symlink_to(target)
                made.append(path)
        for path in made:
            try:
                real = os.path.realpath(path, strict=True)
            except OSError:  # to nothing, or in circles
                continue
            self.assertTrue(f"{real}/".startswith(f"{os.path.realpath(self.here)}/"), (path, real, links))
        for path in made:
            path.unlink()
