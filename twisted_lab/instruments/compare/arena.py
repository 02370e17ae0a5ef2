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

from twisted.internet.defer import TimeoutError as DeferredTimeoutError
from twisted.internet.utils import getProcessOutputAndValue

from twisted_lab.instruments.compare.comparison import Sample
from twisted_lab.instruments.compare.contestants import Contestant
from twisted_lab.instruments.compare.server_process import ServerFailedError, ServerProcess
from twisted_lab.instruments.load import cores
from twisted_lab.instruments.load.crew import HEAD_START, Crew, WorkerFailedError
from twisted_lab.instruments.load.measurement import Measurement
from twisted_lab.instruments.load.plan import Plan
from twisted_lab.instruments.usage import Usage, are_shown, processes_of

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
        looks: list[Usage] = []

        def look() -> None:
            if are_shown():
                looks.append(Usage.of(server.pid))

        try:
            await server.start()
            look()
            crew = self._crew(contestant, connections, server)
            # Not while it is measured: to look at hundreds of processes takes a third of a second.
            crew.ready = crew.over = look
            measurement = await crew.run()
        except (ServerFailedError, WorkerFailedError) as error:
            return replace(sample, failure=str(error))
        finally:
            await server.stop()
        if measurement.failure is not None:
            return replace(sample, failure=measurement.failure)
        return replace(
            sample,
            numbers=_numbers(measurement, looks, connections),
            bottleneck=measurement.bottleneck or "",
            unanswered=measurement.unanswered,
            starved=measurement.starved,
        )

    async def count_syscalls(self, contestant: Contestant, connections: int) -> float | None:
        """Give the system calls of a message, if perf(1) is there and may count them."""
        perf = shutil.which("perf")
        if perf is None or not are_shown():
            return None
        server = ServerProcess(self._reactor, contestant.command, self._cores)
        counted: list[Any] = []
        calls: list[Any] = []

        def count_soon() -> None:
            calls.append(self._reactor.callLater(HEAD_START + self._plan.warmup, count))

        def count() -> None:
            pids = ",".join(map(str, processes_of(server.pid)))
            words = ("stat", "-x", ",", "-e", SYSCALLS, "-p", pids, "--", "sleep", str(COUNTING))
            counted.append(getProcessOutputAndValue(perf, words, env=os.environ, reactor=self._reactor))

        try:
            await server.start()
            crew = self._crew(contestant, connections, server, duration=2 * COUNTING)
            crew.ready = count_soon
            measurement = await crew.run()
            _, said, _ = await counted[0].addTimeout(10 * COUNTING, self._reactor)
        except (ServerFailedError, WorkerFailedError, IndexError, DeferredTimeoutError):
            return None
        finally:
            for call in calls:
                if call.active():
                    call.cancel()
            await server.stop()
        first = said.decode(errors="replace").splitlines()[:1]
        number = first[0].partition(",")[0] if first else ""
        counts = number.isdecimal() and int(number) and measurement.rate  # none at all: perf sees other processes
        return int(number) / (measurement.rate * COUNTING) if counts else None

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


def _numbers(measurement: Measurement, looks: Sequence[Usage], connections: int) -> dict[str, float]:
    which = "service" if measurement.plan.rate is None else "latency"
    numbers = {"rate": measurement.rate}
    # Else these would be those of the clients that were served, or of nothing.
    if not measurement.starved and measurement.summaries[which]["count"]:
        numbers |= {f"p{percent:g}": measurement.percentile(which, percent) for percent in (50.0, 99.0, 99.9)}
    if len(looks) < 3:  # what /proc shows are others' processes
        return numbers
    idle, before, after = looks
    if measurement.answers:
        numbers["cpu"] = (after.cpu - before.cpu) / measurement.answers
        numbers["switches"] = (after.switches - before.switches) / measurement.answers
    numbers["memory"] = after.memory
    numbers["memory_per_connection"] = (after.memory - idle.memory) / connections
    numbers["threads"] = after.threads
    numbers["processes"] = after.processes
    return numbers
