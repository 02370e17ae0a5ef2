"""Waiting for several things at once."""

from collections.abc import Sequence
from typing import TypeVar

from twisted.internet.defer import Deferred, FirstError, gatherResults

Product = TypeVar("Product")


async def wait_for_all(waiting: "Sequence[Deferred[Product]]") -> list[Product]:
    """Give all results, in order; as soon as one fails, raise what it failed with."""
    try:
        return await gatherResults(waiting, consumeErrors=True)
    except FirstError as error:
        error.subFailure.raiseException()
        raise
