"""
What a worker says, in the log of the process that has started it.

A worker writes its log events as lines of JSON; so they keep their fields. What it writes to standard error, before it
logs or while it crashes, is text. Each becomes an event that says of which worker it is, in the field ``worker``.
"""

from collections.abc import Callable
from typing import TextIO

from twisted.logger import (
    ILogObserver,
    LogEvent,
    Logger,
    LogLevel,
    eventFromJSON,
    formatEvent,
    globalLogPublisher,
    jsonFileLogObserver,
)
from zope.interface import provider

#: Bytes of a line at most; what is longer is cut.
MAX_LINE = 1 << 20


def relaying_observer(out: TextIO) -> ILogObserver:
    """Give the observer that a worker logs to, which writes events to `out`."""
    write = jsonFileLogObserver(out, recordSeparator="")

    @provider(ILogObserver)
    def observe(event: LogEvent) -> None:
        # Formatted here: of what JSON has no form for, nothing is left there to format.
        write({**event, "text": formatEvent(event)})

    observer: ILogObserver = observe
    return observer


class Lines:
    """Cut what comes in pieces into lines; `received` is called with each that isn't empty."""

    def __init__(self, received: Callable[[str], object]) -> None:
        self._received = received
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take the next piece."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE:
            lines.append(self._rest)
            self._rest = b""
        for line in filter(None, lines):
            self._received(line.decode(errors="replace"))

    def end(self) -> None:
        """Take what is there for the last line."""
        self.feed(b"\n")


class Relay:
    """Log what worker `pid` says."""

    log = Logger()

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.events = Lines(self._event)
        self.errors = Lines(self._text)

    def _event(self, line: str) -> None:
        try:
            event = eventFromJSON(line)
        except ValueError:
            self._text(line)
        else:
            event.pop("log_flattened", None)
            event["log_format"] = "{text}"
            event["worker"] = self._pid
            event["log_system"] = f"worker {self._pid} {_system(event)}"
            globalLogPublisher(event)

    def _text(self, line: str) -> None:
        self.log.warn("{line}", line=line, worker=self._pid, log_system=f"worker {self._pid} stderr#warn")


def _system(event: LogEvent) -> str:
    """Give what the text form of an event has in its brackets."""
    level = event.get("log_level", LogLevel.info)
    return event.get("log_system") or f"{event.get('log_namespace', '-')}#{level.name}"
