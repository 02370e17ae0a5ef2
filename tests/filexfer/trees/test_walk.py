"""A walk through a tree: what it meets, in which order, in how much memory."""

import os
import tracemalloc
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from tests.filexfer.trees.fakes import TwoTreesTestCase, fill
from twisted_lab.filexfer.errors import AccessError, DisconnectedError, FilexferError
from twisted_lab.filexfer.links import Links
from twisted_lab.filexfer.names import Name
from twisted_lab.filexfer.status import Entry, Status
from twisted_lab.filexfer.store.listing import Page
from twisted_lab.filexfer.trees import walk
from twisted_lab.filexfer.trees.filters import Filters, Rule
from twisted_lab.filexfer.trees.items import Event, Failed, Item
from twisted_lab.filexfer.trees.walk import MAX_HELD, PAGE, Answer, Ask, List, Walk, answered

FILE = Status("file", 0, 0, 0o644, "e")
DIRECTORY = Status("directory", 0, 0, 0o755, "e")
ALL = Filters()


def words(events: list[Event]) -> list[str]:
    """Give what was met as words: a file as its name, a directory with a / at its end."""
    return [_word(event) for event in events]


def _word(event: Event) -> str:
    name = "/".join(event.name)
    if isinstance(event, Item):
        source = "" if event.source == event.name else f" at {'/'.join(event.source)}"
        return f"{name}{'/' if event.status.kind == 'directory' else ''}{source}"
    return f"{type(event).__name__.lower()} {name}"


class WalkTestCase(TwoTreesTestCase):
    """Walks through the tree here."""

    def walk(self, filters: Filters = ALL, links: Links = Links.SKIP, *, as_it_is: bool = False) -> list[str]:
        """Walk here and there, which must meet the same, and give what was met."""
        there = self.remote.walk(filters, links, as_it_is=as_it_is)
        here = self.local.walk(filters, links, as_it_is=as_it_is)
        found = words(self.all(here))
        self.files.store._root = self.root  # the other side's walk, through the same tree
        self.assertEqual(words(self.all(there)), found)
        self.files.store._root = self.served
        return found


class LocalTests(WalkTestCase):
    """The tree on this machine, and the same one behind a connection."""

    def test_order(self) -> None:
        """A directory, then what is in it, then its next sibling, by code points: the same order on both sides."""
        fill(self.here, {"b/y": "", "b/x/z": "", "b-": "", "a": "", "B": "", "ä": "", "\U0001f600": "", "\uffff": ""})
        expected = ["B", "a", "b/", "b/x/", "b/x/z", "b/y", "b-", "ä", "\uffff", "\U0001f600"]
        self.assertEqual(self.walk(), expected)
        names = [tuple(word.strip("/").split("/")) for word in expected]
        self.assertEqual(names, sorted(names))

    def test_nothing(self) -> None:
        """An empty tree has nothing in it."""
        self.assertEqual(self.walk(), [])

    def test_special(self) -> None:
        """A FIFO and a link are told of and not carried; what isn't published yet isn't even told of."""
        fill(self.here, {"fifo": None, "link": "-> f", "f": "", ".filexfer-1": "", "d/.FileXfer-2": ""})
        self.assertEqual(self.walk(), ["d/", "f", "skipped fifo", "skipped link"])

    def test_as_it_is(self) -> None:
        """The tree that is written to is looked at with all that is in it."""
        fill(self.here, {"fifo": None, "link": "-> /etc", "f": "", "x/f": ""})
        filters = Filters((Rule("x", include=False),))
        self.assertEqual(self.walk(filters, as_it_is=True), ["f", "fifo", "link", "excluded x"])

    def test_excluded(self) -> None:
        """An excluded directory isn't looked into, not even for what is included."""
        fill(self.here, {"a/b.o": "", "a/c": "", "out/b.c": "", "out/x": ""})
        os.chmod(self.here / "out", 0)  # noqa: PTH101
        filters = Filters((Rule("*.c", include=True), Rule("*.o", include=False), Rule("/out/", include=False)))
        self.assertEqual(self.walk(filters), ["a/", "excluded a/b.o", "a/c", "excluded out"])

    def test_unnameable(self) -> None:
        """What can't be said in the protocol is counted as a failure of its directory, once."""
        fill(self.here, {"d/a": "", "d/b\n": "", "d/\x7f": ""})
        (self.here / "d" / os.fsdecode(b"\xff")).touch()
        failures = [event for event in self.all(self.local.walk(ALL, Links.SKIP)) if isinstance(event, Failed)]
        self.assertEqual([(event.name, "3 names" in str(event.error)) for event in failures], [(("d",), True)])
        self.assertEqual(self.walk(), ["d/", "failed d", "d/a"])

    def test_too_deep(self) -> None:
        """What has too long a name for the protocol is told of, and the rest goes on."""
        here = os.open(self.here, os.O_RDONLY)
        for _ in range(17):
            os.mkdir("x" * 250, dir_fd=here)
            there = os.open("x" * 250, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = there
        os.close(here)
        fill(self.here, {"y": ""})
        found = self.walk()
        self.assertEqual((len(found), found[-1], found[-2][:7]), (18, "y", "failed "))

    def test_kept_links(self) -> None:
        """Links that stay in the tree are carried as links, the others are failures."""
        fill(self.here, {"a": "-> b/c", "b/c": "-> ../../outside", "d": "-> /etc"})
        self.assertEqual(self.walk(links=Links.KEEP), ["a", "b/", "failed b/c", "failed d"])


class FollowTests(WalkTestCase):
    """Links that are followed, and where they stop."""

    def test_followed(self) -> None:
        """What a link leads to is met under the link's name, and read where it is."""
        fill(self.here, {"d/f": "content", "d/e/g": "", "l": "-> d/f", "m": "-> d"})
        met = ["d/", "d/e/", "d/e/g", "d/f", "l at d/f", "m/ at d", "m/e/ at d/e", "m/e/g at d/e/g", "m/f at d/f"]
        self.assertEqual(self.walk(links=Links.FOLLOW), met)

    def test_outside(self) -> None:
        """What leads out of the tree is a failure and isn't read."""
        fill(self.outside, {"secret": "secret"})
        fill(self.here, {"a": "-> ../outside/secret", "b": "-> ../outside", "c": "-> /etc/passwd", "d": "-> nothing"})
        self.assertEqual(self.walk(links=Links.FOLLOW), ["failed a", "failed b", "failed c", "failed d"])

    def test_circles(self) -> None:
        """A link to a directory that it is in isn't followed, by whatever way it leads there."""
        fill(self.here, {"d/up": "-> ..", "d/here": "-> .", "d/e/l": "-> ../../m", "m": "-> d/e"})
        met = ["d/", "d/e/", "skipped d/e/l", "skipped d/here", "skipped d/up", "m/ at d/e", "skipped m/l"]
        self.assertEqual(self.walk(links=Links.FOLLOW), met)

    def test_multiplying(self) -> None:
        """Links to directories of links, which would multiply without end, come to an end."""
        tree = {f"{n}/{name}": f"-> ../{n + 1}" for n in range(30) for name in "ab"}
        fill(self.here, {**tree, "30/f": ""})
        self.assertLess(len(self.walk(Filters((Rule("/[1-9]*", include=False),)), Links.FOLLOW)), 2**11)

    def test_excluded_link(self) -> None:
        """A link that is left out isn't followed, and one to a directory counts as one."""
        fill(self.here, {"d/f": "", "a": "-> nothing", "b": "-> d"})
        filters = Filters((Rule("a", include=False), Rule("b/", include=False)))
        self.assertEqual(self.walk(filters, Links.FOLLOW), ["excluded a", "excluded b", "d/", "d/f"])


class Endless:
    """A tree that a hostile server thinks of: `width` entries a page, without an end, each a directory."""

    def __init__(self, width: int) -> None:
        self._entries = [Entry(f"{number:04}", "", DIRECTORY) for number in range(width)]
        self.asked = 0

    def __call__(self, ask: Ask) -> Answer:
        """Answer."""
        self.asked += 1
        assert isinstance(ask, List)
        entries = [entry for entry in self._entries if entry.name is not None and entry.name > ask.after]
        return Page(entries, None, 0)


class HostileTests(TwoTreesTestCase):
    """What a server may answer to a walk."""

    def walk(self, pages: dict[tuple[Name, str], Page | FilexferError]) -> list[str]:
        """Walk where those are the answers."""

        def answer(ask: Ask) -> Answer:
            assert isinstance(ask, List)
            found = pages[ask.name, ask.after]
            if isinstance(found, FilexferError):
                raise found
            return found

        return words([*answered(Walk(ALL, Links.SKIP).steps(), answer)])

    def test_pages(self) -> None:
        """A listing of several pages is put together; a page may be empty if what was on it has gone."""
        entries = [Entry(name, name, FILE) for name in "abcd"]
        pages: dict[tuple[Name, str], Page | FilexferError] = {
            ((), ""): Page(entries[:2], "b", 2),
            ((), "b"): Page([], "bb", 2),
            ((), "bb"): Page(entries[2:], None, 2),
        }
        self.assertEqual(self.walk(pages), ["a", "b", "failed ", "c", "d"])

    def test_out_of_order(self) -> None:
        """A listing that isn't in order, has something twice or doesn't go on is a failure, and comes to an end."""
        a, b = Entry("a", "a", FILE), Entry("b", "b", FILE)
        for page in (
            Page([b, a], None, 0),
            Page([a, a], None, 0),
            Page([b], "a", 0),
            Page([Entry(None, "", FILE)], None, 0),
        ):
            self.assertEqual(self.walk({((), ""): page}), ["failed "])
        for again in (Page([a], "a", 0), Page([], "a", 0)):
            self.assertEqual(self.walk({((), ""): Page([a], "a", 0), ((), "a"): again}), ["a", "failed "])

    def test_unreadable(self) -> None:
        """A directory that can't be listed is a failure; what is beside it is met."""
        entries = [Entry("a", "a", DIRECTORY), Entry("b", "b", FILE)]
        unreadable = AccessError("no")
        self.assertEqual(
            self.walk({((), ""): Page(entries, None, 0), (("a",), ""): unreadable}), ["a/", "failed a", "b"]
        )

    def test_disconnected(self) -> None:
        """A lost connection ends the walk: the rest isn't unreadable, it is unknown."""
        self.assertRaises(DisconnectedError, self.walk, {((), ""): DisconnectedError("gone")})

    def test_wide_and_deep(self) -> None:
        """A tree as wide and deep as a name allows is walked in bounded memory, what is dropped is met all the same."""
        endless = Endless(PAGE)
        walking = Walk(ALL, Links.SKIP)
        events = answered(walking.steps(), endless)
        deepest = 0
        for _ in range(400):
            deepest = max(deepest, len(next(events).name))
        self.assertEqual(deepest, 400)
        held = sum(len(directory.entries) for directory in walking._stack)
        self.assertEqual(held, walking._held)
        self.assertLessEqual(held, MAX_HELD + PAGE)

    @given(st.integers(1, 3), st.integers(1, 4), st.integers(0, 30))
    def test_dropped_and_asked_again(self, page: int, width: int, limit: int) -> None:
        """However little may be held, the same is met in the same order."""
        names = [str(number) for number in range(width)]

        def answer(ask: Ask) -> Answer:
            assert isinstance(ask, List)
            status = DIRECTORY if len(ask.name) < 3 else FILE
            after = [name for name in names if name > ask.after]
            entries = [Entry(name, name, status) for name in after[:page]]
            return Page(entries, after[page - 1] if len(after) > page else None, 1)

        with mock.patch.object(walk, "MAX_HELD", limit):
            events = [*answered(Walk(ALL, Links.SKIP).steps(), answer)]
        items = [event.name for event in events if isinstance(event, Item)]
        self.assertEqual(len(items), sum(width**depth for depth in range(1, 5)))
        self.assertEqual(items, sorted(items))
        failures = [event.name for event in events if isinstance(event, Failed)]
        self.assertEqual(len(failures), sum(width**depth for depth in range(4)))

    def test_memory(self) -> None:
        """8,000 directories beside each other, each of them listed, take no more memory than a page."""
        for number in range(8_000):
            os.mkdir(self.here / str(number))  # noqa: PTH102
        events = answered(Walk(ALL, Links.SKIP).steps(), self.local._answer)
        tracemalloc.start()
        try:
            self.assertEqual(sum(1 for _ in events), 8_000)
            self.assertLess(tracemalloc.get_traced_memory()[1], 600 * PAGE)
        finally:
            tracemalloc.stop()
