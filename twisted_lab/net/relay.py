"""
What a worker says, in the log of the process that has started it.

A worker writes its log events as lines of JSON: their text, with the traceback of a failure, and those fields that are
strings or numbers. What it writes to standard error, before it logs or while it crashes, is text. Each becomes an event
that says of which worker it is, in the field ``worker``.
"""

import json
from collections.abc import Callable
from typing import Any, TextIO

from twisted.logger import (
    ILogObserver,
    InvalidLogLevelError,
    LogEvent,
    Logger,
    LogLevel,
    eventAsText,
    globalLogPublisher,
)
from zope.interface import provider

#: Bytes of a line at most; what is longer is cut.
MAX_LINE = 1 << 20


def relaying_observer(out: TextIO) -> ILogObserver:
    """Give the observer that a worker logs to, which writes events to `out`."""

    @provider(ILogObserver)
    def observe(event: LogEvent) -> None:
        fields = {name: value for name, value in event.items() if isinstance(value, str | int | float)}
        fields["log_level"] = event.get("log_level", LogLevel.info).name
        # Formatted here, where all fields are.
        fields["text"] = eventAsText(event, includeTimestamp=False, includeSystem=False)
        out.write(f"{json.dumps(fields)}\n")

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
            event: dict[str, Any] = json.loads(line)
            level = LogLevel.levelWithName(event["log_level"])
        except (ValueError, TypeError, LookupError, InvalidLogLevelError):
            self._text(line)
        else:
            system = event.get("log_system") or f"{event.get('log_namespace', '-')}#{level.name}"
            event |= {"log_level": level, "log_format": "{text}", "worker": self._pid}
            event["log_system"] = f"worker {self._pid} {system}"
            globalLogPublisher(event)

    def _text(self, line: str) -> None:
        self.log.warn("{line}", line=line, worker=self._pid, log_system=f"worker {self._pid} stderr#warn")
