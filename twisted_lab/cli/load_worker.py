"""One process of ``twisted-lab load``: lines on standard input tell it what to do, its own say what it measured."""

import json
import os
import sys
from contextlib import suppress
from typing import Any, NoReturn

from twisted.internet.defer import DeferredQueue
from twisted.internet.error import ReactorNotRunning
from twisted.protocols.basic import LineOnlyReceiver


def main() -> NoReturn:
    """Read the plan, run the load, and exit."""
    # A client of the user's own may print: what we report has a descriptor that nobody else knows.
    report = os.dup(1)
    os.dup2(2, 1)
    told = json.loads(sys.stdin.readline())
    from twisted_lab.instruments.load.plan import Plan

    plan = Plan(**told["plan"])
    if plan.reactor != "default":
        from twisted.application.reactors import installReactor

        try:
            installReactor(plan.reactor)
        except Exception as error:  # noqa: BLE001  # whatever it takes that isn't here
            sys.stderr.write(f"twisted-lab: the reactor {plan.reactor} can't be had here: {error}\n")
            sys.exit(os.EX_USAGE)
    from twisted_lab.cli.entry import run_command
    from twisted_lab.cli.session import run_in_reactor

    run_command("twisted-lab", lambda: run_in_reactor(lambda reactor: _work(reactor, plan, told["worker"], report)))


class _Orders(LineOnlyReceiver):
    """What the first process says, a line at a time. If it is gone, so are we."""

    delimiter = b"\n"

    def __init__(self, reactor: Any) -> None:
        self.lines: DeferredQueue[bytes] = DeferredQueue()
        self._reactor = reactor

    def lineReceived(self, line: bytes) -> None:
        """Take it."""
        self.lines.put(line)

    def connectionLost(self, reason: Any = None) -> None:
        """End, unless a client of the user's own has stopped the reactor."""
        with suppress(ReactorNotRunning):
            self._reactor.stop()


async def _work(reactor: Any, plan: Any, worker: int, report: int) -> int:
    from twisted.internet.defer import ensureDeferred
    from twisted.internet.stdio import StandardIO
    from twisted.python.failure import Failure

    from twisted_lab.cli.session import UnreachableError, connect_or_raise, stop
    from twisted_lab.instruments.load import drivers
    from twisted_lab.instruments.load.connecting import Connector
    from twisted_lab.instruments.load.generator import Load, LoadFailedError

    def say(what: dict[str, Any]) -> None:
        os.write(report, json.dumps(what).encode() + b"\n")

    def too_late(_: Any, seconds: float) -> Failure:
        sentence = f"can't connect to {plan.target}: it took more than {seconds:g} s"
        return Failure(UnreachableError(os.EX_UNAVAILABLE, sentence))

    async def open_one(factory: Any) -> Any:
        within = plan.connect_timeout
        # Twice: it is ours that comes first, and says so.
        connecting = ensureDeferred(connect_or_raise(reactor, plan.target, driver.default_port, factory, 2 * within))
        return await connecting.addTimeout(within, reactor, too_late)

    # From here on, for the first process may be gone before all connections are there.
    orders = _Orders(reactor)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    StandardIO(orders, stdout=nowhere, reactor=reactor)  # type: ignore[call-arg]  # mypy reads Windows's
    try:
        driver = drivers.find(plan.specimen)
        connector = Connector(reactor, plan, driver, open_one)
        prefix = await connector.find_prefix() if driver.exchange is None else b""
        content = drivers.content_for(plan, prefix)
        load = Load(reactor, plan, content, lambda interval: say({"interval": interval.as_json()}))
        lanes = await connector.open_lanes(load, worker, prefix)
    except LookupError as error:
        stop(os.EX_USAGE, str(error))
    except UnreachableError as error:
        stop(error.status, str(error))
    say({"ready": True})
    try:
        answers = await load.run(lanes, json.loads(await orders.lines.get())["start"])
    except LoadFailedError as error:
        say({"failed": str(error)})
        return os.EX_OK
    say({"over": answers})
    await orders.lines.get()
    load.close()
    return os.EX_OK
