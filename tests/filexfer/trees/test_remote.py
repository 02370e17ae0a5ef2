"""The tree behind a connection: how it is asked for."""

from dataclasses import replace

from twisted.internet.defer import Deferred, ensureDeferred

from tests.filexfer.trees.fakes import TwoTreesTestCase, fill
from twisted_lab.filexfer.links import Links
from twisted_lab.filexfer.messages.replies import Limits
from twisted_lab.filexfer.store.listing import Page
from twisted_lab.filexfer.trees.filters import Filters, Rule
from twisted_lab.filexfer.trees.items import Event
from twisted_lab.filexfer.trees.remote import AHEAD, _Asker
from twisted_lab.filexfer.trees.walk import Walk, answered_async


class AskingTests(TwoTreesTestCase):
    """Pages of the server's directories."""

    def test_limit(self) -> None:
        """No longer pages are asked for than the server gives, and all of them."""
        fill(self.there, {f"{number}": "" for number in range(10)})
        self.files.welcome = replace(self.files.welcome, limits=Limits(page=3))
        self.assertEqual(len(self.all(self.remote.walk(Filters(), Links.SKIP))), 10)
        self.assertEqual(self.files.asked, [("list", "")] * 4)

    def test_below(self) -> None:
        """Names are those below the directory that the tree begins at, and links lead no further up."""
        fill(self.there, {"a/b/f": "", "a/b/l": "-> ../secret", "a/secret": ""})
        self.remote.top = ("a", "b")
        events = self.all(self.remote.walk(Filters(), Links.FOLLOW))
        self.assertEqual(
            [(type(event).__name__, event.name) for event in events], [("Item", ("f",)), ("Failed", ("l",))]
        )

    def test_ahead(self) -> None:
        """Directories that come next are asked for before they are needed; so many, and each once."""
        fill(self.there, {f"{number:02}/x/": "" for number in range(40)})
        pages: dict[str, Deferred[Page]] = {}

        def page(path: str, *_: object) -> "Deferred[Page]":
            self.assertNotIn(path, pages)
            pages[path] = Deferred()
            return pages[path]

        self.patch(self.files, "page", page)
        found: list[Event] = []

        async def walk() -> None:
            async for event in self.remote.walk(Filters(), Links.SKIP):
                found.append(event)  # noqa: PERF401  # one by one

        walking = ensureDeferred(walk())
        answered: set[str] = set()
        while waiting := [path for path in pages if path not in answered]:
            self.assertLessEqual(len(waiting), AHEAD + 1)
            # The last that was asked for is answered first.
            answered.add(waiting[-1])
            pages[waiting[-1]].callback(self.files.store.page(tuple(filter(None, waiting[-1].split("/"))), "", 99))
        self.successResultOf(walking)
        self.assertEqual([event.name for event in found], sorted(event.name for event in found))
        self.assertEqual((len(found), len(pages)), (80, 81))

    def test_left_out(self) -> None:
        """What was asked for and is then left out by a filter takes no place for long."""
        fill(self.there, {f"a{number}/": "" for number in range(AHEAD + 5)} | {"z/": ""})
        asker = _Asker(self.remote)
        steps = Walk(Filters((Rule("a*", include=False),)), Links.SKIP).steps()
        self.all(answered_async(steps, asker.answer))
        self.assertEqual(asker._asked, {})
