"""What a load sends: drawn bytes of which each message has others, so that one too many or in another's place shows."""

from random import Random

#: Bytes after which the messages repeat, about.
PERIOD = 65536
#: Messages up to this size are kept ready; of larger ones there would be few in a period.
SMALL = 4096
#: A period for these that no size divides, so that each message begins elsewhere in it.
PRIMES = (65537, 65539)


class Content:
    """
    An endless row of messages of `size` bytes; from `seed`, or all the same `message`.

    No byte is one of `without`: so a prefix that begins with such a byte can be told from content.
    """

    def __init__(self, size: int, seed: int, message: bytes | None = None, without: bytes = b"") -> None:
        if message is not None:
            period = message * -(-PERIOD // len(message))
        else:
            length = -(-PERIOD // size) * size if size <= SMALL else next(each for each in PRIMES if size % each)
            alphabet = bytes(byte for byte in range(256) if byte not in without)
            period = bytes(Random(seed).choices(alphabet, k=length))  # noqa: S311  # for tests, not secrets
        self.size = size
        self._period = len(period)
        self._tiled = period * (size // len(period) + 2)  # so long that a message can begin anywhere in the first
        self._messages: list[bytes] = []
        if len(period) % size == 0:
            self._messages = [period[start : start + size] for start in range(0, len(period), size)]

    def message(self, number: int) -> bytes:
        """Give a message by its number."""
        if self._messages:
            return self._messages[number % len(self._messages)]
        start = number * self.size % self._period
        return self._tiled[start : start + self.size]

    def stands_at(self, position: int, data: bytes) -> bool:
        """Tell whether all the messages in a row have `data` at that position."""
        start = position % self._period
        if len(data) <= self._period:
            return self._tiled.startswith(data, start)
        first = self._period
        return self.stands_at(position, data[:first]) and self.stands_at(position + first, data[first:])
