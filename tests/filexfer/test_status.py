"""What is told of a file without opening it."""

import os

from tests.filexfer.store.trees import ANYWAY, TreeTestCase
from twisted_lab.filexfer.status import Status, etag, target_on_disk

#: As in os.stat_result: mode, inode, device, links, user, group, size, times in seconds; then times in nanoseconds.
FACTS = (0o100644, 5, 1, 1, 0, 0, 7, 0, 0, 0)
TIMES = {"st_atime_ns": 11, "st_mtime_ns": 12, "st_ctime_ns": 13}


class EtagTests(TreeTestCase):
    """`etag`."""

    def test_same_file(self) -> None:
        """A file that nobody touches keeps its etag, however often and by whomever it is read."""
        before = self.root.stat(("f",)).etag
        self.assertRegex(before, "^[0-9a-f]{16}$")
        os.close(self.root.open_file(("f",)))
        (self.inside / "f").read_bytes()
        self.assertEqual(self.root.stat(("f",)).etag, before)

    def test_facts(self) -> None:
        """Inode, size and both times of change count, each by itself; the device and the time of reading don't."""
        before = etag(os.stat_result(FACTS, TIMES))
        for index, change in ((1, 6), (6, 8)):
            facts = (*FACTS[:index], change, *FACTS[index + 1 :])
            self.assertNotEqual(etag(os.stat_result(facts, TIMES)), before)
        for key in ("st_mtime_ns", "st_ctime_ns"):
            self.assertNotEqual(etag(os.stat_result(FACTS, {**TIMES, key: 20})), before)
        other_device = (*FACTS[:2], 2, *FACTS[3:])
        self.assertEqual(etag(os.stat_result(other_device, {**TIMES, "st_atime_ns": 20})), before)

    def test_changed_file(self) -> None:
        """A file that grew, or was replaced by a copy of the same size and time, has another."""
        path, etags = self.inside / "f", [self.root.stat(("f",)).etag]
        with path.open("a") as file:
            file.write("more")
        etags.append(self.root.stat(("f",)).etag)
        facts = path.stat()
        copy = self.inside / "copy"
        copy.write_bytes(path.read_bytes())
        os.utime(copy, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        self.store.rename(("copy",), ("f",), ANYWAY)
        etags.append(self.root.stat(("f",)).etag)
        self.assertEqual(len(set(etags)), 3)


class StatusTests(TreeTestCase):
    """`Status.of`."""

    def test_kinds(self) -> None:
        """Only a regular file has a size; what isn't file, directory or link is called other."""
        os.mkfifo(self.inside / "fifo")
        (self.inside / "link").symlink_to("f")
        for name, kind, size in (("f", "file", 6), ("d", "directory", 0), ("link", "symlink", 0), ("fifo", "other", 0)):
            status = Status.of((self.inside / name).lstat())
            self.assertEqual((status.kind, status.size, status.target), (kind, size, None))

    def test_target(self) -> None:
        """What a link says is told if it is text; what isn't, or would play with a terminal, isn't."""
        self.assertEqual(target_on_disk("../é b".encode()), "../é b")
        for raw in (b"", b"\xff", b"a\nb", b"\x7f", "\x9b".encode()):
            self.assertIsNone(target_on_disk(raw))
        self.assertEqual(Status.of((self.inside / "f").lstat(), "d").target, "d")
