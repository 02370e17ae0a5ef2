"""One process of ``twisted-lab load``: lines on standard input tell it what to do, its own say what it measured."""

import json
import os
import sys
from typing import Any, NoReturn

from twisted.internet.defer import Deferred
from twisted.protocols.basic import LineOnlyReceiver


def main() -> NoReturn:
    """Read the plan, run the load, and exit."""
    told = json.loads(sys.stdin.readline())
    from twisted_lab.instruments.load.plan import Plan

    plan = Plan(**told["plan"])
    if plan.reactor != "default":
        from twisted.application.reactors import installReactor

        installReactor(plan.reactor)
    from twisted_lab.cli.entry import run_command
    from twisted_lab.cli.session import run_in_reactor

    run_command("twisted-lab", lambda: run_in_reactor(lambda reactor: _work(reactor, plan, told["worker"])))


class _Orders(LineOnlyReceiver):
    """What the first process says: one line, when to begin. If it is gone, so are we."""

    delimiter = b"\n"

    def __init__(self, reactor: Any) -> None:
        self.line: Deferred[bytes] = Deferred()
        self._reactor = reactor

    def lineReceived(self, line: bytes) -> None:
        """Take it."""
        self.line.callback(line)

    def connectionLost(self, reason: Any = None) -> None:
        """End."""
        self._reactor.stop()


async def _work(reactor: Any, plan: Any, worker: int) -> int:
    from twisted.internet.stdio import StandardIO

    from twisted_lab.cli.session import connect, stop
    from twisted_lab.instruments.load import drivers
    from twisted_lab.instruments.load.connecting import Connector
    from twisted_lab.instruments.load.generator import Load, LoadFailedError

    def say(what: dict[str, Any]) -> None:
        os.write(1, json.dumps(what).encode() + b"\n")

    async def open_one(factory: Any) -> Any:
        return await connect(reactor, plan.target, driver.default_port, factory)

    try:
        driver = drivers.find(plan.specimen)
        connector = Connector(reactor, plan, driver, open_one)
        prefix = await connector.find_prefix() if driver.exchange is None else b""
        content = drivers.content_for(plan, prefix)
    except LookupError as error:
        stop(os.EX_USAGE, str(error))
    load = Load(reactor, plan, content, lambda interval: say({"interval": interval.as_json()}))
    lanes = await connector.open_lanes(load, worker, prefix)
    orders = _Orders(reactor)
    nowhere = os.open(os.devnull, os.O_WRONLY)  # standard output stays as it is: a pipe that is written when it takes
    StandardIO(orders, stdout=nowhere, reactor=reactor)  # type: ignore[call-arg]  # mypy reads Windows's
    say({"ready": True})
    try:
        await load.run(lanes, json.loads(await orders.line)["start"])
    except LoadFailedError as error:
        say({"failed": str(error)})
    return os.EX_OK
