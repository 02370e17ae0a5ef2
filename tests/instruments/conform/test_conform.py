"""Conformance: right servers pass, and each way to be wrong is found by the cases that are there for it."""

import re
import shutil
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock, LoopingCall
from twisted.logger import Logger, globalLogPublisher
from twisted.protocols.basic import Int32StringReceiver, LineReceiver, NetstringReceiver
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.instruments.conform.servers import WRONG, Right, RightFactory, plain, served
from tests.instruments.conform.servers import Echo as StockEcho
from twisted_lab.filexfer.modes import Mode
from twisted_lab.filexfer.server.accounts import Accounts
from twisted_lab.filexfer.server.factory import FilexferFactory
from twisted_lab.instruments.conform import framing as framings
from twisted_lab.instruments.conform import targets
from twisted_lab.instruments.conform.case import wait_while_it_comes
from twisted_lab.instruments.conform.drawn import search
from twisted_lab.instruments.conform.examination import Result, cases, examine
from twisted_lab.instruments.conform.framing import payloads
from twisted_lab.instruments.conform.junit import as_xml
from twisted_lab.instruments.conform.memory_subject import MemorySubject
from twisted_lab.instruments.conform.verdict import Finding, UnknownError, Verdict
from twisted_lab.net.int32 import Int32Receiver
from twisted_lab.specimen import ECHO, HEADER, Specimen
from twisted_lab.testing import Conformance, replay
from twisted_lab.wire.int32 import PREFIX


class EchoTests(Conformance, SynchronousTestCase):
    """``twistd -n echo``'s factory."""

    server = ECHO


class HeaderTests(Conformance, SynchronousTestCase):
    """``twistd -n header``'s factory."""

    server = HEADER


class FilexferTests(Conformance, SynchronousTestCase):
    """``twistd -n filexfer``'s factory, whose work is done at once."""

    codec = "filexfer"

    def setUp(self) -> None:
        """Serve an empty directory."""
        self.directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)

    def server(self, clock: Clock) -> FilexferFactory:
        """Make the factory."""
        accounts = Accounts(self.directory, maybeDeferred, anonymous=Mode.READ_WRITE)
        self.addCleanup(accounts.close)
        return FilexferFactory(clock, accounts, maybeDeferred)


class RightTests(Conformance, SynchronousTestCase):
    """A server of strings on our own parts."""

    server = staticmethod(RightFactory)
    codec = "int32"


class StockEchoTests(Conformance, SynchronousTestCase):
    """Twisted's example: what is wrong with it is known, and nothing else is."""

    server = staticmethod(plain(StockEcho))
    codec = "echo"
    known = {  # noqa: RUF012  # as documented
        "C2": "it loses what waits when the client shuts its side",
        "C3": "it loses what waits when the client shuts its side",
        "P1": "it buffers for a client that doesn't read",
    }


#: Faults that change when and in what pieces bytes come, and nothing else.
HARMLESS = (
    "latency:latency=100,jitter=50",
    "latency:latency=100:upstream",
    "bandwidth:rate=2000",
    "slicer:average_size=80,size_variation=79",
    "slicer:average_size=40,size_variation=39:upstream",
    "coalesce",
    "coalesce:upstream",
    "slow_close:delay=500",
)
#: Those that end or spoil a connection; of messages where there is a codec.
HARMFUL = (
    "timeout:timeout=100",
    "timeout",
    "reset_peer:timeout=100",
    "reset_peer:timeout=100:upstream",
    "limit_data:bytes=100",
    "limit_data:bytes=100:upstream",
    "half_close",
    "half_close:upstream",
    "corrupt:every=50",
    "corrupt:every=50:upstream",
    "hang",
    "hang:upstream",
    "slow_reader",
    "drop_message:probability=0.5:upstream",
    "duplicate_message:probability=0.5:upstream",
    "reorder_message:probability=0.5:upstream",
    "delay_message:delay=100:upstream",
)


#: Those that take longest behind a fault: megabytes in slices of five bytes, an hour in steps of a clock.
LONG = {"F3", "F5", "F7", "F10", "C3", "C5", "P2", "P3", "P4", "H2", "H3", "H4"}


@pytest.mark.parametrize("specimen", [ECHO, HEADER], ids=["echo", "header"])
@pytest.mark.parametrize("fault", HARMLESS)
def test_our_specimens_behind_faults(specimen: Specimen, fault: str) -> None:
    """What a network does all the time changes nothing: the cases pass, strictly."""
    target = targets.of(specimen, faults=[fault])
    chosen = [case for case in cases() if case.id not in LONG]
    wrong = [result for result in examine(target, chosen) if result.finding.verdict is not Verdict.PASS]
    assert wrong == []


@pytest.mark.parametrize("specimen", [ECHO, HEADER], ids=["echo", "header"])
@pytest.mark.parametrize("fault", HARMFUL)
def test_our_specimens_survive_faults(specimen: Specimen, fault: str) -> None:
    """What a broken network does ends a connection, or spoils it: no error is logged, and nothing is left of it."""
    if "message" in fault and specimen is ECHO:
        return  # a stream has none
    target = targets.of(specimen)
    with MemorySubject(specimen.server, target.framing, [fault]) as subject:
        for end in ("shut", "close", "reset"):
            peer = subject.connect()
            for payload in payloads(target.framing):
                peer.send(target.framing.request(payload))
                subject.settle()
            getattr(peer, end)()
            subject.wait(lambda: False, 5)
            peer.reset()
        subject.wait(lambda: False, 700)
        assert subject.errors == []
        assert subject.left_over() == []
        assert subject.losses == [1, 1, 1]


def failing(target: targets.Target, only: Sequence[str] = ()) -> set[str]:
    """Give the ids of the cases that fail."""
    return {result.case.id for result in examine(target, cases(only)) if result.finding.verdict is Verdict.FAIL}


class WrongTests(SynchronousTestCase):
    """Servers that are wrong."""

    def test_what_is_wrong_is_found(self) -> None:
        """By the cases that are there for it."""
        for name, (server, codec, expected) in WRONG.items():
            with self.subTest(name):
                found = failing(targets.of(server, codec), [*expected])
                self.assertEqual(found, expected)
                self.flushLoggedErrors()

    def test_what_a_server_raises_fails_a_case(self) -> None:
        """In the beginning of a connection or in its end, the kernel's errors too; others go on."""

        class Beginning(Int32Receiver):
            def connectionMade(self) -> None:
                raise FileNotFoundError("no such configuration")

            def stringReceived(self, string: bytes) -> None:
                self.sendString(string)

        class Ending(Int32Receiver):
            def connectionLost(self, reason: Failure = connectionDone) -> None:
                raise KeyError("lost")

            def stringReceived(self, string: bytes) -> None:
                self.sendString(string)

        for protocol in (Beginning, Ending):
            self.assertEqual(failing(targets.of(plain(protocol), "int32"), ["C1", "C6"]), {"C1", "C6"})
            self.flushLoggedErrors()

    def test_faults_are_drawn_and_kept(self) -> None:
        """What fails in slices alone is found, and the test that is kept fails by itself, whatever was said."""
        top = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, top)

        class Sliced(Int32Receiver):
            def dataReceived(self, data: bytes) -> None:
                self.small = getattr(self, "small", 0) + (len(data) < 4)
                if self.small > 40:
                    raise ValueError('C:\\users\\new """')
                super().dataReceived(data)

            def stringReceived(self, string: bytes) -> None:
                self.sendString(string)

        target = targets.of(plain(Sliced), "int32", name="mine:it")
        (result,) = examine(target, cases(["F5"]), save=top)
        assert result.finding.verdict is Verdict.FAIL
        assert "slicer:average_size=" in result.finding.detail
        kept = (top / "test_conform_f5.py").read_text()
        compile(kept, "kept", "exec")
        assert re.search(r"replay\('mine:it', 'int32', \[.*\], \[.*\], \['slicer:", kept)
        (result,) = examine(target, cases(["F5"]), save=top / "nowhere")
        assert result.finding.detail.endswith("nowhere/test_conform_f5.py: No such file or directory")
        self.flushLoggedErrors()


SEVEN = {f"V{number}" for number in range(1, 8)}


@pytest.mark.parametrize(
    ("receiver", "expected"),
    [
        (Int32StringReceiver, SEVEN),
        (Int32Receiver, set()),
        (LineReceiver, {"V1", "V2", "V7"}),
        (NetstringReceiver, {"V2", "V4", "V7"}),
    ],
)
def test_receiver_classes(receiver: type, expected: set[str]) -> None:
    """The seven faults of the stock Int32StringReceiver are found, none in ours, and some in its sisters."""
    assert failing(targets.of(receiver), ["V"]) == expected


def test_a_failing_conversation_is_made_small() -> None:
    """Hypothesis leaves two requests of one read, or one that is cut, and nothing else."""
    server, codec, _ = WRONG["a read is a message"]
    found = search(targets.of(server, codec), seed=0)
    assert found is not None
    conversation, _ = found
    assert len(conversation.requests) + len(conversation.steps) == 2


def test_without_hypothesis_nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """F5 is left out, and isn't taken for one that nobody knows."""
    monkeypatch.setattr("twisted_lab.instruments.conform.examination.find_spec", lambda _: None)
    assert [result.case.id for result in examine(targets.of(ECHO), cases(["F4", "F5"]))] == ["F4"]


def test_ids_are_stable_and_explained() -> None:
    """Each is there once, and says what it does and expects."""
    every = cases()
    assert len({case.id for case in every}) == len(every) > 30
    assert all(case.title and case.expects for case in every)
    assert [case.id for case in cases(["close"])] == [f"C{number}" for number in range(1, 7)]
    with pytest.raises(LookupError, match="no case 'F99'"):
        cases(["F99"])


class Late(LineReceiver):
    """Answers each line after a while."""

    def lineReceived(self, line: bytes) -> None:
        """Answer it later."""
        self.factory.clock.callLater(self.factory.seconds, self.answer, line)

    def answer(self, line: bytes) -> None:
        """Answer it now."""
        if self.connected:
            self.sendLine(line)


@pytest.mark.parametrize("seconds", [0.01, 0.4, 3.0])
def test_a_server_may_take_its_time(seconds: float) -> None:
    """No reply is missed, and no case is left out, because it comes late."""

    def make(clock: Clock) -> Any:
        factory = plain(Late)()
        factory.clock, factory.seconds = clock, seconds
        return factory

    results = {
        result.case.id: result.finding.verdict for result in examine(targets.of(make, "line"), cases(["F", "P", "I"]))
    }
    assert results.pop("P1") is Verdict.FAIL  # it reads on, with tens of thousands of answers put off
    assert {*results.values()} == {Verdict.PASS}
    assert {"F2", "F5", "F7", "P2", "P4", "I1"} <= {*results}


class OneByOne(LineReceiver):
    """Answers a line so long after the one before."""

    factory: Any
    delimiter = b"\r\n"

    def connectionMade(self) -> None:
        """Have nothing to do."""
        self.lines: list[bytes] = []

    def lineReceived(self, line: bytes) -> None:
        """Answer it when its turn comes."""
        self.lines.append(line)
        if len(self.lines) == 1:
            self.factory.clock.callLater(self.factory.seconds, self.answer)

    def answer(self) -> None:
        """Answer the first that waits."""
        if self.connected:
            self.sendLine(self.lines.pop(0))
            if self.lines:
                self.factory.clock.callLater(self.factory.seconds, self.answer)


@pytest.mark.parametrize("seconds", [0.02, 1.0])
def test_a_server_may_answer_one_after_the_other(seconds: float) -> None:
    """Each reply comes in its time, and together they may take as long as they take."""

    def make(clock: Clock) -> Any:
        factory = plain(OneByOne)()
        factory.clock, factory.seconds = clock, seconds
        return factory

    assert failing(targets.of(make, "line"), ["F2", "F4", "F7", "P2", "P3", "I"]) == set()


def test_replies_without_end() -> None:
    """Nobody waits for ever for what goes on to come: what isn't known is said to be that."""

    class Babbling(LineReceiver):
        factory: Any

        def connectionMade(self) -> None:
            babble = LoopingCall(self.sendLine, b"and another thing")
            babble.clock = self.factory.clock
            babble.start(1.0)

    def make(clock: Clock) -> Any:
        factory = plain(Babbling)()
        factory.clock = clock
        return factory

    with MemorySubject(make, framings.LINE) as subject:
        peer = subject.connect()
        with pytest.raises(UnknownError, match="after 3600 s replies are still coming"):
            wait_while_it_comes(subject, peer, lambda: False)


def test_what_faults_swallow_is_missed() -> None:
    """A server that would answer isn't taken for one that answers nothing."""
    for fault in ("hang", "drop_message:probability=1"):
        assert failing(targets.of(HEADER, faults=[fault]), ["F1", "F4", "I1"]) == {"F1", "F4", "I1"}


def test_a_receiver_has_its_own_limit_and_delimiter() -> None:
    """The cases send what it takes."""

    class Short(LineReceiver):
        delimiter = b"\n"
        MAX_LENGTH = 50

    assert failing(targets.of(Short), ["V", "F"]) == {"V2", "V7"}
    assert failing(targets.of(type("Small", (Int32Receiver,), {"MAX_LENGTH": 20})), ["F", "I", "V"]) == set()


def test_a_server_with_a_limit_of_its_own() -> None:
    """It can be said, of what has one."""

    class Small(Int32Receiver):
        MAX_LENGTH = 1000

        def stringReceived(self, string: bytes) -> None:
            self.sendString(string)

    assert failing(targets.of(plain(Small), "int32"), ["F8", "F9"]) == {"F8"}
    assert failing(targets.of(plain(Small), "int32", limit=1000), ["F8", "F9"]) == set()
    with pytest.raises(LookupError, match="in the codec stream no request is too long"):
        targets.of(ECHO, limit=5)


def test_a_protocol_is_served() -> None:
    """A class of protocols stands for the factory that makes them."""
    assert failing(targets.of(StockEcho, "echo"), ["F", "C"]) == {"C2", "C3"}


class Right500(Int32Receiver):
    """Answers strings of up to 500 bytes."""

    MAX_LENGTH = 500

    def stringReceived(self, string: bytes) -> None:
        """Answer."""
        self.sendString(string)


class Ignoring(Int32Receiver):
    """Ignores a string that is too long, answers the next, and closes then."""

    def dataReceived(self, data: bytes) -> None:
        """Skip a prefix that is too large."""
        self.skipped = getattr(self, "skipped", False) or data == PREFIX.pack(self.MAX_LENGTH + 1)
        super().dataReceived(b"" if data == PREFIX.pack(self.MAX_LENGTH + 1) else data)

    def stringReceived(self, string: bytes) -> None:
        """Answer."""
        self.sendString(string)
        if self.skipped:
            self.transport.loseConnection()


def test_what_is_behind_a_request_that_is_too_long() -> None:
    """It isn't to be answered, even if the connection ends then."""
    assert failing(targets.of(plain(Ignoring), "int32"), ["F9"]) == {"F9"}


def test_a_kept_conversation_is_held_behind_its_faults() -> None:
    """`replay` has them stand between again."""
    replay("header", "header", [0, 1], [3])
    with pytest.raises(AssertionError, match="header: "):
        replay("header", "header", [0, 1], [3], ["corrupt:every=3"])


def test_junit_of_anything() -> None:
    """What XML can't hold is escaped."""
    finding = Finding(Verdict.FAIL, detail="a\x00b\x1b[31m \ud800")
    (failure,) = ET.fromstring(as_xml("it", [Result(cases()[0], finding)], strict=False)).iter("failure")  # noqa: S314
    assert failure.attrib["message"] == "a\\x00b\\x1b[31m \\ud800"


def test_a_finding_is_an_assertion() -> None:
    """It says what was found, in whatever class the tests are."""

    class Plain(Conformance):
        server = staticmethod(plain(StockEcho))
        codec = "echo"

    with pytest.raises(AssertionError, match="C2, our side shut after requests: "):
        Plain().test_C2()  # type: ignore[attr-defined]


def test_the_limit_of_a_server_that_is_tested() -> None:
    """It is told to `Conformance` as to the command."""

    class Small(Conformance):
        server = staticmethod(plain(type("Small", (Right500,), {})))
        codec = "int32"
        limit = 500

    Small().test_F8()  # type: ignore[attr-defined]
    Small.limit = None  # type: ignore[assignment]
    with pytest.raises(AssertionError, match="F8"):
        Small().test_F8()  # type: ignore[attr-defined]


def test_junit() -> None:
    """Continuous integration reads what failed, and why; non-strict fails if it is to."""
    server, codec, _ = WRONG["no backpressure"]
    results: list[Result] = [*examine(targets.of(server, codec), cases(["P", "H4"]))]
    suite = ET.fromstring(as_xml("it", results, strict=False))  # noqa: S314  # ours
    assert suite.attrib == {"name": "it", "tests": "5", "failures": "1", "skipped": "0"}
    (failure,) = suite.iter("failure")
    assert "from a client that reads none" in failure.attrib["message"]
    strict = ET.fromstring(as_xml("it", results, strict=True))  # noqa: S314
    assert strict.attrib["failures"] == "2"


@pytest.mark.parametrize(
    ("name", "codec", "sentence"),
    [
        ("nothing", None, "there is no specimen 'nothing'"),
        ("json:nothing", None, "there is no specimen 'json:nothing'"),
        ("json:dumps", None, "what does json:dumps speak?"),
        ("127.0.0.1:1", None, "what does 127.0.0.1:1 speak?"),
        ("127.0.0.1:1", "morse", "there is no codec 'morse'"),
        ("shutil:move", "int32", "needs more to make a factory than a clock"),
    ],
)
def test_what_cant_be_examined(name: str, codec: str | None, sentence: str) -> None:
    """It is told in a sentence."""
    with pytest.raises(LookupError, match=sentence):
        targets.find(name, codec)


def test_what_makes_no_factory() -> None:
    """It is told in a sentence, before the first case."""
    with pytest.raises(LookupError, match="os:getcwd is no factory, and makes none but a str"):
        next(examine(targets.find("os:getcwd", "int32"), cases(["F1"])))
    for codec in ("int32", "echo"):
        with pytest.raises(LookupError, match="it makes no factory: ZeroDivisionError: "):
            next(examine(targets.of(lambda: 1 // 0, codec, "it"), cases(["F1"])))


def test_a_factory_that_serves_nobody() -> None:
    """It is told in a sentence what it raised."""

    class Unready(Factory[Protocol]):
        noisy = False

        def buildProtocol(self, _address: IAddress | None) -> Protocol:
            raise ValueError("not yet")

    with pytest.raises(LookupError, match="serves no client: ValueError: not yet"):
        targets.of(Unready(), "echo", "it")


def test_nothing_is_left_of_an_examination() -> None:
    """Whether the server could be made or not, nobody listens to the log any more."""
    before = [*globalLogPublisher._observers]
    [*examine(targets.of(HEADER), cases(["F1"]))]
    with pytest.raises(LookupError):
        [*examine(targets.of(lambda: 1 // 0, "int32"), cases(["F1"]))]
    assert globalLogPublisher._observers == before


class Brief(Right):
    """Answers in two bytes."""

    def stringReceived(self, _string: bytes) -> None:
        """Answer."""
        self.sendString(b"ok")


class Talkative(Int32Receiver):
    """Answers in two bytes, whether they are read or not."""

    def stringReceived(self, _string: bytes) -> None:
        """Answer."""
        self.sendString(b"ok")


def test_short_replies() -> None:
    """A server that stops reading in the end is bounded, however many requests that takes; what never does isn't."""
    assert failing(targets.of(served(Brief), "int32"), ["P"]) == set()
    assert failing(targets.of(plain(Talkative), "int32"), ["P"]) == {"P1"}


class Breaking(NetstringReceiver):
    """Answers with what is no netstring, from the hundredth on."""

    count = 0

    def stringReceived(self, string: bytes) -> None:
        """Answer."""
        self.count += 1
        if self.count < 100:
            self.sendString(string)
        else:
            self.transport.write(b"what?:")  # type: ignore[union-attr]


def test_replies_that_cant_be_read() -> None:
    """They are wrong, and not unknown."""
    assert failing(targets.of(plain(Breaking), "netstring"), ["C3", "P2", "P3", "F7"]) == {"C3", "P2", "P3", "F7"}


class Complaining(Int32Receiver):
    """Logs an error when it is left, without an exception."""

    log = Logger()

    def stringReceived(self, string: bytes) -> None:
        """Answer."""
        self.sendString(string)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Complain."""
        super().connectionLost(reason)
        self.log.error("it is gone")


def test_an_error_in_the_log_is_one() -> None:
    """Without a failure, too."""
    assert {"C4", "C6"} <= failing(targets.of(plain(Complaining), "int32"), ["C"])


def test_a_slow_client_of_a_server_with_short_requests() -> None:
    """It is judged as that of others: who stays an hour inside a request may stay for ever."""
    for limit in (10, 1000, 99_999):
        receiver = type("Small", (Int32StringReceiver,), {"MAX_LENGTH": limit})
        (result,) = examine(targets.of(receiver), cases(["H4"]))
        assert result.finding.verdict is Verdict.NON_STRICT, limit


def test_the_limit_of_content() -> None:
    """F9 sends content of one byte more than the limit; a refusal that goes on with the next message is one."""
    assert failing(targets.of(HEADER, limit=10), ["F8", "F9"]) == {"F9"}
    assert failing(targets.of(HEADER), ["F8", "F9"]) == set()


def test_faults_of_messages() -> None:
    """They are had wherever the framing has a codec."""
    for codec in ("int32", "header"):
        server = HEADER.server if codec == "header" else served(Right)
        results = [*examine(targets.of(server, codec, faults=["duplicate_message:probability=0.01"]), cases(["F1"]))]
        assert [result.finding.verdict for result in results] == [Verdict.PASS]
    with pytest.raises(LookupError, match="is a fault of messages, and there is no codec for those of line"):
        targets.of(plain(Breaking), "line", faults=["drop_message"])
