"""Trees put, got and made equal, with a server that is a directory."""

import os
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred, execute, fail, succeed

from tests.filexfer.trees.fakes import Notes, TwoTreesTestCase, fill, shown
from twisted_lab.filexfer.conditions import Condition
from twisted_lab.filexfer.errors import (
    AccessError,
    BadNameError,
    ChangedError,
    DisconnectedError,
    ExistsError,
    FilexferError,
    NoSpaceError,
    NotDirectoryError,
    NotFoundError,
    QuotaExceededError,
    SourceChangedError,
    TooLargeError,
)
from twisted_lab.filexfer.links import Links
from twisted_lab.filexfer.small_file import SmallFile
from twisted_lab.filexfer.trees import uploader
from twisted_lab.filexfer.trees.filters import Filters, Rule
from twisted_lab.filexfer.trees.items import Item
from twisted_lab.filexfer.trees.local import LocalTree
from twisted_lab.filexfer.trees.plan import SyncOptions, TreeOptions
from twisted_lab.filexfer.trees.transfer import (
    get_tree,
    plan_sync_down,
    plan_sync_up,
    put_tree,
    sync_down,
    sync_up,
)

#: With a file that goes in a bundle, one that doesn't, and one that is in neither.
TREE = {"a": "small", "d/b": "small too", "d/e/": "", "d/large": "large" * 500, "z": ""}
DELETE = SyncOptions(delete=True)


class TransferTestCase(TwoTreesTestCase):
    """Both directions, with a report that remembers."""

    def put(self, options: TreeOptions = TreeOptions(), remote: str = "") -> None:  # noqa: B008  # frozen
        """Put what is here there."""
        self.now(put_tree(self.files, self.root, remote, options, self.notes, execute))

    def get(self, options: TreeOptions = TreeOptions(), remote: str = "") -> None:  # noqa: B008  # frozen
        """Get what is there here."""
        self.now(get_tree(self.files, remote, self.root, options, self.notes, execute))


class PutTests(TransferTestCase):
    """From here to there."""

    def test_put(self) -> None:
        """A tree arrives whole, with times and permissions, and each of its files has a receipt."""
        fill(self.here, TREE)
        (self.here / "a").chmod(0o750)
        (self.here / "d" / "large").chmod(0o700)
        self.put(remote="to/here")
        self.assertEqual(shown(self.there / "to" / "here"), shown(self.here))
        for name in ("a", "d/large"):
            before, after = (self.here / name).stat(), (self.there / "to" / "here" / name).stat()
            self.assertEqual((before.st_mode, before.st_mtime_ns), (after.st_mode, after.st_mtime_ns))
        self.assertCountEqual(self.notes.told, ["done a", "made d", "done d/b", "made d/e", "done d/large", "done z"])
        notes = self.notes
        self.assertEqual((notes.found_files, notes.found_bytes), (notes.done_files, notes.done_bytes))
        self.assertEqual((notes.done_files, notes.done_bytes, notes.made_directories), (4, 2514, 2))

    def test_bundled(self) -> None:
        """Small files go together, as many as the server takes; large ones by themselves."""
        fill(self.here, {f"{number}": "x" for number in range(10)} | {"large": "x" * 1001})
        sent: list[int] = []
        put_small = self.files.put_small

        async def counting(files: list[SmallFile], **keywords: object) -> object:
            sent.append(len(files))
            return await put_small(files, **keywords)  # type: ignore[arg-type]

        self.files.put_small = counting  # type: ignore[method-assign, assignment]
        self.put()
        self.assertEqual(sent, [4, 4, 2])
        self.assertEqual([path for what, path in self.files.asked if what == "put"], ["large"])

    def test_held(self) -> None:
        """No more is gathered than may be in memory."""
        fill(self.here, {f"{number}": "x" * 900 for number in range(4)})
        read: list[int] = []
        read_small = LocalTree.read_small

        def counting(local: LocalTree, items: list[Item], algorithm: str) -> object:
            read.append(len(items))
            return read_small(local, items, algorithm)

        self.patch(LocalTree, "read_small", counting)
        self.patch(uploader, "READ_BYTES", 2000)
        self.put()
        self.assertEqual((read, self.notes.done_files), ([2, 2], 4))

    def test_cancelled(self) -> None:
        """To cancel it cancels what is under way."""
        fill(self.here, {"d/": ""})
        cancelled: list[str] = []

        def mkdir(path: str, **_: object) -> "Deferred[None]":
            return Deferred(lambda _: cancelled.append(path))

        self.patch(self.files, "mkdir", mkdir)
        putting = ensureDeferred(put_tree(self.files, self.root, "", TreeOptions(), self.notes, execute))
        self.assertNoResult(putting)
        putting.cancel()
        self.failureResultOf(putting, CancelledError)
        self.assertEqual(cancelled, ["d"])

    def test_one_fails(self) -> None:
        """What is wrong with one file or directory stops no other."""
        fill(self.here, {**TREE, "q": None})
        fill(self.there, {"d": "a file"})
        self.files.errors["small", "a"] = AccessError("no")
        self.put()
        self.assertEqual((self.there / "z").read_text(), "")
        self.assertCountEqual(self.notes.errors, ["a", "d", "d/b", "d/e", "d/large"])
        self.assertEqual((self.notes.failures, self.notes.changed_sources, self.notes.skipped_names), (5, 0, 1))

    def test_all_fails(self) -> None:
        """A full disk, a used up quota and a lost connection end it: the error is reported and raised."""
        fill(self.here, TREE)
        for what, path in (("small", "a"), ("put", "d/large"), ("mkdir", "d/e")):
            for kind in (NoSpaceError, QuotaExceededError, DisconnectedError):
                self.files.errors = {(what, path): kind("it ends")}
                self.notes = Notes()
                self.assertRaises(kind, self.put)
                self.assertIsInstance(self.notes.errors[path], kind)

    def test_source_goes(self) -> None:
        """A file that goes after it was listed is an error of the source, and the rest goes on."""
        fill(self.here, TREE)
        transfer = uploader.Uploader.transfer

        async def go(this: uploader.Uploader, item: Item) -> None:
            if item.name in {("a",), ("d", "large")}:
                self.here.joinpath(*item.name).unlink()
            await transfer(this, item)

        self.patch(uploader.Uploader, "transfer", go)
        self.put()
        self.assertEqual(
            {path: type(error) for path, error in self.notes.errors.items()},
            dict.fromkeys(["a", "d/large"], SourceChangedError),
        )
        self.assertEqual((self.notes.changed_sources, self.notes.done_files), (2, 2))
        self.assertEqual(sorted(shown(self.there)), ["d/", "d/b", "d/e/", "z"])

    def test_source_grows(self) -> None:
        """A small file that has grown since it was listed is put as what it is now, without filling the memory."""
        fill(self.here, {"a": "small", "b": "small"})
        read_small = LocalTree.read_small

        def grow(local: LocalTree, items: list[Item], algorithm: str) -> object:
            (self.here / "a").write_text("x" * 5000)
            return read_small(local, items, algorithm)

        self.patch(LocalTree, "read_small", grow)
        self.put()
        self.assertEqual((self.there / "a").read_text(), "x" * 5000)
        self.assertIn(("put", "a"), self.files.asked)

    def test_no_clobber(self) -> None:
        """With `absent` no file is replaced, small or large."""
        fill(self.here, TREE)
        fill(self.there, {"a": "old", "d/large": "old"})
        self.put(TreeOptions(condition=Condition(absent=True)))
        self.assertEqual({type(error) for error in self.notes.errors.values()}, {ExistsError})
        self.assertEqual(((self.there / "a").read_text(), (self.there / "d/large").read_text()), ("old", "old"))
        self.assertEqual(self.notes.done_files, 2)

    def test_links(self) -> None:
        """Links are left out, followed, or kept, as is asked for."""
        fill(self.outside, {"secret": "secret"})
        fill(self.here, {"d/f": "content", "l": "-> d/f", "out": "-> ../outside/secret"})
        self.put(remote="skip")
        self.put(TreeOptions(links=Links.FOLLOW), "follow")
        self.put(TreeOptions(links=Links.KEEP), "keep")
        self.assertEqual(shown(self.there / "skip"), {"d/": "", "d/f": "content"})
        self.assertEqual(shown(self.there / "follow"), {"d/": "", "d/f": "content", "l": "content"})
        self.assertEqual(shown(self.there / "keep"), {"d/": "", "d/f": "content", "l": "-> d/f"})
        self.assertIsInstance(self.notes.errors["out"], BadNameError)

    def test_swapped_link(self) -> None:
        """A directory that is swapped with a link after it was listed isn't read through."""
        fill(self.outside, {"f": "secret", "large": "secret" * 500})
        fill(self.here, {"d/f": "public", "d/large": "public" * 500})

        def swap(_: str) -> None:
            os.rename(self.here / "d", self.here / "e")  # noqa: PTH104
            (self.here / "d").symlink_to(self.outside)

        self.patch(self.notes, "made", swap)
        self.put()
        self.assertEqual(shown(self.there), {"d/": ""})
        self.assertEqual({*self.notes.errors}, {"d/f", "d/large"})


class GetTests(TransferTestCase):
    """From there to here."""

    def test_get(self) -> None:
        """A tree arrives whole, with times and permissions."""
        fill(self.there, TREE)
        (self.there / "a").chmod(0o750)
        self.get()
        self.assertEqual(shown(self.here), shown(self.there))
        before, after = (self.there / "a").stat(), (self.here / "a").stat()
        self.assertEqual((before.st_mode, before.st_mtime_ns), (after.st_mode, after.st_mtime_ns))
        self.assertCountEqual(self.notes.told, ["done a", "made d", "done d/b", "made d/e", "done d/large", "done z"])

    def test_no_source(self) -> None:
        """To get what isn't there, or isn't a directory, is an error, and nothing is made."""
        fill(self.there, {"f": ""})
        self.assertRaises(NotFoundError, self.get, remote="nothing")
        self.assertRaises(NotDirectoryError, self.get, remote="f")
        self.assertEqual(shown(self.here), {})

    def test_planted_links(self) -> None:
        """Links planted in the destination lead nothing out of it: neither directories nor files nor links."""
        fill(self.outside, {"f": "mine", "d/f": "mine"})
        fill(self.there, {"d/f": "theirs", "d/e/g": "theirs", "f": "theirs", "h": "theirs", "d/l": "-> f"})
        fill(self.here, {"d": "-> ../outside/d", "f": "-> ../outside/f", "h": "-> /nowhere"})
        self.get(TreeOptions(links=Links.KEEP))
        self.assertEqual(shown(self.outside), {"f": "mine", "d/": "", "d/f": "mine"})
        self.assertCountEqual(self.notes.errors, ["d", "d/e", "d/e/g", "d/f", "d/l"])
        # Where it is to be written itself a link is replaced, not followed.
        self.assertEqual(shown(self.here), {"d": "-> ../outside/d", "f": "theirs", "h": "theirs"})

    def test_kept_links(self) -> None:
        """A link is made only if it stays in the tree: one that leads out isn't, nor is one that others might help."""
        links = {
            "a": "-> d/f",
            "d/b": "-> ../a",
            "out": "-> ../outside",
            "etc": "-> /etc",
            "d/here": "-> .",
            "e": "-> d/here/../../x",
        }
        fill(self.there, {"d/f": "", **links})
        self.get(TreeOptions(links=Links.KEEP))
        self.assertEqual({name for name in shown(self.here) if (self.here / name).is_symlink()}, {"a", "d/b", "d/here"})
        self.assertCountEqual(self.notes.errors, ["out", "etc", "e"])

    def test_source_changes(self) -> None:
        """A file that goes or changes on the server is an error of the source; the rest goes on."""
        fill(self.there, {"a": "", "b": "", "c": ""})
        self.files.errors = {("get", "a"): NotFoundError("it went"), ("get", "b"): ChangedError("it changed")}
        self.get()
        self.assertEqual((self.notes.failures, self.notes.changed_sources, self.notes.done_files), (2, 2, 1))

    def test_target_refuses(self) -> None:
        """What this side has against a file isn't taken for an error of the source."""
        fill(self.there, {"d/f": "", "g": ""})
        fill(self.here, {"d": "a file"})
        self.get()
        self.assertEqual((self.notes.failures, self.notes.changed_sources, self.notes.done_files), (2, 0, 1))

    def test_condition(self) -> None:
        """Neither is a file here that isn't what it was taken for."""
        fill(self.there, {"g": ""})
        self.get(TreeOptions(condition=Condition(etag="0" * 16)))
        self.assertEqual((type(self.notes.errors["g"]), self.notes.changed_sources), (ChangedError, 0))

    def test_all_fails(self) -> None:
        """A full disk or a lost connection end it: the error is raised, and later files aren't asked for."""
        fill(self.there, {f"{number:02}": "" for number in range(40)})
        self.files.errors["get", "01"] = NoSpaceError("full")
        self.assertRaises(NoSpaceError, self.get)
        self.assertNotIn(("get", "39"), self.files.asked)

    def test_many_directories(self) -> None:
        """More directories than are made at once are all made, empty ones too."""
        fill(self.there, {f"{number}/": "" for number in range(150)})
        together: list[int] = []
        make = LocalTree.make_directories

        def counting(local: LocalTree, names: list[tuple[str, ...]]) -> object:
            together.append(len(names))
            return make(local, names)

        self.patch(LocalTree, "make_directories", counting)
        self.get()
        self.assertLess(max(together), 100)  # a descriptor for each
        self.assertEqual(self.notes.made_directories, 150)
        self.assertEqual(len(shown(self.here)), 150)

    def test_filters(self) -> None:
        """What is left out isn't got, and its directory isn't asked for."""
        fill(self.there, {"a.o": "", "a.c": "", "out/f": ""})
        self.get(TreeOptions(filters=Filters((Rule("*.o", include=False), Rule("out/", include=False)))))
        self.assertEqual(shown(self.here), {"a.c": ""})


class GetInBundlesTests(GetTests):
    """The same from a server that gives bundles."""

    def setUp(self) -> None:
        """Say so."""
        super().setUp()
        self.files.welcome = replace(self.files.welcome, features=("get-bundle",))

    def test_bundled(self) -> None:
        """Small files come together, as many as the server gives; large ones by themselves."""
        fill(self.there, {f"d/{number}": "x" for number in range(10)} | {"large": "x" * 1001})
        asked: list[list[str]] = []
        get_small = self.files.get_small

        async def counting(paths: list[str]) -> object:
            asked.append(paths)
            return await get_small(paths)

        self.files.get_small = counting  # type: ignore[method-assign, assignment]
        self.get()
        self.assertEqual([len(paths) for paths in asked], [4, 4, 2])
        self.assertEqual([path for what, path in self.files.asked if what == "get"], ["large"])
        self.assertEqual(shown(self.here), shown(self.there))

    def test_source_changes(self) -> None:
        """A file that goes or changes on the server is an error of the source; the rest goes on."""
        fill(self.there, {"a": "", "b": "", "c": ""})
        self.files.errors = {("bundled", "a"): NotFoundError("it went"), ("bundled", "b"): ChangedError("it changed")}
        self.get()
        self.assertEqual((self.notes.failures, self.notes.changed_sources, self.notes.done_files), (2, 2, 1))

    def test_grown(self) -> None:
        """A file that has grown too large for a bundle since it was listed is got by itself."""
        fill(self.there, {"a": "small", "b": "grown"})
        self.files.errors["bundled", "b"] = TooLargeError("it is")
        self.get()
        self.assertEqual(shown(self.here), shown(self.there))
        self.assertIn(("get", "b"), self.files.asked)

    def test_all_fails(self) -> None:
        """A full disk or a lost connection end it: the error is raised, and later files aren't asked for."""
        fill(self.there, {f"{number:02}": "" for number in range(40)})
        self.files.errors["bundled", "01"] = NoSpaceError("full")
        self.assertRaises(NoSpaceError, self.get)
        self.assertNotIn(("bundled", "39"), self.files.asked)

    def test_request_fails(self) -> None:
        """A request that fails as a whole is each file's failure."""
        fill(self.there, {"a": "", "b": ""})
        self.patch(self.files, "get_small", lambda _: fail(AccessError("no")))
        self.get()
        self.assertEqual({*self.notes.errors}, {"a", "b"})

    def test_not_in_vain(self) -> None:
        """A file that is there and isn't to be replaced isn't asked for."""
        fill(self.there, {"a": "theirs", "b": "theirs"})
        fill(self.here, {"a": "mine"})
        self.get(TreeOptions(condition=Condition(absent=True)))
        self.assertEqual(shown(self.here), {"a": "mine", "b": "theirs"})
        self.assertIsInstance(self.notes.errors["a"], ExistsError)
        self.assertNotIn(("bundled", "a"), self.files.asked)

    def test_other_bytes(self) -> None:
        """What doesn't have the digest that came with it isn't published."""
        fill(self.there, {"a": "theirs"})
        wrong = SmallFile(("a",), b"other", "sha-256:" + "0" * 64, 0, 0o644)
        self.patch(self.files, "get_small", lambda _: succeed([wrong]))
        self.get()
        self.assertEqual((shown(self.here), self.notes.errors["a"].code), ({}, "digest-mismatch"))


class SyncTestCase(TransferTestCase):
    """Trees made equal, either way."""

    def sync(self, options: SyncOptions = DELETE, *, up: bool = True) -> None:
        """Do what a dry run says: its actions are compared with those that are done."""
        if up:
            plan = self.all(plan_sync_up(self.files, self.root, "", options, execute))
        else:
            plan = self.all(plan_sync_down(self.files, "", self.root, options, execute))
        before = shown(self.here), shown(self.there)
        self.notes = Notes()
        if up:
            self.now(sync_up(self.files, self.root, "", options, self.notes, execute))
        else:
            self.now(sync_down(self.files, "", self.root, options, self.notes, execute))
        self.assertEqual([repr(action) for action in self.notes.planned_actions], [repr(action) for action in plan])
        self.assertEqual(before[not up], (shown(self.here), shown(self.there))[not up])


class SyncTests(SyncTestCase):
    """What a sync does, and in which order."""

    def test_up_and_down(self) -> None:
        """What is new or other is transferred, what is extra removed; a second time there is nothing to do."""
        fill(self.here, {**TREE, "kind/f": "", "file": "now a file"})
        fill(
            self.there,
            {"a": "another", "d/b": "small too", "extra/x/y": "", "kind": "", "file/was/a": "", "l": "-> /etc"},
        )
        trees = self.here, self.there
        kept = shown(self.here)
        for up in (True, False):
            self.sync(up=up)
            self.assertEqual((shown(self.here), shown(self.there)), (kept, kept))
            self.sync(up=up)
            self.assertEqual((self.notes.done_files, self.notes.removed_names, self.notes.unchanged_files), (0, 0, 6))
            fill(trees[not up], {"extra/z": "", "more": "more"})
            (trees[not up] / "a").write_text("changed on the target")

    def test_without_delete(self) -> None:
        """Without delete nothing goes."""
        fill(self.here, {"a": ""})
        fill(self.there, {"b": ""})
        self.sync(SyncOptions())
        self.assertEqual(shown(self.there), {"a": "", "b": ""})

    def test_too_many(self) -> None:
        """If too much would go nothing does, and that is a failure; the rest is done."""
        fill(self.here, {"a": ""})
        fill(self.there, {"b": "", "c": ""})
        self.sync(replace(DELETE, max_delete=1))
        self.assertEqual(shown(self.there), {"a": "", "b": "", "c": ""})
        self.assertIn("more than 1 names", str(self.notes.errors[""]))

    def test_changed_meanwhile(self) -> None:
        """What was changed on the target after it was listed isn't removed."""
        fill(self.there, {"a": "", "b": ""})

        def planned(_: object) -> None:
            (self.there / "a").write_text("new")

        self.patch(self.notes, "planned", planned)
        self.now(sync_up(self.files, self.root, "", DELETE, self.notes, execute))
        self.assertIsInstance(self.notes.errors["a"], ChangedError)
        self.assertEqual(shown(self.there), {"a": "new"})

    def test_changed_meanwhile_here(self) -> None:
        """That holds for the local side too."""
        fill(self.here, {"a": "", "b": ""})
        self.patch(self.notes, "planned", lambda _: (self.here / "a").write_text("new"))
        self.now(sync_down(self.files, "", self.root, DELETE, self.notes, execute))
        self.assertIsInstance(self.notes.errors["a"], ChangedError)
        self.assertEqual(shown(self.here), {"a": "new"})

    def test_removals_after_transfers(self) -> None:
        """Nothing is removed before all is transferred, and nothing at all if that comes to an early end."""
        fill(self.here, {"z": "x"})
        fill(self.there, {"a": ""})
        self.sync()
        calls = [what for what, _ in self.files.asked if what in {"small", "remove"}]
        self.assertEqual(calls, ["small", "remove"])
        fill(self.here, {"y": "x"})
        fill(self.there, {"a": ""})
        self.files.errors["small", "y"] = NoSpaceError("full")
        self.assertRaises(FilexferError, self.sync)
        self.assertIn("a", shown(self.there))

    def test_special_stays(self) -> None:
        """A device's place isn't taken without delete, and with it in one step."""
        fill(self.here, {"f": "file"})
        fill(self.there, {"f": None})
        self.sync(SyncOptions())
        self.assertEqual(shown(self.there), {"f": "special"})
        self.sync()
        self.assertEqual(shown(self.there), {"f": "file"})


NAMES = st.lists(st.sampled_from(["a", "b", "a-", "c.o"]), min_size=1, max_size=3).map(tuple)
TREES = st.dictionaries(NAMES, st.sampled_from(["", "1", "22", "-> a", "-> ../b", "-> /etc", "dir"]), max_size=7)


def consistent(tree: dict[tuple[str, ...], str]) -> dict[str, str]:
    """Give a tree as `fill` takes it, without what would be in a file."""
    return {
        "/".join(name) + ("/" if what == "dir" else ""): what
        for name, what in sorted(tree.items())
        if all(tree.get(name[:depth], "dir") == "dir" for depth in range(1, len(name)))
    }


class AnyTreesTests(SyncTestCase):
    """Any two trees."""

    @given(TREES, TREES, st.sampled_from(Links), st.booleans())
    def test_equal_afterwards(
        self,
        here: dict[tuple[str, ...], str],
        there: dict[tuple[str, ...], str],
        links: Links,
        up: bool,  # noqa: FBT001
    ) -> None:
        """After a sync with delete a second finds nothing to do, and only what failed or was left out differs."""
        for path, tree in ((self.here, here), (self.there, there)):
            for name in sorted(shown(path), reverse=True):
                target = path / name.rstrip("/")
                target.rmdir() if target.is_dir() and not target.is_symlink() else target.unlink()
            fill(path, consistent(tree))
        options = replace(DELETE, links=links, filters=Filters((Rule("*.o", include=False),)))
        self.sync(options, up=up)
        failed = [*self.notes.errors]
        self.sync(options, up=up)
        self.assertEqual((self.notes.done_files, self.notes.made_links, self.notes.made_directories), (0, 0, 0))
        self.assertEqual([*self.notes.errors], failed)
