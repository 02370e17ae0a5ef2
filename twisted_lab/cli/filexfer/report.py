"""
What the command says of what it did: results on standard output, one sentence for each failure on standard error.

With ``--json`` the results are one JSON object a line, whose ``type`` says which keys it has:

``file``
    ``verb``, ``source``, ``target``, ``size``, ``digest``, ``etag``, ``durability``, ``resumed``: a file arrived.
``entry``
    ``path``, ``kind``, ``size``, ``mtime``, ``mode``, ``etag``, and ``to`` for a symbolic link: of ls and stat.
``step``
    ``action``, ``path``, and ``why`` or ``to`` where there is one: something else was done, or would be (``-n``).
``error``
    ``path``, ``code``, ``message``, ``status``: something failed.
``summary``
    ``verb``, ``files``, ``size``, ``same``, ``failed``, ``moved``, ``resumed``, ``seconds``, ``status``: the last line.

Sizes are in bytes; what verify hashed of a file counts as moved. Names stand there as they are: JSON's escapes keep
them from doing harm.
"""

import json
import os
import sys
from typing import Any

from twisted_lab.cli.filexfer.exits import INTERRUPTED, exit_status, joint_status
from twisted_lab.cli.filexfer.progress import Progress
from twisted_lab.cli.filexfer.units import show_size
from twisted_lab.filexfer.conditions import Durability
from twisted_lab.filexfer.errors import FilexferError
from twisted_lab.filexfer.names import show_name, show_sentence
from twisted_lab.filexfer.receipt import Receipt

_PROMISES = {
    Durability.MEMORY: "in the other side's memory",
    Durability.FILE: "its bytes on disk",
    Durability.DIRECTORY: "on disk",
}
#: Seconds: what is done sooner says nothing about speed.
_WORTH_A_RATE = 0.5


class Report:
    """
    One command's results, as they come; `progress` makes way for them.

    `json_lines` and `quiet` are what the user asked for. Writing may raise `OSError`.
    """

    def __init__(self, verb: str, progress: Progress, *, json_lines: bool = False, quiet: bool = False) -> None:
        self.progress = progress
        #: How to go on from what was moved, if this command doesn't come to its end; None if there is no way.
        self.advice: str | None = "run the same command again to go on"
        self._verb = verb
        self._json_lines = json_lines
        self._quiet = quiet
        self._statuses: list[int] = []
        self._failed = 0
        self._same = 0
        #: Whether people weren't told of something that they should learn of by its sum.
        self._spared = False
        self._last: FilexferError | None = None
        self._succeeded = False
        self._files = 0
        self._size = 0
        self._durability: Durability | None = None

    def file(self, source: str, target: str, receipt: Receipt, *, resumed: int = 0, one_of_many: bool = False) -> None:
        """
        Tell that a file arrived; `source` and `target` are as the user would write them, `resumed` is in bytes.

        People aren't told of each file that is `one_of_many`.
        """
        self._succeeded = True
        self._files += 1
        self.progress.files += 1
        self._size += receipt.size
        self._durability = receipt.durability
        if self._json_lines:
            facts = {"size": receipt.size, "digest": receipt.digest, "etag": receipt.etag}
            promise = {"durability": receipt.durability.value, "resumed": resumed}
            self._line("file", {"verb": self._verb, "source": source, "target": target, **facts, **promise})
        elif one_of_many:
            self._spared = True
        else:
            there = f", {show_size(resumed)} of it were there" if resumed else ""
            digest = receipt.digest[: receipt.digest.find(":") + 13]
            promise_in_words = _PROMISES[receipt.durability]
            self._say(f"{show_name(target)}: {show_size(receipt.size)}, {digest}, {promise_in_words}{there}")

    def entry(self, line: str, **fields: Any) -> None:
        """Tell of a file that was asked about; `line` is for people, whatever they want to be spared."""
        self._succeeded = True
        if self._json_lines:
            self._line("entry", fields)
        else:
            self._write(line)

    def step(self, action: str, path: str, *, one_of_many: bool = False, **fields: str) -> None:
        """Tell that something was done, or would be; `fields` go with it. People are spared what is `one_of_many`."""
        self._succeeded = True
        if self._json_lines:
            self._line("step", {"action": action, "path": path, **fields})
        elif one_of_many:
            self._spared = True
        else:
            rest = "".join(f" -> {show_name(text)}" if key == "to" else f" ({text})" for key, text in fields.items())
            self._say(f"{action} {show_name(path)}{rest}")

    def same(self, path: str, *, one_of_many: bool = False) -> None:
        """Tell that nothing need be done about a file: it is the same on both sides."""
        self._same += 1
        self.progress.files += 1
        self.step("same", path, one_of_many=one_of_many)

    def succeeded(self) -> None:
        """Note that something was done that isn't worth a line."""
        self._succeeded = True

    def failed(self, path: str, error: FilexferError) -> None:
        """
        Tell that `path`, as the user would write it, failed; empty if it is about nothing in particular.

        What ends everything may be told where it happens, and once more when everything has ended: it is told once.
        """
        if error is self._last:
            return
        self._last = error
        status = exit_status(error)
        self._failed += 1
        if status not in self._statuses:
            self._statuses.append(status)
        sentence = _without_path(str(error), path)
        if self._json_lines:
            self._line("error", {"path": path, "code": error.code, "message": sentence, "status": status})
        shown = f"{show_name(path)}: " if path else ""
        self.complain(f"{shown}{show_sentence(sentence)}")

    def complain(self, sentence: str) -> None:
        """Say a sentence on standard error; it must be fit to print."""
        self.progress.clear()
        sys.stderr.write(f"filexfer: {sentence}\n")
        sys.stderr.flush()

    def end(self, *, interrupted: int | None = None) -> int:
        """Sum up, and give the status: `interrupted` if it is one that a signal led to."""
        self.progress.stop()
        status = joint_status(self._statuses, succeeded=self._succeeded) if interrupted is None else interrupted
        if status in {os.EX_TEMPFAIL, INTERRUPTED}:
            self._say_what_is_kept(interrupted=interrupted is not None)
        if self._json_lines:
            counts = {"files": self._files, "size": self._size, "same": self._same, "failed": self._failed}
            moved = {"moved": self.progress.moved, "resumed": self.progress.resumed}
            seconds = round(self.progress.seconds, 3)
            self._line("summary", {"verb": self._verb, **counts, **moved, "seconds": seconds, "status": status})
        elif self._spared or self._files + self._same + self._failed > 1:
            self._sum_up()
        return status

    def _sum_up(self) -> None:
        seconds = self.progress.seconds
        parts = []
        if self._durability is not None:
            parts.append(f"{self._files} {'file' if self._files == 1 else 'files'}, {show_size(self._size)}")
            parts.append(f"verified and {_PROMISES[self._durability]}")
        if self._same:
            parts.append(f"{self._same} the same")
        if self._failed:
            parts.append(f"{self._failed} failed")
        if seconds >= _WORTH_A_RATE and self.progress.moved:
            parts.append(f"{seconds:.1f} s, {show_size(self.progress.moved / seconds)}/s")
        self._say(", ".join(parts))

    def _say_what_is_kept(self, *, interrupted: bool) -> None:
        """Say what was moved for good, and how to go on."""
        what = "interrupted" if interrupted else "broken off"
        kept = self.progress.moved + self.progress.resumed
        if self.advice is not None and kept:
            self.complain(f"{what}; {show_size(kept)} are kept, {self.advice}")
        elif interrupted:
            self.complain(f"{what}; nothing is half done, it is safe to run it again")

    def _say(self, line: str) -> None:
        if not self._quiet:
            self._write(line)

    def _line(self, kind: str, fields: dict[str, Any]) -> None:
        self._write(json.dumps({"type": kind, **fields}))

    def _write(self, line: str) -> None:
        self.progress.clear()
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def _without_path(sentence: str, path: str) -> str:
    """Take away the name that a sentence begins with, where it is told before it anyway."""
    name, colon, rest = sentence.partition(": ")
    return rest if colon and name and show_name(path).endswith(name) else sentence
