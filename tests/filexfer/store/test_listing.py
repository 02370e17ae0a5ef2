"""The entries of a directory, a page at a time: each once, in order, in the memory of one page."""

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings, strategies

from tests.filexfer.store.trees import TreeTestCase, names
from twisted_lab.filexfer.errors import (
    BadNameError,
    InputOutputError,
    NotDirectoryError,
    NotFoundError,
)
from twisted_lab.filexfer.names import component_on_disk, is_reserved

RAW = strategies.binary(min_size=1, max_size=8).filter(
    lambda raw: not {0, 0x2F} & set(raw) and raw not in {b".", b".."}
)
TEXT = strategies.text(strategies.characters(codec="utf-8"), min_size=1, max_size=4).map(str.encode)


class PageTests(TreeTestCase):
    """`Store.page`, of the directory ``d/b``, which has the file ``f``."""

    def setUp(self) -> None:
        """Name the directory."""
        super().setUp()
        self.directory = self.inside / "d" / "b"

    def pages(self, count: int, between: Callable[[], object] = lambda: None) -> list[str]:
        """Give the names of all pages, one after the other, doing `between` after each."""
        found: list[str] = []
        after: str | None = ""
        while after is not None:
            page = self.store.page(("d", "b"), after, count)
            self.assertLessEqual(len(page.entries), count)
            found += [entry.name or "" for entry in page.entries]
            after = page.next
            between()
        return found

    def test_page(self) -> None:
        """A page has the entries with the same facts as stat, the target of a link too."""
        (self.inside / "link").symlink_to("../outside/f")
        page = self.store.page((), "", 10)
        self.assertEqual(([entry.name for entry in page.entries], page.next), (["d", "f", "link", "spare"], None))
        for entry in page.entries:
            assert entry.name is not None
            self.assertEqual((entry.shown, entry.status), (entry.name, self.root.stat((entry.name,))))

    def test_next(self) -> None:
        """The next page begins after the last one, and there is none after the last entry."""
        for count, expected in ((1, "d"), (2, "f"), (3, None), (4, None)):
            self.assertEqual(self.store.page((), "", count).next, expected)
        page = self.store.page((), "f", 1)
        self.assertEqual(([entry.name for entry in page.entries], page.next), (["spare"], None))
        page = self.store.page((), "zzz", 1)
        self.assertEqual((page.entries, page.next), ([], None))

    def test_order(self) -> None:
        """Names are in the order of their bytes, wherever the disk has them."""
        unordered = ["é", "z", "Z", "a b", "a", "a!", "\U0001f600", "\ufb01", "-", "10", "9", "e\u0301"]
        for name in unordered:
            (self.directory / name).touch()
        expected = sorted([*unordered, "f"], key=str.encode)
        for count in (1, 2, 5, 100):
            self.assertEqual(self.pages(count), expected)

    @settings(max_examples=50)
    @given(strategies.sets(RAW, max_size=20), strategies.integers(1, 7))
    def test_any_names(self, raws: set[bytes], count: int) -> None:
        """Whatever the disk holds, what can be named is listed once and in order, and the rest is counted."""
        for found in self.directory.iterdir():
            found.unlink()
        for raw in raws:
            os.mknod(os.fsencode(self.directory) + b"/" + raw)
        shown = [raw for raw in raws if not is_reserved(raw.decode(errors="surrogateescape"))]
        expected = sorted(raw for raw in shown if component_on_disk(raw) is not None)
        self.assertEqual([name.encode() for name in self.pages(count)], expected)
        self.assertEqual(self.store.page(("d", "b"), "", count).unnameable, len(shown) - len(expected))

    def test_unnameable(self) -> None:
        """How many entries can't be named is said on every page; what is staged isn't counted."""
        for raw in (b"caf\xe9", b"\x1b[2J", b"a\nb", b".filexfer-1", b".FileXfer-\xff"):
            Path(os.fsdecode(os.fsencode(self.directory) + b"/" + raw)).touch()
        for after, count in (("", 1), ("f", 1), ("", 100)):
            self.assertEqual(self.store.page(("d", "b"), after, count).unnameable, 3)
        self.assertEqual(names(self.root, ("d", "b")), ["f", None, None, None])

    def test_changes_between_pages(self) -> None:
        """What is there all the time is listed exactly once, whatever comes and goes between the pages."""
        steady = [f"s{number:02}" for number in range(20)]
        passing = [f"{letter}{number:02}" for number in range(20) for letter in "ptz"]
        for name in steady:
            (self.directory / name).touch()
        turn = 0

        def change() -> None:
            nonlocal turn
            turn += 1
            for index, name in enumerate(passing):
                path = self.directory / name
                path.unlink(missing_ok=True)
                if (index + turn) % 3:
                    path.touch()

        found = [name for name in self.pages(3, change) if name in steady]
        self.assertEqual(found, steady)

    def test_where_the_last_one_was(self) -> None:
        """The listing goes on where the last page ended, though the entry it ended with is gone."""
        page = self.store.page((), "", 2)
        (self.inside / "f").unlink()
        assert page.next is not None
        self.assertEqual([entry.name for entry in self.store.page((), page.next, 2).entries], ["spare"])

    def test_vanishing(self) -> None:
        """Entries that go while they are looked at are left out; if all of a page do, the next one is still found."""
        look = os.stat

        def remove_first(path: bytes, **options: object) -> os.stat_result:
            (self.inside / os.fsdecode(path)).unlink(missing_ok=True)
            return look(path, **options)  # type: ignore[arg-type]

        (self.inside / "a").touch()
        (self.inside / "b").touch()
        patch = self.patch(os, "stat", remove_first)
        page = self.store.page((), "", 2)
        patch.restore()
        self.assertEqual((page.entries, page.next), ([], "b"))
        self.assertEqual(names(self.root, ()), ["d", "f", "spare"])

    def test_many(self) -> None:
        """A page of a directory of 2,000 entries takes the memory of the page, not that of the directory."""
        for number in range(2_000):
            (self.directory / f"{number:0200}").touch()
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        page = self.store.page(("d", "b"), "", 10)
        peak = tracemalloc.get_traced_memory()[1]
        self.assertEqual((len(page.entries), page.next), (10, f"{9:0200}"))
        self.assertLess(peak, 100_000)

    def test_refused(self) -> None:
        """What isn't a directory, isn't there or couldn't be a name is refused."""
        self.assertRaises(NotDirectoryError, self.store.page, ("f",), "", 1)
        self.assertRaises(NotFoundError, self.store.page, ("no",), "", 1)
        for after in ("a/b", "..", "\0", "\ud800", ".filexfer-1"):
            self.assertRaises(BadNameError, self.store.page, (), after, 1)

    def test_disk_fails(self) -> None:
        """A directory that the disk can't give is no empty directory; nothing is left open."""

        def fail(*_: object, **__: object) -> None:
            raise OSError(5, "Input/output error")

        for step in ("scandir", "stat"):
            patch = self.patch(os, step, fail)
            self.assertRaises(InputOutputError, self.store.page, (), "", 10)
            patch.restore()
