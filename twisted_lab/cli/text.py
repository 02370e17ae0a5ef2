"""Bytes from the network, made fit for a terminal."""

import codecs
import re

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Printable:
    """
    Decode UTF-8 that arrives in pieces; a character cut in two waits for its rest.

    Bytes that aren't UTF-8 and control characters, but newlines and tabs, come out as escapes: a peer can't
    rewrite the terminal.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")

    def feed(self, data: bytes, *, final: bool = False) -> str:
        """Give what `data` completes, fit to print."""
        return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", self._decoder.decode(data, final))
