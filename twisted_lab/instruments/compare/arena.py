"""
One run of a comparison: a server is started, put under load, looked at meanwhile, and ended.

Server and load run on cores of their own. Left to the scheduler they would now share one and now not, and a message
takes several times as long if another core has to be woken for it.
"""

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.utils import getProcessOutputAndValue

from twisted_lab.instruments.compare.comparison import Sample
from twisted_lab.instruments.compare.contestants import Contestant
from twisted_lab.instruments.compare.server_process import ServerFailedError, ServerProcess
from twisted_lab.instruments.compare.usage import Usage, processes_of
from twisted_lab.instruments.load import cores
from twisted_lab.instruments.load.crew import Crew, WorkerFailedError
from twisted_lab.instruments.load.measurement import Measurement
from twisted_lab.instruments.load.plan import Plan

#: Seconds for which system calls are counted, in a run of their own: counting makes each of them slower.
COUNTING = 0.3
SYSCALLS = "raw_syscalls:sys_enter"


class Arena:
    """Where contestants run; `words` is the command of a load's worker, `plan` what each of them is put under."""

    def __init__(self, reactor: Any, words: Sequence[str], plan: Plan) -> None:
        self._reactor = reactor
        self._words = words
        self._plan = plan
        self._cores, self._load_cores = cores.share(plan.workers)

    async def measure(self, contestant: Contestant, connections: int, number: int) -> Sample:
        """Run a round of a contestant."""
        sample = Sample(contestant.name, connections, number)
        server = ServerProcess(self._reactor, contestant.command, self._cores)
        looks: list[tuple[float, Usage]] = []

        def look() -> None:
            looks.append((time.monotonic(), Usage.of(server.pid)))

        try:
            await server.start()
            look()
            crew = self._crew(contestant, connections, server)
            crew.began = crew.ending = look
            measurement = await crew.run()
        except (ServerFailedError, WorkerFailedError) as error:
            return replace(sample, failure=str(error))
        finally:
            await server.stop()
        if measurement.failure is not None:
            return replace(sample, failure=measurement.failure)
        numbers = _numbers(measurement, looks, connections)
        return replace(
            sample, numbers=numbers, bottleneck=measurement.bottleneck or "", unanswered=measurement.unanswered
        )

    async def count_syscalls(self, contestant: Contestant, connections: int) -> float | None:
        """Give the system calls of a message, if perf(1) is there and may count them."""
        perf = shutil.which("perf")
        if perf is None:
            return None
        server = ServerProcess(self._reactor, contestant.command, self._cores)
        counted: list[Any] = []

        def count() -> None:
            pids = ",".join(map(str, processes_of(server.pid)))
            words = ("stat", "-x", ",", "-e", SYSCALLS, "-p", pids, "--", "sleep", str(COUNTING))
            counted.append(getProcessOutputAndValue(perf, words, env=os.environ, reactor=self._reactor))

        try:
            await server.start()
            crew = self._crew(contestant, connections, server, duration=2 * COUNTING)
            crew.began = count
            measurement = await crew.run()
            _, said, _ = await counted[0]
        except (ServerFailedError, WorkerFailedError, IndexError):
            return None
        finally:
            await server.stop()
        first = said.decode(errors="replace").splitlines()[:1]
        number = first[0].partition(",")[0] if first else ""
        return int(number) / (measurement.rate * COUNTING) if number.isdecimal() and measurement.rate else None

    def _crew(
        self, contestant: Contestant, connections: int, server: ServerProcess, duration: float | None = None
    ) -> Crew:
        plan = replace(
            self._plan,
            specimen=contestant.specimen,
            target=server.address,
            connections=connections,
            workers=min(self._plan.workers, connections),
            duration=duration or self._plan.duration,
        )
        crew = Crew(self._reactor, self._words, plan, time.monotonic)
        crew.cores = self._load_cores
        return crew


def _numbers(measurement: Measurement, looks: Sequence[tuple[float, Usage]], connections: int) -> dict[str, float]:
    which = "service" if measurement.plan.rate is None else "latency"
    numbers = {
        "rate": measurement.rate,
        "p50": measurement.percentile(which, 50),
        "p99": measurement.percentile(which, 99),
        "p99.9": measurement.percentile(which, 99.9),
    }
    if len(looks) < 3:
        return numbers
    (_, idle), (began, before), (ended, after) = looks
    messages = measurement.rate * (ended - began)
    if messages:
        numbers["cpu"] = (after.cpu - before.cpu) / messages
        numbers["switches"] = (after.switches - before.switches) / messages
    numbers["memory"] = after.memory
    numbers["memory_per_connection"] = (after.memory - idle.memory) / connections
    numbers["threads"] = after.threads
    numbers["processes"] = after.processes
    return numbers
