"""The cases as tests, for whoever has a server to test: with pytest, trial or unittest."""

import sys
from collections.abc import Sequence
from typing import Any, ClassVar

from twisted_lab.instruments.conform import targets
from twisted_lab.instruments.conform.case import Case
from twisted_lab.instruments.conform.drawn import Conversation, hold
from twisted_lab.instruments.conform.examination import cases, examine
from twisted_lab.instruments.conform.framing import Framing
from twisted_lab.instruments.conform.learning import learn
from twisted_lab.instruments.conform.verdict import BrokenRuleError, Verdict


class Conformance:
    """
    A test for each case; mix it into a ``TestCase``, or with pytest just subclass it, and say what is tested::

        class MyServerTests(Conformance, SynchronousTestCase):
            server = staticmethod(MyFactory)
            codec = "int32"

    `server`: a factory, what makes one (without arguments, or of a clock), a `Specimen`, or a receiver class; `codec`:
    the name of what it speaks, or a `Framing`; None where the server says that itself; `faults`: what stands between it
    and its clients, each as ``twistd faultproxy --fault`` has it; `limit`: the longest request that it takes, in bytes,
    where that isn't what is usual with its codec. With `strict`, as it is unless told otherwise, what
    is non-strict fails. A case that doesn't apply passes. `known`: ids of cases that fail, and why that is as it should
    be; they fail the test if they pass.
    """

    server: Any
    codec: str | Framing | None = None
    faults: Sequence[str] = ()
    limit: int | None = None
    strict = True
    seed = 0
    known: ClassVar[dict[str, str]] = {}

    def _examine(self, case: Case) -> None:
        target = targets.of(self.server, self.codec, faults=self.faults, limit=self.limit)
        results = [*examine(target, [case], self.seed)]
        if not results:
            return  # it doesn't apply
        finding = results[0].finding
        allowed = {Verdict.PASS} if self.strict else {Verdict.PASS, Verdict.NON_STRICT}
        if case.id in self.known:
            if finding.verdict in allowed:
                raise AssertionError(f"{case.id} passes, though it is known that {self.known[case.id]}")
        elif finding.verdict not in allowed:
            raise AssertionError(f"{case.id}, {case.title}: {finding.detail}; expected: {case.expects}")


def _add(case: Case) -> None:
    def test(self: Conformance) -> None:
        self._examine(case)

    test.__doc__ = f"{case.id}: {case.title}; {case.expects}."
    setattr(Conformance, f"test_{case.id}", test)


for _each in cases():
    _add(_each)


def replay(  # noqa: PLR0913  # as twisted-lab conform --save writes it
    target: str,
    codec: str,
    requests: Sequence[int],
    steps: Sequence[int | str],
    faults: Sequence[str] = (),
    *,
    limit: int | None = None,
) -> None:
    """Hold a conversation that ``twisted-lab conform --save`` has kept; `AssertionError` if it fails still."""
    sys.path.insert(0, "")  # the target was found here, and that is where it is to be found again
    with learn(targets.find(target, None if ":" not in target else codec, faults, limit)).open() as subject:
        try:
            hold(subject, Conversation(requests, steps))
        except BrokenRuleError as error:
            raise AssertionError(f"{target}: {error}") from error
