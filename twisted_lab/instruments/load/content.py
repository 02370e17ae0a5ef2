"""What a load sends: drawn bytes of which each message has others, so that one too many or in another's place shows."""

from random import Random

#: Bytes after which the messages repeat; at least one message.
PERIOD = 65536


class Content:
    """
    An endless row of messages of `size` bytes; from `seed`, or all the same `message`.

    No byte is one of `without`: so a prefix that begins with such a byte can be told from content.
    """

    def __init__(self, size: int, seed: int, message: bytes | None = None, without: bytes = b"") -> None:
        if message is None:
            alphabet = bytes(byte for byte in range(256) if byte not in without)
            drawn = Random(seed).choices(alphabet, k=-(-PERIOD // size) * size)  # noqa: S311  # for tests, not secrets
            period = bytes(drawn)
        else:
            period = message * -(-PERIOD // len(message))
        self.size = size
        self.messages = [period[start : start + size] for start in range(0, len(period), size)]
        self._period = len(period)
        self._twice = period * 2

    def message(self, number: int) -> bytes:
        """Give a message by its number."""
        return self.messages[number % len(self.messages)]

    def stands_at(self, position: int, data: bytes) -> bool:
        """Tell whether all the messages in a row have `data` at that position."""
        start = position % self._period
        if len(data) <= self._period:
            return self._twice.startswith(data, start)
        first = self._period
        return self.stands_at(position, data[:first]) and self.stands_at(position + first, data[first:])
