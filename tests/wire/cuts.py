"""Bytes, cut anywhere: what a network does to them."""

from itertools import pairwise

from hypothesis import strategies


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Give `data` in pieces, cut at `places`, each taken modulo its length."""
    stops = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:stop] for start, stop in pairwise(stops)]


#: Places to cut at, for `cut`.
PLACES = strategies.lists(strategies.integers(0, 10**6), max_size=12)
