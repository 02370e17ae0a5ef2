"""What a word on the command line, or a test, means: a subject, by name, by ``module:attribute``, or by address."""

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from inspect import Parameter, signature
from typing import Any

from twisted.internet.interfaces import IProtocol
from twisted.internet.task import Clock

from twisted_lab import specimen
from twisted_lab.instruments.conform import framing as framings
from twisted_lab.instruments.conform.framing import Framing
from twisted_lab.instruments.conform.memory_subject import MemorySubject
from twisted_lab.instruments.conform.network_subject import NetworkSubject
from twisted_lab.instruments.conform.peer import Subject
from twisted_lab.instruments.conform.receiver import ReceiverSubject, kind_of, quiet_factory
from twisted_lab.instruments.faults.toxic import from_text

_ADDRESS = re.compile(r"(\[[^\]]+\]|[^:\[\]]+):(\d{1,5})")
#: What a bare stream is asked to find out its prefix.
_PROBE = b"\x00\xffPROBE"


@dataclass(frozen=True)
class Target:
    """
    What is examined: `subject` makes a new one, for one case, that speaks a framing, behind faults; `receiver` is the
    class itself, if it is one, `faults` what stands before it, and `limit` what was said of its longest request.
    """

    name: str
    framing: Framing
    subject: Callable[[Framing, Sequence[str]], AbstractContextManager[Subject]]
    in_memory: bool
    receiver: ReceiverSubject | None = None
    faults: Sequence[str] = ()
    limit: int | None = None

    def open(self, faults: Sequence[str] = ()) -> AbstractContextManager[Subject]:
        """Give a new subject, for one case, with more faults before it."""
        return self.subject(self.framing, (*self.faults, *faults))


def find(name: str, codec: str | None = None, faults: Sequence[str] = (), limit: int | None = None) -> Target:
    """
    Give the target called `name`; `LookupError` says what is wrong with it, with `codec`, or with `faults`.

    `limit`: the longest payload that it takes, in bytes, where that isn't what is usual with its codec. `OSError` if
    it can't be reached.
    """
    for fault in faults:
        try:
            from_text(fault)
        except ValueError as error:
            raise LookupError(f"{fault}: {error}") from error
    match = _ADDRESS.fullmatch(name)
    if match or name.startswith("unix:"):
        if faults:
            raise LookupError("over the network faults are twistd faultproxy's, between here and there")
        if codec is None:
            raise LookupError(f"what does {name} speak? Say so by a codec: int32, header, line, netstring, echo")
        address = (match[1].strip("[]"), int(match[2])) if match else name.removeprefix("unix:")
        spoken = _limited(framings.find(codec), limit)
        learned = _learn(name, spoken, lambda: NetworkSubject(address, spoken))
        return Target(name, learned, lambda framing, _: NetworkSubject(address, framing), in_memory=False, limit=limit)
    found = specimen.find(name) if ":" not in name else specimen.load_attribute(name)
    return of(found, codec, name, faults, limit)


def of(
    found: Any,
    codec: str | Framing | None = None,
    name: str = "",
    faults: Sequence[str] = (),
    limit: int | None = None,
) -> Target:
    """Give the target that is this, behind faults: a `Specimen`, a receiver class, a factory, or what makes one."""
    name = name or getattr(found, "__name__", type(found).__name__)
    kind = kind_of(found)
    if kind is not None and codec in {None, kind.framing.name}:
        receiver = ReceiverSubject(found, kind)

        def answering(framing: Framing, faults: Sequence[str]) -> MemorySubject:
            return MemorySubject(lambda _: receiver.factory(), framing, faults)

        spoken = _fit_for(faults, _limited(receiver.framing, limit))
        return Target(name, spoken, answering, True, receiver, faults, limit)
    decoder = None
    if isinstance(found, specimen.Specimen):
        decoder = found.codec
        codec = codec or ("stream" if found.codec is None else found.name)
        found = found.server
    if codec is None:
        raise LookupError(f"what does {name} speak? Say so by a codec: int32, header, line, netstring, echo")
    make = _maker(found, name)
    spoken = _limited(framings.find(codec) if isinstance(codec, str) else codec, limit)
    if decoder is not None:
        spoken = replace(spoken, codec=decoder)
    learned = _learn(name, _fit_for(faults, spoken), lambda: MemorySubject(make, spoken))
    return Target(
        name, learned, lambda framing, faults: MemorySubject(make, framing, faults), True, None, faults, limit
    )


def _fit_for(faults: Sequence[str], framing: Framing) -> Framing:
    for fault in faults:
        if framing.codec is None and from_text(fault).fault.needs_codec:
            raise LookupError(f"{fault} is a fault of messages, and there is no codec for those of {framing.name}")
    return framing


def _limited(framing: Framing, limit: int | None) -> Framing:
    if limit is None:
        return framing
    if framing.limit is None:
        raise LookupError(f"in the codec {framing.name} no request is too long")
    return framing.with_limit(limit)


def _maker(found: Any, name: str) -> Callable[[Clock], Any]:
    if not callable(found) and hasattr(found, "buildProtocol"):
        return lambda _: found
    if isinstance(found, type) and IProtocol.implementedBy(found):
        return lambda _: quiet_factory(found)
    try:
        needed = [each for each in signature(found).parameters.values() if each.default is Parameter.empty]
    except (TypeError, ValueError) as error:
        raise LookupError(f"{name} is no factory, and makes none: {error}") from error
    positional = [each for each in needed if each.kind in {Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD}]
    if len(positional) > 1:
        raise LookupError(f"{name} needs more to make a factory than a clock: {', '.join(map(str, positional))}")

    def make(clock: Clock) -> Any:
        try:
            made = found(clock) if positional else found()
        except (Exception, SystemExit) as error:
            raise LookupError(f"{name} makes no factory: {type(error).__name__}: {error}") from error
        if not hasattr(made, "buildProtocol"):
            raise LookupError(f"{name} is no factory, and makes none but a {type(made).__name__}")
        return made

    return make


def _learn(name: str, framing: Framing, connect: Callable[[], AbstractContextManager[Subject]]) -> Framing:
    """Give a bare stream's framing with its prefix, by asking once, and any other as it is; as `find` fails."""
    if framing.framed:
        return framing
    try:
        with connect() as subject:
            peer = subject.connect()
            peer.send(_PROBE)
            subject.wait(lambda: bytes(peer.received).endswith(_PROBE), 5)
            came = bytes(peer.received)
    except (LookupError, OSError):
        raise
    except Exception as error:
        raise LookupError(f"{name} serves no client: {type(error).__name__}: {error}") from error
    if not came.endswith(_PROBE):
        raise LookupError(f"{name} doesn't send back what it gets")
    return framings.stream(came.removesuffix(_PROBE))
