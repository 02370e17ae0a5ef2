"""``twisted-lab capture``: look at a capture's messages, their sequence, or where its streams were cut."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NoReturn

from twisted_lab.instruments.capture.following import follow, read_all
from twisted_lab.instruments.capture.message_lines import MessageLines
from twisted_lab.instruments.capture.messages import Messages
from twisted_lab.instruments.capture.pcapng import CaptureError, Reader
from twisted_lab.instruments.capture.sequence import Sequence
from twisted_lab.instruments.capture.stream_ruler import StreamRuler
from twisted_lab.instruments.capture.streams import Happening, Streams
from twisted_lab.instruments.capture.view import View
from twisted_lab.specimen import Specimen, find

INTERRUPTED = 130


def run(arguments: argparse.Namespace) -> int:
    """Show a capture; give 0, 65 if it is damaged, 66 if it isn't there, 130 if interrupted."""
    view = _make_view(arguments)
    looker = Looker(arguments, view)
    status = os.EX_OK
    if arguments.follow:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        looker.look(_open(arguments))
    except KeyboardInterrupt:
        status = INTERRUPTED
    except CaptureError as error:
        sys.stderr.write(f"twisted-lab: {arguments.file}: {error}\n")
        status = os.EX_DATAERR
    _print(view.finish())
    if arguments.svg is not None and not isinstance(view, MessageLines):
        _write(arguments.svg, view.draw())
    if not looker.found and status == os.EX_OK:
        which = f"connection {arguments.connection}" if arguments.connection else "TCP connection"
        stop(os.EX_NOINPUT, f"there is no {which} in {arguments.file}")
    return status


class Looker:
    """Brings a capture's bytes before a view; `found`: whether there was a connection in them."""

    def __init__(self, arguments: argparse.Namespace, view: View) -> None:
        self.found = False
        self._only = arguments.connection
        self._view = view
        self._reader = Reader()
        self._streams = Streams()
        self._messages = Messages(find_specimen(arguments.codec).codec if arguments.codec else None)

    def look(self, pieces: Iterable[bytes]) -> None:
        """Look at all of it; what is still waited for at the end, whatever ends it, isn't to come any more."""
        try:
            for piece in pieces:
                if not piece:
                    self._take(self._streams.finish())
                    self._reader = Reader()
                for packet in self._reader.feed(piece):
                    self._take(self._streams.take(packet))
        finally:
            self._take(self._streams.finish())
            self._show(self._messages.finish())
        self._reader.eof()

    def _take(self, happenings: Iterable[Happening]) -> None:
        for happening in happenings:
            if self._only in {None, happening.connection.number}:
                self.found = True
                self._show(self._messages.take(happening))

    def _show(self, happenings: Iterable[Happening]) -> None:
        for happening in happenings:
            _print(self._view.take(happening))


def find_specimen(name: str) -> Specimen:
    """Give the specimen of that name, or end with a sentence."""
    sys.path.insert(0, "")  # module:attribute may be here, as for twistd
    try:
        return find(name)
    except LookupError as error:
        stop(os.EX_USAGE, str(error))


def _make_view(arguments: argparse.Namespace) -> MessageLines | Sequence | StreamRuler:
    if arguments.json and arguments.view != "messages":
        stop(os.EX_USAGE, "--json is for --view messages")
    if arguments.bytes and arguments.view != "ruler":
        stop(os.EX_USAGE, "--bytes is for --view ruler")
    if arguments.svg and arguments.view == "messages":
        stop(os.EX_USAGE, "--svg is for --view sequence or ruler")
    if arguments.follow and arguments.file == "-":
        stop(os.EX_USAGE, "--follow is for files: standard input is followed anyway")
    match arguments.view:
        case "sequence":
            return Sequence()
        case "ruler":
            return StreamRuler(arguments.bytes)
    return MessageLines(as_json=arguments.json)


def _open(arguments: argparse.Namespace) -> Iterator[bytes]:
    """Give the capture's bytes."""
    try:
        if arguments.file == "-":
            yield from read_all(sys.stdin.buffer)
        elif arguments.follow:
            yield from follow(Path(arguments.file), time.sleep, _lose)
        else:
            with Path(arguments.file).open("rb") as file:
                yield from read_all(file)
    except OSError as error:
        stop(os.EX_NOINPUT, f"can't read {arguments.file}: {error.strerror}")


def _lose() -> None:
    sys.stderr.write("twisted-lab: some of the capture may be lost: files went faster than they were read\n")


def _print(lines: Iterator[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        stop(os.EX_CANTCREAT, f"can't write {path}: {error.strerror}")


def stop(status: int, sentence: str) -> NoReturn:
    """End with a status and one sentence on stderr."""
    sys.stderr.write(f"twisted-lab: {sentence}\n")
    raise SystemExit(status)
