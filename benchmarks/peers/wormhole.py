"""magic-wormhole over a mailbox and a relay of the benchmark's own; all of it is encrypted."""

from collections.abc import Iterator

from peers.way import Need, Place, Service, Way, Words, program, shell

WORMHOLE = Need("wormhole", "pip install magic-wormhole")
MAILBOX = Need("wormhole_mailbox_server", "pip install magic-wormhole-mailbox-server", kind="module")
RELAY = Need("wormhole_transit_relay", "pip install magic-wormhole-transit-relay", kind="module")


def serve(place: Place) -> Words:
    """Serve both, the mailbox on the first port and the relay on the second."""
    mailbox, relay = (f"tcp:{port}:interface=127.0.0.1" for port in (place.port, place.tls_port))
    line = '"$1" wormhole-mailbox --port "$2" --channel-db "$4" & "$1" transitrelay --port "$3" & wait'
    return shell(line, program("twist"), mailbox, relay, place.scratch / "channels.sqlite")


SERVICE = Service("wormhole", serve, tls=True)


def command(place: Place) -> Words:
    """Give the words that both sides begin with."""
    mailbox = f"ws://127.0.0.1:{place.port}/v1"
    return [program("wormhole"), "--relay-url", mailbox, "--transit-helper", f"tcp:127.0.0.1:{place.tls_port}"]


def code(place: Place) -> str:
    """Give a code."""
    return f"{place.once_port}-benchmark"


def send(place: Place) -> Words:
    """Offer the file, and wait for who takes it. Without --no-listen it would listen on every interface."""
    return [*command(place), "send", "--no-listen", "--hide-progress", "--code", code(place), str(place.source)]


def receive(place: Place) -> Words:
    """Take the file."""
    accept = ["--no-listen", "--hide-progress", "--accept-file", "-o", str(place.fetched)]
    return [*command(place), "receive", *accept, code(place)]


def offered(place: Place) -> bool:
    """Whether the sender waits."""
    return "receive" in (place.scratch / "once.log").read_text()


def ways() -> Iterator[Way]:
    """Give the one there is; it is slow."""
    needs = (WORMHOLE, MAILBOX, RELAY)
    yield Way(
        "wormhole", "get", receive, frozenset({"tls"}), needs, (SERVICE,), once=send, once_ready=offered, most_rounds=1
    )
