"""What a sync would do: the plan, whichever side is the source."""

import os
from dataclasses import replace

from tests.filexfer.trees.fakes import ALGORITHM, TwoTreesTestCase, fill
from twisted_lab.filexfer.errors import AccessError, DisconnectedError, FilexferError, NotEmptyError
from twisted_lab.filexfer.links import Links
from twisted_lab.filexfer.trees.comparison import plan_sync
from twisted_lab.filexfer.trees.filters import Filters, Rule
from twisted_lab.filexfer.trees.plan import (
    Action,
    Fail,
    Keep,
    Make,
    Remove,
    Skip,
    SyncOptions,
    Transfer,
    Unchanged,
)

DELETE = SyncOptions(delete=True)


def words(actions: list[Action]) -> list[str]:
    """Give a plan as words, one for each action."""
    return [_word(action) for action in actions]


def _word(action: Action) -> str:
    match action:
        case Transfer(item, why) | Keep(item, why):
            return f"{type(action).__name__.lower()} {'/'.join(item.name)} {why.value}"
        case Make(name) | Remove(name) | Unchanged(name) | Skip(name) | Fail(name):
            return f"{type(action).__name__.lower()} {'/'.join(name)}"


class PlanTestCase(TwoTreesTestCase):
    """Plans from here to there."""

    def plan(self, options: SyncOptions = DELETE) -> list[str]:
        """Give the plan."""
        return words(self.actions(options))

    def actions(self, options: SyncOptions = DELETE) -> list[Action]:
        """Give the plan itself."""
        return self.all(plan_sync(self.local, self.remote, options, ALGORITHM))


class CompareTests(PlanTestCase):
    """What is the same, and what isn't."""

    def test_nothing_there(self) -> None:
        """Everything is new where nothing is, and directories come before what is in them."""
        fill(self.here, {"a": "", "d/b": "", "e/": ""})
        self.assertEqual(self.plan(), ["transfer a new", "make d", "transfer d/b new", "make e"])

    def test_no_directory_there(self) -> None:
        """So it is where even the directory isn't there yet."""
        fill(self.here, {"a": ""})
        self.remote.top = ("not", "made")
        self.assertEqual(self.plan(), ["transfer a new"])

    def test_size_and_mtime(self) -> None:
        """Files are the same if size and mtime are; content isn't looked at."""
        fill(self.here, {"same": "1", "size": "1", "mtime": "1", "other": "1"})
        fill(self.there, {"same": "1", "size": "12", "mtime": "1", "other": "2"})
        os.utime(self.there / "mtime", ns=(10**18, 10**18 + 8))
        expected = ["transfer mtime mtime", "unchanged other", "unchanged same", "transfer size size"]
        self.assertEqual(self.plan(), expected)
        self.assertNotIn("digest", [what for what, _ in self.files.asked])

    def test_checksum(self) -> None:
        """With checksums content decides, and the time doesn't; what differs in size needn't be read."""
        fill(self.here, {"same": "1", "size": "1", "mtime": "1", "other": "1"})
        fill(self.there, {"same": "1", "size": "12", "mtime": "1", "other": "2"})
        os.utime(self.there / "mtime", ns=(10**18, 10**18 + 8))
        expected = ["unchanged mtime", "transfer other content", "unchanged same", "transfer size size"]
        self.assertEqual(self.plan(SyncOptions(checksum=True)), expected)
        self.assertNotIn(("digest", "size"), self.files.asked)

    def test_checksum_fails(self) -> None:
        """A file that can't be hashed is a failure, and the others are compared; a lost connection ends it."""
        fill(self.here, {"a": "1", "b": "1"})
        fill(self.there, {"a": "1", "b": "1"})
        self.files.errors["digest", "a"] = AccessError("no")
        self.assertEqual(self.plan(SyncOptions(checksum=True)), ["fail a", "unchanged b"])
        self.files.errors["digest", "a"] = DisconnectedError("gone")
        self.assertRaises(DisconnectedError, self.plan, SyncOptions(checksum=True))

    def test_links(self) -> None:
        """Links that are kept are compared by what they say."""
        fill(self.here, {"a": "-> x", "b": "-> x", "c": "-> x"})
        fill(self.there, {"a": "-> x", "b": "-> y"})
        self.assertEqual(self.plan(SyncOptions(links=Links.KEEP)), ["unchanged a", "keep b content", "keep c new"])


class DeleteTests(PlanTestCase):
    """What is removed, and what never is."""

    def test_only_if_asked(self) -> None:
        """Nothing is removed without being asked for."""
        fill(self.there, {"a": "", "d/b": ""})
        self.assertEqual(self.plan(SyncOptions()), [])

    def test_last_and_inside_out(self) -> None:
        """Removals come last, what is in a directory before it; links and FIFOs are removed too."""
        fill(self.here, {"z": ""})
        fill(self.there, {"a": "", "d/e/f": "", "d/l": "-> /etc", "d/p": None})
        removals = ["remove d/p", "remove d/l", "remove d/e/f", "remove d/e", "remove d", "remove a"]
        self.assertEqual(self.plan(), ["transfer z new", *removals])

    def test_cap(self) -> None:
        """As many as the cap are removed; one more, and none is, which is a failure."""
        fill(self.there, {"a": "", "d/b": ""})
        self.assertEqual(len(self.plan(replace(DELETE, max_delete=3))), 3)
        self.assertEqual(self.plan(replace(DELETE, max_delete=2)), ["fail "])
        self.assertEqual(self.plan(replace(DELETE, max_delete=0)), ["fail "])

    def test_excluded(self) -> None:
        """What is left out isn't removed, nor is the directory that it is in."""
        fill(self.there, {"a.o": "", "a.c": "", "d/e/f.o": "", "d/e/f.c": "", "d/g": ""})
        options = replace(DELETE, filters=Filters((Rule("*.o", include=False),)))
        self.assertEqual(self.plan(options), ["skip d", "skip d/e", "remove d/g", "remove d/e/f.c", "remove a.c"])

    def test_excluded_here_only(self) -> None:
        """What a filter leaves out of the source, for it is a directory, keeps what has its name."""
        fill(self.here, {"x/f": ""})
        fill(self.there, {"x": ""})
        options = replace(DELETE, filters=Filters((Rule("x/", include=False),)))
        self.assertEqual(self.plan(options), [])

    def test_skipped(self) -> None:
        """What isn't carried keeps what has its name, and what is in that."""
        fill(self.here, {"a": "-> nothing", "b": None})
        fill(self.there, {"a/f": "", "a/g/h": "", "b": "", "c": ""})
        self.assertEqual(self.plan(), ["skip a", "skip b", "remove c"])

    def test_incomplete(self) -> None:
        """Below a directory that couldn't be listed whole nothing is removed; elsewhere it is."""
        fill(self.here, {"d/bad\n": "", "d/e/": "", "d/p": None, "f": "", "p": None})
        fill(self.there, {"a": "", "d/b": "", "d/e/c": "", "d/z/y": "", "f": "", "g": "", "p/q": ""})
        expected = ["fail d", "skip d/p", "unchanged f", "skip p", "remove g", "remove a"]
        self.assertEqual(self.plan(), expected)

    def test_incomplete_top(self) -> None:
        """If the top can't be listed whole nothing is removed at all."""
        fill(self.here, {"bad\n": "", "a": ""})
        fill(self.there, {"b": "", "a": "", "c/d": ""})
        self.assertEqual(self.plan(), ["fail ", "unchanged a"])

    def test_incomplete_in_the_end(self) -> None:
        """That holds too if it turns out on a later page, after removals were found."""
        fill(self.here, {f"d/{number:05}": "" for number in range(4100)} | {"d/~\n": ""})
        fill(self.there, {"d/-": "", "d/04099~": "", "e": ""})
        plan = self.plan()
        self.assertEqual([word for word in plan if not word.startswith(("transfer", "make"))], ["fail d", "remove e"])

    def test_unnameable_there(self) -> None:
        """A directory that has something that nobody can name isn't removed, what is nameable in it is."""
        fill(self.there, {"d/bad\n": "", "d/e": "", "f": ""})
        self.assertEqual(self.plan(), ["fail d", "skip d", "remove f", "remove d/e"])


class ConflictTests(PlanTestCase):
    """A file on the one side where the other has a directory, or the like."""

    def test_not_without_delete(self) -> None:
        """They are failures, and what is in such a directory isn't transferred."""
        fill(self.here, {"a": "", "b/c": "", "b/d/e": "", "l": "", "m": "", "z": ""})
        fill(self.there, {"a/x": "", "b": "", "l": "-> a", "m": None})
        expected = ["fail a", "fail b", "skip b/c", "skip b/d", "skip b/d/e", "fail l", "fail m", "transfer z new"]
        self.assertEqual(self.plan(SyncOptions()), expected)

    def test_directory_for_a_file(self) -> None:
        """A file makes way for a directory at once."""
        fill(self.here, {"b/c": ""})
        fill(self.there, {"b": ""})
        self.assertEqual(self.plan(), ["remove b", "make b", "transfer b/c new"])

    def test_file_for_a_directory(self) -> None:
        """A directory makes way for a file when all else is removed."""
        fill(self.here, {"a": "", "b": "-> a", "z": ""})
        fill(self.there, {"a/x/y": "", "b/": ""})
        removals = ["remove b", "remove a/x/y", "remove a/x", "remove a"]
        expected = ["transfer z new", *removals, "transfer a kind", "keep b kind"]
        self.assertEqual(self.plan(replace(DELETE, links=Links.KEEP)), expected)

    def test_file_for_a_directory_that_stays(self) -> None:
        """If something in it must stay, or too much would go, the directory stays and that is a failure."""
        fill(self.here, {"a": ""})
        fill(self.there, {"a/x.o": "", "a/y": ""})
        options = replace(DELETE, filters=Filters((Rule("*.o", include=False),)))
        self.assertEqual(self.plan(options), ["skip a", "remove a/y", "fail a"])
        for cap in (0, 2):
            actions = self.actions(replace(DELETE, max_delete=cap))
            self.assertEqual({*words(actions)}, {"fail ", "fail a"})
            errors = {type(action.error) for action in actions if isinstance(action, Fail)}
            self.assertEqual(errors, {FilexferError, NotEmptyError})

    def test_file_for_a_link(self) -> None:
        """A link or FIFO makes way for a file, and for a link, in one step."""
        fill(self.here, {"a": "", "b": "", "c": "-> a"})
        fill(self.there, {"a": "-> x", "b": None, "c": ""})
        plan = self.plan(replace(DELETE, links=Links.KEEP))
        self.assertEqual(plan, ["transfer a kind", "transfer b kind", "keep c kind"])

    def test_excluded_in_the_way(self) -> None:
        """What a filter leaves out on the other side isn't replaced."""
        fill(self.here, {"x": "", "y": ""})
        fill(self.there, {"x/f": ""})
        options = replace(DELETE, filters=Filters((Rule("x/", include=False),)))
        self.assertEqual(self.plan(options), ["fail x", "transfer y new"])
