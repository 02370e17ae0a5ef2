"""The keys of one header, or of one line of JSON, each read strictly: of its kind, in its range, or refused."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from twisted_lab.filexfer.digests import parse_digest
from twisted_lab.filexfer.errors import BadRequestError
from twisted_lab.filexfer.names import MAX_COMPONENT, Name, parse_name
from twisted_lab.wire.fields import MAX_INTEGER

#: Characters of an etag.
MAX_ETAG = 64
BILLION = 10**9

T = TypeVar("T")


class Keys:
    """
    The keys of `header`; what is wrong with one is said with the key's name, and never with what it holds.

    `fault` makes the error of that sentence. Errors of digests and names are raised as they are: whoever reads
    something else than a request turns them into its own.
    """

    def __init__(self, header: Mapping[str, Any], fault: Callable[[str], Exception] = BadRequestError) -> None:
        self._header = header
        self._fault = fault

    def optional(self, key: str, read: Callable[[str], T]) -> T | None:
        """Give what `read`, a method of ours, gives for `key`; None if it is absent. A null isn't."""
        return read(key) if key in self._header else None

    def integer(self, key: str, least: int = 0, most: int = MAX_INTEGER) -> int:
        """Give an integer; a truth value isn't one."""
        value = self._get(key)
        if type(value) is not int or not least <= value <= most:
            raise self._fault(f'"{key}" isn\'t an integer from {least} to {most}')
        return value

    def number(self, key: str, most: float) -> float:
        """Give a number that isn't negative."""
        value = self._get(key)
        if type(value) not in {int, float} or not 0 <= value <= most:
            raise self._fault(f'"{key}" isn\'t a number from 0 to {most:g}')
        return float(value)

    def flag(self, key: str) -> bool:
        """Give true or false."""
        value = self._get(key)
        if type(value) is not bool:
            raise self._fault(f'"{key}" is neither true nor false')
        return value

    def text(self, key: str, most: int, least: int = 0) -> str:
        """Give a string of `least` to `most` bytes of UTF-8."""
        return self._check_text(self._get(key), f'"{key}"', most, least)

    def texts(self, key: str, most: int, length: int) -> tuple[str, ...]:
        """Give an array of at most `most` strings, of at most `length` bytes each."""
        return tuple(self._check_text(value, f'what "{key}" lists', length, 1) for value in self._array(key, most))

    def integers(self, key: str, most: int) -> tuple[int, ...]:
        """Give an array of at most `most` integers, none of them negative."""
        values = self._array(key, most)
        if not all(type(value) is int and 0 <= value <= MAX_INTEGER for value in values):
            raise self._fault(f'what "{key}" lists isn\'t all integers from 0 to {MAX_INTEGER}')
        return tuple(values)

    def inner(self, key: str) -> "Keys":
        """Give the keys of an object inside."""
        value = self._get(key)
        if not isinstance(value, Mapping):
            raise self._fault(f'"{key}" isn\'t an object')
        return Keys(value, self._fault)

    def word(self, key: str, words: Mapping[str, T]) -> T:
        """Give what `words` has for the string there."""
        value = self._get(key)
        if not isinstance(value, str) or value not in words:
            raise self._fault(f'"{key}" isn\'t one of: {", ".join(words)}')
        return words[value]

    def etag(self, key: str) -> str:
        """Give an etag."""
        return self.text(key, MAX_ETAG, 1)

    def digest(self, key: str) -> str:
        """Give a digest of a known algorithm, `BadRequestError` if it isn't one."""
        return parse_digest(self._get(key))

    def name(self, key: str) -> Name:
        """Give a name, `BadNameError` for a string that isn't one."""
        value = self._get(key)
        if not isinstance(value, str):
            raise self._fault(f'"{key}" isn\'t a string')
        return parse_name(value)

    def component(self, key: str) -> str:
        """Give a name of exactly one component, `BadNameError` for what can't be in a name at all."""
        text = self.text(key, MAX_COMPONENT, 1)
        if "/" in text:
            raise self._fault(f'"{key}" is more than one component of a name')
        parse_name(text)
        return text

    def mtime(self, key: str, earliest: int, latest: int) -> int:
        """Give a time as nanoseconds since 1970; it is written as two integers, seconds and nanoseconds."""
        match self._get(key):
            case [int(seconds), int(rest)] if type(seconds) is type(rest) is int:
                if earliest <= seconds <= latest and 0 <= rest < BILLION:
                    return seconds * BILLION + rest
        raise self._fault(
            f'"{key}" isn\'t [seconds, nanoseconds]: two integers, {earliest} to {latest} and 0 to {BILLION - 1}'
        )

    def _get(self, key: str) -> Any:
        if key not in self._header:
            raise self._fault(f'"{key}" is missing')
        return self._header[key]

    def _array(self, key: str, most: int) -> list[Any]:
        value = self._get(key)
        if not isinstance(value, list) or len(value) > most:
            raise self._fault(f'"{key}" isn\'t an array of at most {most}')
        return value

    def _check_text(self, value: object, shown: str, most: int, least: int) -> str:
        sentence = f"{shown} isn't a string of {least} to {most} bytes"
        if not isinstance(value, str) or len(value) > most:
            raise self._fault(sentence)
        try:
            length = len(value.encode())
        except UnicodeEncodeError:
            raise self._fault(f"{shown} has half of a surrogate pair") from None
        if not least <= length <= most:
            raise self._fault(sentence)
        return value


def split_mtime(mtime_ns: int) -> list[int]:
    """Write a time as `Keys.mtime` reads it."""
    return [*divmod(mtime_ns, BILLION)]
