"""Experiment 10: Twisted, and all that an echo server must do right."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

from twisted_lab.experiments.client import (
    MIB,
    PREFIX,
    ask,
    deadline_of,
    letters,
    longest_echo,
    receive,
    receive_all,
    receive_echo,
    reset,
    send_apart,
    stop_sending,
    visit,
)
from twisted_lab.experiments.experiment import Claim, Experiment, Picture
from twisted_lab.experiments.patience import Deadline
from twisted_lab.experiments.pieces import is_unread
from twisted_lab.experiments.server import Server, hosted, model
from twisted_lab.experiments.usage import threads
from twisted_lab.experiments.visits import Visits, side_by_side

CLIENTS = 100
#: Seconds, of those that the server has for it, in which a check wants an answer; and in which one that doesn't read
#: on before it is read from has come to a stand.
PATIENCE, STAND = 4.0, 0.6


def run() -> Iterator[Claim | Picture]:
    """See who waits, hold our server to the check, and then the shortest one that Twisted's examples suggest."""
    with model("twisted") as server:
        visits = Visits(server)
        yield visits.draw("timeline", "Twisted: who waits for whom")
        yield side_by_side(visits)
        before = threads(server)
        yield from check(server)
        after = threads(server)
        yield Claim(
            f"and all that without a thread more, {CLIENTS} clients at once included",
            f"{before} before, {after} after",
            before == after,
        )
    with hosted("twisted_lab.experiments.wrong:ShortEcho") as short:
        claim = check_half_close(short)
    yield Claim(
        "the shortest server, only transport.write in dataReceived, drops what waits when a client shuts its side",
        claim.observed,
        not claim.holds,
    )


def check(server: Server) -> Iterator[Claim]:
    """Say for each point whether an echo server, that puts 'echo ' before each piece, does it right."""
    yield check_answer(server)
    yield check_bytes(server)
    yield check_cut_character(server)
    yield check_large(server)
    yield check_half_close(server)
    yield check_reset(server)
    yield check_many(server)


def check_answer(server: Server) -> Claim:
    """Send one short message."""
    with visit(server, PATIENCE) as connection:
        answer = ask(connection)
    return Claim(
        "b'hello' comes back as b'echo hello'",
        f"{answer!r}",
        answer == PREFIX + b"hello",
        "dataReceived(data) gets what was read; self.transport.write sends bytes back.",
    )


def check_bytes(server: Server) -> Claim:
    """Send bytes that are no text."""
    with visit(server, PATIENCE) as connection:
        answer = ask(connection, b"\x00\xff\r\n")
    return Claim(
        "bytes that are no text come back as they are",
        f"{answer!r}",
        answer == PREFIX + b"\x00\xff\r\n",
        "An echo needs no text: don't decode what you read.",
    )


def check_cut_character(server: Server) -> Claim:
    """Send a letter of two bytes in two pieces."""
    with visit(server, PATIENCE) as connection:
        answer = ask(connection, "ü".encode()[:1]) + ask(connection, "ü".encode()[1:])
    return Claim(
        "a letter that is cut in two comes back, each half for itself",
        f"{answer!r}",
        answer == b"echo \xc3echo \xbc",
        "Half a letter can't be decoded: send back bytes, not text.",
    )


def check_large(server: Server) -> Claim:
    """Send 1 MiB, and read meanwhile."""
    data = letters(MIB)
    with visit(server, PATIENCE) as connection:
        thread = send_apart(connection, data, shut=False)
        answer = receive_echo(connection, len(data))
        stop_sending(connection, thread)
    return Claim(
        "1 MiB comes back whole",
        f"{len(answer)} of {MIB} bytes",
        answer == data,
        "Nothing may be lost between reading and writing, and nothing but 'echo ' added.",
    )


def check_half_close(server: Server) -> Claim:
    """Send much, shut the writing side, and begin to read late: what hasn't gone yet must still come."""
    data = letters(8 * MIB)
    with visit(server, PATIENCE, small=True) as connection:
        thread = send_apart(connection, data)
        late = Deadline(STAND, connection.process)
        while not late.is_over() and (thread.is_alive() or is_unread(connection)):
            time.sleep(0.01)
        answer, end = receive_all(connection, longest_echo(len(data)))
        stop_sending(connection, thread)
    came = len(answer.replace(PREFIX, b""))
    return Claim(
        "a client that shuts its side (half-close) and reads late gets all the rest, and then the end",
        f"{came} of {len(data)} bytes, then the connection was {end}",
        came == len(data) and end == "closed",
        "Twisted drops the connection when the client shuts its side, unless the protocol provides "
        "IHalfCloseableProtocol: its readConnectionLost may call transport.loseConnection, which sends what waits.",
    )


def check_reset(server: Server) -> Claim:
    """Reset a connection in the middle of an answer; another client must not feel it."""
    with visit(server, PATIENCE, small=True) as connection, visit(server, PATIENCE) as other:
        connection.setblocking(False)
        connection.send(letters(MIB))
        reset(connection)
        well = ask(other) == PREFIX + b"hello"
    with visit(server, PATIENCE) as another:
        well = well and ask(another) == PREFIX + b"hello"
    return Claim(
        "a client that resets its connection harms no other",
        f"the others {'are' if well else 'are not'} answered",
        well,
        "Keep nothing that all connections share in a state that one of them can break.",
    )


def check_many(server: Server) -> Claim:
    """Have many clients at once, every other of them silent."""
    with ExitStack() as stack:
        clients = [stack.enter_context(visit(server, PATIENCE)) for _ in range(CLIENTS)]
        talking = clients[::2]
        for number, client in enumerate(talking):
            client.sendall(b"%03d" % number)
        deadline = deadline_of(talking[0])
        right = [receive(client, len(PREFIX) + 3, deadline) == PREFIX + b"%03d" % n for n, client in enumerate(talking)]
    return Claim(
        f"of {CLIENTS} clients at once each gets its own answer",
        f"{sum(right)} of {len(talking)} that ask, beside {CLIENTS - len(talking)} silent ones",
        all(right),
        "What belongs to one connection is an attribute of its protocol, not of the factory or the class.",
    )


EXPERIMENT = Experiment(
    10,
    "Twisted",
    "Twisted waits for all clients in one thread and calls your protocol. What is left for you to do right?",
    "Little, but it must be known: bytes aren't text, and a client that has shut its side still wants its answer.",
    run,
    check,
)
