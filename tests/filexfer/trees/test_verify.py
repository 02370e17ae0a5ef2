"""Trees compared by content."""

from twisted.internet.defer import execute

from tests.filexfer.trees.fakes import TwoTreesTestCase, fill, shown
from twisted_lab.filexfer.errors import AccessError, DisconnectedError
from twisted_lab.filexfer.links import Links
from twisted_lab.filexfer.trees.filters import Filters, Rule
from twisted_lab.filexfer.trees.plan import TreeOptions
from twisted_lab.filexfer.trees.verify import Verdict, Verified, verify


class VerifyTests(TwoTreesTestCase):
    """What is told of each name."""

    def verify(self, options: TreeOptions = TreeOptions()) -> dict[str, str]:  # noqa: B008  # frozen
        """Give the verdict on each name."""
        return {"/".join(verified.name): verified.verdict.value for verified in self.verdicts(options)}

    def verdicts(self, options: TreeOptions) -> list[Verified]:
        """Give all that is told, in order."""
        return self.all(verify(self.files, self.root, "", options, execute))

    def test_verdicts(self) -> None:
        """Content decides, whatever the time and size; what is on one side only is missing on the other."""
        fill(self.here, {"same": "1", "content": "1", "size": "1", "d/here": "", "e/f": "", "kind": "", "l": "-> same"})
        fill(self.there, {"same": "1", "content": "2", "size": "12", "d/there": "", "kind/x": ""})
        (self.there / "same").touch()
        before = shown(self.here), shown(self.there)
        expected = {
            "content": "differs",
            "d/here": "missing there",
            "d/there": "missing here",
            "e": "missing there",
            "e/f": "missing there",
            "kind": "differs",
            "kind/x": "missing here",
            "l": "skipped",
            "same": "same",
            "size": "differs",
        }
        self.assertEqual(self.verify(), expected)
        self.assertEqual([*self.verify()], [*expected])
        self.assertEqual((shown(self.here), shown(self.there)), before)
        self.assertNotIn(("digest", "size"), self.files.asked)

    def test_links(self) -> None:
        """Kept links are compared by what they say, followed ones by what they lead to."""
        fill(self.here, {"a": "1", "l": "-> a", "m": "-> a"})
        fill(self.there, {"a": "1", "l": "-> a", "m": "-> b", "b": "1"})
        links = self.verify(TreeOptions(links=Links.KEEP))
        self.assertEqual((links["l"], links["m"]), ("same", "differs"))
        links = self.verify(TreeOptions(links=Links.FOLLOW))
        self.assertEqual((links["l"], links["m"]), ("same", "same"))

    def test_filters(self) -> None:
        """What is left out isn't told of."""
        fill(self.here, {"a.o": "1", "b": "1"})
        fill(self.there, {"c.o": "1", "b": "1"})
        self.assertEqual(self.verify(TreeOptions(filters=Filters((Rule("*.o", include=False),)))), {"b": "same"})

    def test_failures(self) -> None:
        """What can't be compared is a failure, not the same; the rest is compared."""
        fill(self.here, {"a": "1", "b": "1", "d/bad\n": ""})
        fill(self.there, {"a": "1", "b": "1", "d/": ""})
        self.files.errors["digest", "a"] = AccessError("no")
        self.assertEqual(self.verify(), {"a": "failed", "b": "same", "d": "failed"})
        failed = self.verdicts(TreeOptions())[0]
        self.assertEqual((failed.verdict, failed.why, type(failed.error)), (Verdict.FAILED, "no", AccessError))

    def test_disconnected(self) -> None:
        """A lost connection ends it."""
        fill(self.here, {"a": "1"})
        fill(self.there, {"a": "1"})
        self.files.errors["digest", "a"] = DisconnectedError("gone")
        self.assertRaises(DisconnectedError, self.verify)
