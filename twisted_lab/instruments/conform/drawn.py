"""
F5: drawn conversations. Hypothesis draws requests, where they are cut, and when the client stops reading, and makes
what fails as small as it can. Needs the extra ``conform``.
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

#: Conversations that are drawn: in memory, and over the network.
EXAMPLES, EXAMPLES_FAR = 100, 8
STOP, GO = "stop reading", "read on"


@dataclass(frozen=True)
class Conversation:
    """Requests, by the numbers of their payloads, and steps: how many bytes to send next, STOP or GO."""

    requests: Sequence[int]
    steps: Sequence[int | str]


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
    @given(st.lists(st.integers(0, count - 1), min_size=1, max_size=6), st.lists(pieces, max_size=12))
    def holds(requests: list[int], steps: list[int | str]) -> None:
        conversation = Conversation(requests, steps)
        with target.open() as subject:
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


@case("F5", "drawn conversations: requests, cuts, pauses in reading", "the same replies", "replies", "hypothesis")
def drawn(target: Target, seed: int = 0, save: Path | None = None) -> Finding:
    """Draw them."""
    found = search(target, seed)
    if found is None:
        return passed()
    conversation, why = found
    steps = f"requests {[*conversation.requests]}, steps {[*conversation.steps]}"
    kept = f"; kept in {save / 'test_conform_f5.py'}" if save is not None else ""
    if save is not None:
        (save / "test_conform_f5.py").write_text(test_of(target, conversation, why))
    return Finding(Verdict.FAIL, detail=f"{why}; the smallest that fails: {steps}{kept}")


def test_of(target: Target, conversation: Conversation, why: str) -> str:
    """Give a file of pytest's that fails as long as the conversation does."""
    arguments: list[Any] = [target.name, target.framing.name, [*conversation.requests], [*conversation.steps]]
    return f'''"""A conversation that failed, kept by twisted-lab conform."""

from twisted_lab.testing import replay


def test_the_conversation() -> None:
    """It said: {why.replace('"', "'")}."""
    replay({", ".join(map(repr, arguments))})
'''
