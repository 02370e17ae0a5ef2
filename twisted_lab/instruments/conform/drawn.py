"""
F5: drawn conversations. Hypothesis draws requests, where they are cut, when the client stops reading, and in memory
what a network does to it all; and makes what fails as small as it can. Needs the extra ``conform``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisted_lab.instruments.conform.case import baseline, case, expect, no_errors, passed, still_open, together
from twisted_lab.instruments.conform.framing import payloads
from twisted_lab.instruments.conform.peer import Subject
from twisted_lab.instruments.conform.targets import Target
from twisted_lab.instruments.conform.verdict import BrokenRuleError, Finding, Verdict
from twisted_lab.instruments.directions import STREAMS

#: Conversations that are drawn: in memory, and over the network.
EXAMPLES, EXAMPLES_FAR = 100, 8
STOP, GO = "stop reading", "read on"


@dataclass(frozen=True)
class Conversation:
    """
    Requests, by the numbers of their payloads, and steps: how many bytes to send next, STOP or GO.

    `faults`: what stands between, besides what the target has before it anyway.
    """

    requests: Sequence[int]
    steps: Sequence[int | str]
    faults: Sequence[str] = ()


def hold(subject: Subject, conversation: Conversation) -> None:
    """Hold a conversation; `BrokenRuleError` unless the replies are those that each request gets alone."""
    parts = baseline(subject)
    asked = payloads(subject.framing)
    data = b"".join(subject.framing.request(asked[number]) for number in conversation.requests)
    expected = together(subject, [parts[number] for number in conversation.requests])
    peer = subject.connect()
    position = 0
    for step in conversation.steps:
        if isinstance(step, int):
            peer.send(data[position : position + step])
            position += step
        else:
            (peer.stop_reading if step == STOP else peer.read_on)()
        subject.between()
    peer.send(data[position:])
    peer.read_on()
    expect(subject, peer, expected)
    still_open(peer)
    no_errors(subject)
    peer.close()


def search(target: Target, seed: int) -> tuple[Conversation, str] | None:
    """Give the smallest conversation that fails, and how; None if none that was drawn does."""
    from hypothesis import HealthCheck, Phase, given, settings  # noqa: PLC0415  # an extra
    from hypothesis import seed as seeded  # noqa: PLC0415
    from hypothesis import strategies as st  # noqa: PLC0415

    count = len(payloads(target.framing))
    failing: list[tuple[Conversation, str]] = []
    pieces = st.one_of(st.integers(1, 40), st.sampled_from([STOP, GO]))

    @seeded(seed)
    @settings(
        max_examples=EXAMPLES if target.in_memory else EXAMPLES_FAR,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=[*HealthCheck],
        print_blob=False,
        report_multiple_bugs=False,
    )
    @given(
        st.lists(st.integers(0, count - 1), min_size=1, max_size=6),
        st.lists(pieces, max_size=12),
        st.lists(_faults(), max_size=2, unique_by=_place) if target.in_memory and not target.faults else st.just([]),
    )
    def holds(requests: list[int], steps: list[int | str], faults: list[str]) -> None:
        conversation = Conversation(requests, steps, faults)
        with target.open(faults) as subject:
            try:
                hold(subject, conversation)
            except BrokenRuleError as error:
                failing.append((conversation, str(error)))
                raise

    try:
        holds()
    except BrokenRuleError:
        return failing[-1]  # what is raised in the end is the smallest
    return None


def _faults() -> Any:
    """Give what draws a fault that changes when bytes come and in what pieces, and nothing else."""
    from hypothesis import strategies as st  # noqa: PLC0415  # an extra

    of_a_stream = (
        st.builds("latency:latency={},jitter={}".format, st.integers(1, 200), st.integers(0, 100)),
        st.builds("slicer:average_size={},size_variation=1".format, st.integers(2, 60)),
        st.builds("bandwidth:rate={}".format, st.integers(10, 1000)),
        st.just("coalesce"),
    )
    return st.builds("{}:{}".format, st.one_of(*of_a_stream), st.sampled_from(STREAMS))


def _place(fault: str) -> tuple[str, str]:
    """Give its kind and its stream: a proxy has one at each place."""
    return fault.partition(":")[0], fault.rpartition(":")[2]


@case("F5", "drawn conversations: requests, cuts, pauses, faults", "the same replies", "replies", "hypothesis")
def drawn(target: Target, seed: int = 0, save: Path | None = None) -> Finding:
    """Draw them."""
    found = search(target, seed)
    if found is None:
        return passed()
    conversation, why = found
    steps = f"requests {[*conversation.requests]}, steps {[*conversation.steps]}"
    if conversation.faults:
        steps += f", faults {[*conversation.faults]}"
    kept = ""
    if save is not None:
        path = save / "test_conform_f5.py"
        try:
            path.write_text(test_of(target, conversation, why))
            kept = f"; kept in {path}"
        except OSError as error:
            kept = f"; it can't be kept in {path}: {error.strerror}"
    return Finding(Verdict.FAIL, detail=f"{why}; the smallest that fails: {steps}{kept}")


def test_of(target: Target, conversation: Conversation, why: str) -> str:
    """Give a file of pytest's that fails as long as the conversation does."""
    arguments: list[Any] = [target.name, target.framing.name, [*conversation.requests], [*conversation.steps]]
    if faults := [*target.faults, *conversation.faults]:
        arguments.append(faults)
    written = [*map(repr, arguments)]
    if target.limit is not None:
        written.append(f"limit={target.limit}")
    return f'''"""A conversation that failed, kept by twisted-lab conform."""

from twisted_lab.testing import replay


def test_the_conversation() -> None:
    """The replies are those that each request gets alone."""
    # It said: {ascii(why)[1:-1]}.
    replay({", ".join(written)})
'''
