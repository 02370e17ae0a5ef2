"""Directories: put -r, get -r, sync and verify."""

import os

import pytest

from tests.filexfer_command.shop import Shop, assert_sentence, contents, make_tree


def test_trees_there_and_back(shop: Shop) -> None:
    """Put -r and get -r: everything arrives; links are left out unless they are to be kept."""
    make_tree(shop.here / "tree")
    full = contents(shop.here / "tree")
    without = {name: content for name, content in full.items() if name != "link"}
    status, output, _ = shop.run("put", "-r", "tree", ":")
    assert (status, contents(shop.root / "tree")) == (0, without)
    assert output == "skip tree/link (a symbolic link)\n4 files, 1.0 MiB, verified and on disk\n"
    assert shop.run("put", "-q", "-r", "--links", "keep", "tree", ":kept")[:2] == (0, "")
    assert contents(shop.root / "kept") == full
    assert shop.run("get", "-r", "--links", "keep", ":kept", "back")[0] == 0
    assert contents(shop.here / "back") == full
    assert (shop.here / "back" / "inner" / "run.sh").stat().st_mode & 0o777 == 0o755


def test_what_takes_part(shop: Shop) -> None:
    """--include and --exclude decide in their order, and -n shows what would be done and does nothing."""
    make_tree(shop.here / "tree")
    words = ["put", "-r", "--include", "b.o", "--exclude", "*.o", "--exclude", "deep/", "tree", ":"]
    (shop.here / "tree" / "c.o").touch()
    status, plan, _ = shop.run(*words, "-n")
    assert (status, contents(shop.root)) == (0, {})
    assert plan.splitlines() == [
        "put tree/a.txt -> :tree/a.txt (new)",
        "mkdir :tree/inner",
        "put tree/inner/b.o -> :tree/inner/b.o (new)",
        "put tree/inner/run.sh -> :tree/inner/run.sh (new)",
        "skip tree/link (a symbolic link)",
    ]
    assert shop.run(*words)[0] == 0
    assert {*contents(shop.root / "tree")} == {"a.txt", "inner", "inner/b.o", "inner/run.sh"}


@pytest.mark.parametrize("up", [True, False], ids=["up", "down"])
def test_sync(shop: Shop, up: bool) -> None:  # noqa: FBT001
    """Either way: only what differs is sent, what is too much goes with --delete, and the dry run is the plan."""
    mine, theirs = (shop.here / "tree", shop.root / "copy") if up else (shop.root / "tree", shop.here / "copy")
    places = ["tree", ":copy"] if up else [":tree", "copy"]
    make_tree(mine)
    (mine / "link").unlink()
    assert shop.run("sync", *places)[0] == 0
    assert contents(theirs) == contents(mine)
    (mine / "a.txt").write_text("changed")
    (theirs / "extra" / "deep").mkdir(parents=True)
    (theirs / "extra" / "x").touch()
    before = contents(theirs)

    def steps(*words: str) -> list[tuple[str, str]]:
        found = []
        for record in shop.records("sync", *places, "--delete", *words):
            if record["type"] == "file" or record.get("action") in {"put", "get"}:
                found.append(("file", record["source"] if record["type"] == "file" else record["path"]))
            elif record["type"] == "step":
                found.append((record["action"], record["path"]))
        return found

    planned = steps("-n")
    assert contents(theirs) == before
    assert sorted(steps()) == sorted(planned)
    assert {action for action, _ in planned} == {"file", "same", "rm"}
    assert contents(theirs) == contents(mine)
    status, output, _ = shop.run("sync", *places)
    assert (status, output) == (0, "4 the same\n")


def test_sync_removes_nothing_unasked(shop: Shop) -> None:
    """Without --delete nothing goes; with more than --max-delete neither, and the status says so."""
    (shop.here / "tree").mkdir()
    (shop.root / "copy").mkdir()
    for name in "abc":
        (shop.root / "copy" / name).touch()
    assert shop.run("sync", "tree", ":copy")[0] == 0
    assert len(contents(shop.root / "copy")) == 3
    status, _, errors = shop.run("sync", "tree", ":copy", "--delete", "--max-delete", "2")
    assert status != 0
    assert_sentence(errors, "more than 2")
    assert len(contents(shop.root / "copy")) == 3
    assert shop.run("sync", "tree", ":copy", "--delete", "--max-delete", "3")[0] == 0
    assert contents(shop.root / "copy") == {}


def test_sync_by_checksum(shop: Shop) -> None:
    """Same size and time is taken for the same; --checksum looks at the bytes."""
    for top, text in ((shop.here / "tree", "mine"), (shop.root / "copy", "ours")):
        top.mkdir()
        (top / "x").write_text(text)
        os.utime(top / "x", (1, 1))
    assert shop.run("sync", "tree", ":copy")[0] == 0
    assert (shop.root / "copy" / "x").read_text() == "ours"
    assert shop.run("sync", "--checksum", "tree", ":copy")[0] == 0
    assert (shop.root / "copy" / "x").read_text() == "mine"


def test_verify(shop: Shop) -> None:
    """Same trees are 0; each difference is a sentence, and 23; one file that differs is 65; nothing is changed."""
    make_tree(shop.here / "tree")
    (shop.here / "tree" / "link").unlink()
    assert shop.run("put", "-r", "tree", ":")[0] == 0
    assert shop.run("verify", "tree", ":tree")[:2] == (0, "4 the same\n")
    (shop.root / "tree" / "a.txt").write_text("b")
    (shop.root / "tree" / "inner" / "b.o").unlink()
    (shop.root / "tree" / "new").touch()
    before = contents(shop.root), contents(shop.here)
    status, output, errors = shop.run("verify", ":tree", "tree")
    assert (status, output) == (23, "2 the same, 3 failed\n")
    assert errors.splitlines() == [
        "filexfer: tree/a.txt: it isn't the same as :tree/a.txt",
        "filexfer: :tree/inner/b.o: it is here, and not on the server",
        "filexfer: tree/new: it is on the server, and not here",
    ]
    assert shop.run("verify", "tree/a.txt", ":tree/a.txt")[0] == os.EX_DATAERR
    assert shop.run("verify", "tree/inner/run.sh", ":tree/inner/run.sh")[:2] == (0, "same tree/inner/run.sh\n")
    assert shop.run("verify", "tree/a.txt", ":tree/nothing")[0] == os.EX_NOINPUT
    assert before == (contents(shop.root), contents(shop.here))
