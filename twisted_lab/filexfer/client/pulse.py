"""
Whether the server is still there: it is known by its silence.

A server gives a sign of life while it works, and answers when it is asked. So when we have had nothing to say for a
while we say something that makes it speak; and in a put, where no other message may come, something that keeps it from
giving up on us.
"""

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

#: Seconds: what is assumed of a server that lets connections idle for ever, which is also the longest that is waited
#: for one unless the caller says otherwise; and what is added for its slowness.
USUAL_IDLE = 300.0
SLACK = 30.0
#: How often is looked while the shorter of the two times, a silence and an idle one, lasts; and seconds between looks.
LOOKS = 6
LEAST = 0.1


class Pulse:
    """
    Call `give_sign` when nothing was `sent` for a sixth of `idle_timeout`, or a little more; `give_up`, with why, when
    nothing was `heard` for `silence`, by default half a minute more than that timeout, 330 at most. Both in seconds.

    `owes_nothing` tells whether the server has every right to be silent.
    """

    def __init__(
        self,
        clock: IReactorTime,
        give_sign: Callable[[], object],
        give_up: Callable[[str], object],
        owes_nothing: Callable[[], bool],
    ) -> None:
        self._clock = clock
        self._give_sign = give_sign
        self._give_up = give_up
        self._owes_nothing = owes_nothing
        self._looking = LoopingCall(self._look)
        self._looking.clock = clock
        self.heard()
        self.sent()

    def start(self, idle_timeout: float, silence: float | None) -> None:
        """Begin to look; an `idle_timeout` of 0 is a server that never gives up."""
        idle = idle_timeout or USUAL_IDLE
        # However long a server lets us be silent: it doesn't say how long we wait for it.
        self._silence = min(idle, USUAL_IDLE) + SLACK if silence is None else silence
        self._interval = max(LEAST, min(idle, self._silence) / LOOKS)
        self.heard()
        self._looking.start(self._interval, now=False)

    def stop(self) -> None:
        """Look no more."""
        if self._looking.running:
            self._looking.stop()

    def heard(self) -> None:
        """Take notice of a sign of life of the server's."""
        self._heard_at = self._clock.seconds()

    def sent(self) -> None:
        """Take notice of one of ours."""
        self._sent_at = self._clock.seconds()

    def _look(self) -> None:
        now = self._clock.seconds()
        if self._owes_nothing():
            self.heard()
        if now - self._heard_at >= self._silence:
            self._give_up(f"nothing was heard from the server for {self._silence:g} s")
        elif now - self._sent_at >= self._interval:
            self._give_sign()
