"""
What a codec raises::

    ProtocolError            .code: stable, kebab-case
    ├─ LocalProtocolError    we were asked to send what the protocol forbids
    └─ RemoteProtocolError   the peer sent what the protocol forbids
       ├─ TooLongError       .length, .limit (bytes)
       └─ TruncatedError     the stream ended in the middle of a message
"""


class ProtocolError(Exception):
    """Something against the protocol; `code` is its stable name, for programs, `str()` a sentence, for people."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class LocalProtocolError(ProtocolError):
    """We were asked to send what the protocol forbids; nothing of it was sent."""


class RemoteProtocolError(ProtocolError):
    """The peer sent what the protocol forbids; where its next message starts can't be known."""


class TooLongError(RemoteProtocolError):
    """The peer announced more bytes than the limit; none of them were kept."""

    def __init__(self, code: str, sentence: str, length: int, limit: int) -> None:
        super().__init__(code, sentence)
        self.length = length
        self.limit = limit


class TruncatedError(RemoteProtocolError):
    """The peer ended the stream in the middle of a message, which is lost."""

    def __init__(self, sentence: str) -> None:
        super().__init__("truncated", sentence)
