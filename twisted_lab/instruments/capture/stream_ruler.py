"""The boundary ruler of a capture: for each direction of a connection, its reads against its messages."""

from collections.abc import Iterator, Mapping

from twisted_lab.instruments import ruler
from twisted_lab.instruments.capture.messages import Broken, Message
from twisted_lab.instruments.capture.streams import Connection, Happening, Opened, Read
from twisted_lab.instruments.directions import DOWNSTREAM, UPSTREAM

#: Pieces of a line, and rulers of a picture or a listing, at most: nobody sees more.
MAX_PIECES = 4096
MAX_RULERS = 64
_NAMES = {UPSTREAM: "from client to server", DOWNSTREAM: "from server to client"}


class StreamRuler:
    """The rulers, of the first `limit` bytes of each direction, or of all; they are there when all has come."""

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._cuts: dict[tuple[Connection, str], dict[str, list[int]]] = {}
        self._left_out = 0

    def take(self, happening: Happening) -> Iterator[str]:
        """Gather."""
        match happening:
            case Opened(connection=connection):
                if len(self._cuts) < MAX_RULERS:
                    self._cuts |= {(connection, stream): {"messages": [], "reads": []} for stream in _NAMES}
                else:
                    self._left_out += 1
            case Read(stream=stream, data=data) if cuts := self._cuts.get((happening.connection, stream)):
                if happening.continues and cuts["reads"]:
                    cuts["reads"][-1] += len(data)
                else:
                    _add(cuts["reads"], len(data))
            case Message(stream=stream, size=size) if cuts := self._cuts.get((happening.connection, stream)):
                _add(cuts["messages"], size)
            case Broken(stream=stream, size=size) if cuts := self._cuts.get((happening.connection, stream)):
                _add(cuts["messages"], size)
        return iter(())

    def finish(self) -> Iterator[str]:
        """Give all rulers."""
        for name, cuts in self._rulers().items():
            yield name
            yield ruler.draw_text(cuts)
            yield ""
        if self._left_out:
            yield f"and {self._left_out:,} connections more"

    def draw(self) -> str:
        """Draw them below one another."""
        return ruler.draw_rulers(self._rulers(), "Messages, and the reads they came in")

    def _rulers(self) -> Mapping[str, ruler.Cuts]:
        return {
            f"connection {connection.number}, {_NAMES[stream]}": {
                name: [*_first(lengths, self._limit)] for name, lengths in cuts.items()
            }
            for (connection, stream), cuts in self._cuts.items()
            if cuts["reads"]
        }


def _add(lengths: list[int], length: int) -> None:
    if len(lengths) < MAX_PIECES and length:
        lengths.append(length)


def _first(lengths: list[int], limit: int | None) -> Iterator[int]:
    """Give the pieces of the first `limit` bytes."""
    for length in lengths:
        if limit is not None and length >= limit:
            if limit:
                yield limit
            return
        yield length
        limit = None if limit is None else limit - length
