"""Ls, stat, mkdir, mv and rm: what is there, and what is changed without sending content."""

import os
import re

from tests.filexfer_command.shop import Shop, assert_sentence, contents, make_tree


def test_what_is_there(shop: Shop) -> None:
    """Ls shows mode, size, time and name of each entry, in order; of a file that is asked for, its own."""
    (shop.root / "b").write_bytes(bytes(3000))
    (shop.root / "a").mkdir()
    (shop.root / "c").symlink_to("b")
    for path in ("a", "b"):
        os.utime(shop.root / path, (0, 0))
    (shop.root / "a").chmod(0o755)
    (shop.root / "b").chmod(0o640)
    status, output, _ = shop.run("ls")
    lines = output.splitlines()
    when = r"\d{4}-\d\d-\d\d \d\d:\d\d"
    assert status == 0
    assert re.fullmatch(rf"drwxr-xr-x +- {when} a/", lines[0])
    assert re.fullmatch(rf"-rw-r----- +2\.9 KiB {when} b", lines[1])
    assert re.fullmatch(rf"lrwxrwxrwx +- {when} c -> b", lines[2])
    assert shop.run("ls", ":b")[1].splitlines() == [lines[1]]
    assert shop.run("ls", ":nothing")[0] == os.EX_NOINPUT


def test_facts_for_programs(shop: Shop) -> None:
    """Stat and ls with --json give the same record of a file, sizes in bytes and times to the nanosecond."""
    (shop.root / "x").write_bytes(bytes(3000))
    (shop.root / "x").chmod(0o640)
    os.utime(shop.root / "x", ns=(0, 1_764_000_000_123_456_789))
    ((listed, _), (asked, summary)) = shop.records("ls"), shop.records("stat", ":x")
    etag = asked.pop("etag")
    assert asked == {
        "type": "entry",
        "path": ":x",
        "kind": "file",
        "size": 3000,
        "mtime": [1_764_000_000, 123_456_789],
        "mode": 0o640,
    }
    assert listed == {**asked, "etag": etag}
    assert (summary["type"], summary["status"]) == ("summary", 0)


def test_names_are_shown_escaped(shop: Shop) -> None:
    """A name can't rewrite the terminal (magic-wormhole#476, croc#595); one that can't be said is missed aloud."""
    (shop.root / "\u202egpj.exe").touch()
    (shop.root / "\x1b[2J").touch()
    status, output, errors = shop.run("ls")
    assert (status, output.endswith("\\u202egpj.exe\n"), output.count("\n")) == (23, True, 1)
    assert_sentence(errors, "1 entry has a name that can't be said")
    assert output.isascii()


def test_changes_on_the_server(shop: Shop) -> None:
    """Mkdir, mv and rm: what they do, what they say, and that they refuse what would lose something."""
    assert shop.run("mkdir", ":a")[:2] == (0, "mkdir :a\n")
    assert shop.run("mkdir", ":a")[0] == os.EX_CANTCREAT
    assert shop.run("mkdir", "-q", "-p", ":a/b/c", ":a")[:2] == (0, "")
    (shop.root / "x").write_text("x")
    assert shop.run("mv", ":x", ":a/b")[:2] == (0, "mv :x -> :a/b/x\n")
    assert shop.run("mv", ":nothing", ":y")[0] == os.EX_NOINPUT
    (shop.root / "y").write_text("y")
    assert shop.run("mv", "--no-clobber", ":a/b/x", ":y")[0] == os.EX_CANTCREAT
    assert contents(shop.root) == {"a": None, "a/b": None, "a/b/c": None, "a/b/x": b"x", "y": b"y"}
    status, _, errors = shop.run("rm", ":a")
    assert status == os.EX_CANTCREAT
    assert_sentence(errors, ":a: the directory isn't empty", "-r")
    assert shop.run("rm", ":y", ":nothing")[0] == 23
    assert contents(shop.root) == {"a": None, "a/b": None, "a/b/c": None, "a/b/x": b"x"}


def test_rm_recursively(shop: Shop) -> None:
    """Rm -r removes all that is in a directory, and a link there rather than what it leads to; -n only says it."""
    (shop.root / "stays").mkdir()
    (shop.root / "stays" / "x").touch()
    make_tree(shop.root / "tree")
    (shop.root / "tree" / "inner" / "out").symlink_to("../../stays")
    before = contents(shop.root)
    status, plan, _ = shop.run("rm", "-r", "-n", ":tree")
    assert (status, contents(shop.root)) == (0, before)
    status, done, errors = shop.run("rm", "-r", ":tree")
    assert (status, done, errors) == (0, plan, "")
    assert contents(shop.root) == {"stays": None, "stays/x": b""}
