"""
One client that holds its connection, and others that come meanwhile: who waits for whom.

The first client asks, is answered, and stays until the others have asked and have their answers. Where they won't have
them before it leaves, it stays for `patience` seconds after they have asked, and `TIMES` as long as it has waited
itself. So what is seen doesn't hang on how slow the machine is, nor on when it stands still.
"""

import time
from dataclasses import dataclass
from threading import Event, Thread

from twisted_lab.experiments.client import PREFIX, connect, receive
from twisted_lab.experiments.errors import CannotRunError
from twisted_lab.experiments.experiment import Claim, Picture, times
from twisted_lab.experiments.patience import DEADLINE
from twisted_lab.experiments.server import Server
from twisted_lab.experiments.timeline import CONNECTED, WAITING, Row, draw_svg, draw_text

#: Seconds that the first client stays at least, so that there is something to be seen in the pictures.
STAY = 0.4
#: Seconds after which the first leaves though the others have no answers, where they aren't to have any.
BRIEF = 0.2
#: How many times as long as it has waited itself it lets them wait at least, and what that is held to.
TIMES, AT_LEAST = 6, 5


@dataclass(frozen=True)
class Visit:
    """What became of a client, in seconds: when it was connected and asked, was answered, and left."""

    asked: float
    answered: float
    left: float

    @property
    def wait(self) -> float:
        """How long it waited for its answer."""
        return self.answered - self.asked


class Visits:
    """The first client's visit, and those of the others, in the order in which they came."""

    def __init__(self, server: Server, others: int = 2, patience: float = DEADLINE) -> None:
        self._server = server
        self._began = time.monotonic()
        self._visits: dict[int, Visit] = {}
        self._asked = [Event() for _ in range(others + 1)]
        self._answered = [Event() for _ in range(others + 1)]
        threads = [Thread(target=self._visit, args=(number, patience), daemon=True) for number in range(others + 1)]
        for number, thread in enumerate(threads):
            thread.start()
            if number == 0:
                self._answered[0].wait(DEADLINE)
            time.sleep(0.03)  # so that the pictures show who came when
        for thread in threads:
            thread.join(TIMES * DEADLINE)
        if len(self._visits) <= others:
            raise CannotRunError("a client got no answer, or a wrong one")
        self.first, *self.others = (self._visits[number] for number in range(others + 1))

    @property
    def are_side_by_side(self) -> bool:
        """Whether all of the others had their answers while the first was connected."""
        return all(other.answered < self.first.left for other in self.others)

    def draw(self, name: str, title: str) -> Picture:
        """Draw the timeline."""
        rows = []
        for number, visit in enumerate([self.first, *self.others], 1):
            row = Row(f"client {number}", answers=[visit.answered])
            row.spans = [(visit.asked, visit.answered, WAITING), (visit.answered, visit.left, CONNECTED)]
            rows.append(row)
        return Picture(name, title, draw_text(rows), draw_svg(rows, title))

    def _visit(self, number: int, patience: float) -> None:
        try:
            with connect(self._server.address) as connection:
                asked = self._now()
                connection.sendall(b"hello")
                self._asked[number].set()
                if receive(connection, len(PREFIX) + 5) != PREFIX + b"hello":
                    return
                answered = self._now()
                self._answered[number].set()
                if number == 0:
                    self._stay(answered - asked, patience)
                left = self._now()
            self._visits[number] = Visit(asked, answered, left)
        except OSError:
            return  # it is missed

    def _stay(self, waited: float, patience: float) -> None:
        time.sleep(STAY)
        for asked in self._asked:
            asked.wait(DEADLINE)
        leave_by = time.monotonic() + max(patience, TIMES * waited)
        for answered in self._answered:
            answered.wait(max(0.0, leave_by - time.monotonic()))

    def _now(self) -> float:
        return time.monotonic() - self._began


def side_by_side(visits: Visits) -> Claim:
    """Say whether nobody waited for the first client to leave."""
    waits = max(other.wait for other in visits.others)
    return Claim(
        "the other clients have their answers while the first is still connected",
        f"the slowest waited {waits * 1000:.1f} ms; the first left {visits.first.left * 1000:.0f} ms after it came",
        visits.are_side_by_side,
    )


def one_after_another(visits: Visits) -> Claim:
    """Say whether somebody who came second waited for the first to leave."""
    second = visits.others[0]
    ratio = times(second.wait, visits.first.wait)
    return Claim(
        f"the second client waits at least {AT_LEAST} times as long for its answer as the first did",
        f"{second.wait * 1000:.0f} ms against {visits.first.wait * 1000:.1f} ms: {ratio:.0f} times as long",
        ratio >= AT_LEAST,
    )
