"""A client's put of many small files: in as few bundles as the server's limits allow."""

from collections import deque
from collections.abc import Iterator, Sequence

from twisted_lab.filexfer.client.conversation import Conversation
from twisted_lab.filexfer.conditions import Condition, Durability
from twisted_lab.filexfer.errors import BadRequestError, FilexferError
from twisted_lab.filexfer.messages.bundle import encode_small
from twisted_lab.filexfer.messages.replies import Limits, results_from
from twisted_lab.filexfer.messages.requests import Bundle
from twisted_lab.filexfer.names import join_name, show_name
from twisted_lab.filexfer.receipt import Receipt
from twisted_lab.filexfer.small_file import SmallFile
from twisted_lab.net.detached import Detached

#: Bytes of a bundle, at most, whatever the server would take; one file of it may be as large as a bundle.
MOST = 2**20
#: Bundles that may wait for their answer: while one is published, the next is sent.
UNDER_WAY = 2

Result = Receipt | FilexferError
#: Files, each with its place among all, that go together; and their bytes.
_Lot = tuple[list[tuple[int, SmallFile]], bytes]


async def put_small(
    conversation: Conversation,
    limits: Limits,
    files: Sequence[SmallFile],
    condition: Condition,
    durability: Durability,
) -> list[Result]:
    """Put `files`, and give what became of each, in their order; a lost connection is the error of those unanswered."""
    results: dict[int, Result] = {}
    under_way: deque[Detached[dict[int, Result]]] = deque()
    for numbered, content in _split(files, limits, results):
        if len(under_way) == UNDER_WAY:
            results |= await under_way.popleft().result()
        under_way.append(Detached(_put_lot(conversation, numbered, content, condition, durability)))
    for lot in under_way:
        results |= await lot.result()
    return [results[number] for number in range(len(files))]


def _split(files: Sequence[SmallFile], limits: Limits, refused: dict[int, Result]) -> Iterator[_Lot]:
    """Give what goes in one bundle each; files that can't be in any are entered in `refused`."""
    lot: list[tuple[int, SmallFile]] = []
    content = bytearray()
    most = min(MOST, limits.bundle_bytes)
    for number, file in enumerate(files):
        try:
            encoded = encode_small(file)
        except FilexferError as error:
            refused[number] = error
            continue
        if len(file.content) > limits.bundle_file or len(encoded) > limits.bundle_bytes:
            shown = show_name(join_name(file.name))
            refused[number] = BadRequestError(f"{shown}: it is too large for a bundle, put it by itself")
            continue
        if lot and (len(content) + len(encoded) > most or len(lot) == limits.bundle_files):
            yield lot, bytes(content)
            lot, content = [], bytearray()
        lot.append((number, file))
        content += encoded
    if lot:
        yield lot, bytes(content)


async def _put_lot(
    conversation: Conversation,
    numbered: list[tuple[int, SmallFile]],
    content: bytes,
    condition: Condition,
    durability: Durability,
) -> dict[int, Result]:
    try:
        _, answer = await conversation.ask(Bundle(len(content), condition, durability), content)
    except FilexferError as error:
        return dict.fromkeys([number for number, _ in numbered], error)
    found = conversation.read_reply(results_from, answer, [join_name(file.name) for _, file in numbered])
    for (_, file), result in zip(numbered, found, strict=True):
        if isinstance(result, Receipt) and (result.digest, result.size) != (file.digest, len(file.content)):
            raise conversation.violated("wrong-receipt", "a receipt is for another file than was put")
    return {number: result for (number, _), result in zip(numbered, found, strict=True)}
