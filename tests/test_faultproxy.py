"""``twistd faultproxy`` as a user runs it: real processes, real sockets, and a client library of toxiproxy's."""

import json
import re
import signal
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random
from threading import Thread
from typing import Any

import pytest
import toxiproxy
import trustme
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from tests.instruments.capture.packets import read
from tests.net.reactors import RESET
from tests.processes import DEADLINE, Running, answering, command, connect, receive, receive_all, service

API = "tcp:0:interface=127.0.0.1"
MUCH = 2**25


@contextmanager
def proxy(upstream: str, *faults: str, options: tuple[str, ...] = ()) -> Iterator[Running]:
    """Run a proxy for the server at that address, with its API."""
    words = [word for fault in faults for word in ("--fault", fault)]
    with service("faultproxy", "--upstream", upstream, "--api", API, *words, *options, endpoints=2) as running:
        yield running
        running.stop()  # not killed: what it ran is counted when it ends


def api_of(running: Running) -> str:
    """Give where the API listens."""
    match = re.search(r"faultproxy's API listens on (\S+)", running.log)
    assert match is not None
    return match[1]


def ask(running: Running, path: str, method: str = "GET", body: object = None, **headers: str) -> tuple[int, Any]:
    """Ask the API; give the status and the JSON, or the text."""
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"http://{api_of(running)}{path}", data, named, method=method)
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE) as answer:  # noqa: S310  # the address is ours
            status, text = answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            status, text = error.code, error.read().decode()
    return status, json.loads(text) if text.startswith(("{", "[")) else text


def bytes_of(count: int) -> bytes:
    """Give so many bytes that don't repeat."""
    return Random(count).randbytes(count)  # noqa: S311  # to be compared


def sending(connection: socket.socket, data: bytes) -> Thread:
    """Send data, and shut our side, in a thread."""

    def send() -> None:
        with suppress(OSError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)

    thread = Thread(target=send, daemon=True)
    thread.start()
    return thread


@pytest.fixture
def rfc862() -> Iterator[Running]:
    """Run an echo without a prefix."""
    with service("echo", "--prefix", "") as running:
        yield running


def test_a_half_closed_request_gets_its_reply() -> None:
    """A client that shuts its side is answered, as it is without a proxy."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"REPLY:" + receive_all(connection))
        connection.shutdown(socket.SHUT_WR)

    with answering(answer) as server, proxy(server) as running, connect(running.addresses[0]) as client:
        client.sendall(b"req")
        client.shutdown(socket.SHUT_WR)
        assert receive_all(client) == b"REPLY:req"


@pytest.mark.parametrize(
    "faults", [(), ("latency:latency=1", "slicer:average_size=50000:upstream")], ids=["bare", "faults"]
)
@pytest.mark.parametrize("reactor", ["epoll", "eager"])
def test_much_data_arrives_whole(rfc862: Running, faults: tuple[str, ...], reactor: str) -> None:
    """Many megabytes go both ways at once, through the kernel or through faults, and none is changed."""
    data = bytes_of(MUCH)
    with ExitStack() as stack:
        words = [word for fault in faults for word in ("--fault", fault)]
        running = stack.enter_context(
            service(
                "faultproxy",
                "--upstream",
                rfc862.addresses[0],
                "--api",
                "",
                *words,
                twistd=("twistd", "-n", "--reactor", reactor),
            )
        )
        client = stack.enter_context(connect(running.addresses[0]))
        thread = sending(client, data)
        assert sha256(receive_all(client)).digest() == sha256(data).digest()
        thread.join(DEADLINE)
        running.wait_for(f"{MUCH} B in, {MUCH} B out, ")
        assert "closed by both sides" in running.log


def test_a_late_reader(rfc862: Running) -> None:
    """What was sent before the client shut its side comes back when it reads, however late."""
    with proxy(rfc862.addresses[0]) as running, connect(running.addresses[0]) as client:
        data = bytes_of(2**23)
        thread = sending(client, data)
        time.sleep(0.3)
        assert receive_all(client) == data
        thread.join(DEADLINE)


def test_a_reader_that_never_reads() -> None:
    """The server is held back; the proxy keeps little."""

    def flood(connection: socket.socket) -> None:
        with suppress(OSError):
            while True:
                flooded.append(connection.send(bytes(2**20)))

    flooded: list[int] = []
    with answering(flood) as server, proxy(server) as running, connect(running.addresses[0]):

        def moved(what: str) -> int:
            status, text = ask(running, "/metrics")
            assert status == 200
            match = re.search(rf"{what}_bytes_total{{direction=\"downstream\".*}} (\d+)", text)
            return int(match[1]) if match else 0

        before = -1
        while moved("received") <= 2**21 or sum(flooded) > before:
            before = sum(flooded)
            time.sleep(1.2)
        assert moved("received") - 2**21 <= moved("sent")
        assert sum(flooded) < 2**25


@pytest.mark.parametrize("side", ["client", "server"])
def test_a_reset_passes(side: str) -> None:
    """A reset on one side is a reset on the other."""
    seen: list[type[BaseException]] = []

    def answer(connection: socket.socket) -> None:
        assert receive(connection, 5) == b"hello"
        connection.sendall(b"hi")
        if side == "server":
            assert receive(connection, 1) == b"."
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            connection.close()
        else:
            try:
                connection.recv(1)
            except OSError as error:
                seen.append(type(error))

    with answering(answer) as server, proxy(server) as running:
        client = connect(running.addresses[0])
        client.sendall(b"hello")
        assert receive(client, 2) == b"hi"
        if side == "server":
            client.sendall(b".")
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        else:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.close()
        running.wait_for(f"reset by {side}")
    assert seen == ([ConnectionResetError] if side == "client" else [])


@dataclass
class Certificates:
    """A directory with a server's certificate and key, and one with the authority that clients trust."""

    private: Path
    public: Path

    def serving(self, connection: socket.socket) -> ssl.SSLSocket:
        """Give the server's end of TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.private / "localhost.pem")
        return context.wrap_socket(connection, server_side=True)

    def connect(self, address: str) -> ssl.SSLSocket:
        """Connect with TLS."""
        context = ssl.create_default_context(cafile=self.public / "authority.pem")
        return context.wrap_socket(connect(address), server_hostname="localhost")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Make certificates for localhost."""
    made = Certificates(tmp_path_factory.mktemp("private"), tmp_path_factory.mktemp("public"))
    authority = trustme.CA()
    authority.cert_pem.write_to_path(made.public / "authority.pem")
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(made.private / "localhost.pem")
    return made


@contextmanager
def tls_proxy(server: str, certificates: Certificates) -> Iterator[Running]:
    """Run a proxy that speaks TLS with both sides."""
    upstream = f"tls:localhost:{server.rpartition(':')[2]}:trustRoots={certificates.public}"
    where = f"tls:{certificates.private}:0:interface=127.0.0.1"
    with service("faultproxy", "--upstream", upstream, "--listen", where, "--api", "", listen=False) as running:
        yield running
        running.stop()


@pytest.mark.parametrize("side", ["client", "server"])
def test_an_end_of_tls_without_a_notice(certificates: Certificates, side: str) -> None:
    """Python's `SSLSocket.close()`, for one, says nothing in TLS: all that was sent arrives, and then an end."""
    data = bytes_of(2**22)
    got: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        with certificates.serving(connection) as server:
            server.sendall(b"hi")
            if side == "client":
                got.append(receive_all(server))
            else:
                server.sendall(data)

    with answering(answer) as address, tls_proxy(address, certificates) as running:
        with certificates.connect(running.addresses[0]) as client:
            assert receive(client, 2) == b"hi"
            if side == "client":
                client.sendall(data)
            else:
                got.append(receive_all(client))
        running.wait_for(f"{2**22 if side == 'client' else 0} B in, ")
    assert got == [data]
    assert "reset" not in running.log


@pytest.mark.parametrize("side", ["client", "server"])
def test_a_reset_under_tls(certificates: Certificates, side: str) -> None:
    """A reset is one with TLS as well."""
    seen: list[str] = []

    def answer(connection: socket.socket) -> None:
        with certificates.serving(connection) as server:
            server.sendall(b"hi")
            if side == "server":
                assert receive(server, 1) == b"."
                server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            else:
                seen.append(end_of_wire(server))

    with answering(answer) as address, tls_proxy(address, certificates) as running:
        with certificates.connect(running.addresses[0]) as client:
            assert receive(client, 2) == b"hi"
            if side == "server":
                client.sendall(b".")
                seen.append(end_of_wire(client))
            else:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        running.wait_for(f"reset by {side}")
    assert seen == ["reset"]


def end_of_wire(connection: ssl.SSLSocket) -> str:
    """Wait for the end of TCP, of which Python's TLS makes an end as it should be, whatever it was."""
    try:
        while socket.socket.recv(connection, 65536):
            pass
    except ConnectionResetError:
        return "reset"
    return "end"


def test_the_fault_is_a_real_reset() -> None:
    """reset_peer on a live connection: both ends get ECONNRESET."""
    seen: list[type[BaseException]] = []

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"hi")
        try:
            receive_all(connection)
        except OSError as error:
            seen.append(type(error))

    with answering(answer) as server, proxy(server) as running, connect(running.addresses[0]) as client:
        assert receive(client, 2) == b"hi"
        body = {"type": "reset_peer", "stream": "upstream"}
        assert ask(running, "/proxies/faultproxy/toxics", "POST", body)[0] == 200
        client.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        running.wait_for("reset by a fault")
    assert seen == [ConnectionResetError]


def test_the_last_bytes_before_a_limit() -> None:
    """What limit_data lets pass arrives, and an end behind it, though the client sends and reads little at once."""
    upstream: list[int] = []

    def answer(connection: socket.socket) -> None:
        assert receive(connection, 5) == b"hello"
        connection.sendall(bytes_of(2**20))  # and reads nothing meanwhile
        upstream.append(5 + len(receive_all(connection)))

    with answering(answer) as server, proxy(server, "limit_data:bytes=200000") as running, socket.socket() as client:
        client.settimeout(DEADLINE)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", running.port))
        thread = sending(client, b"hello" + bytes(MUCH))
        assert receive_all(client) == bytes_of(2**20)[:200_000]
        client.close()
        thread.join(DEADLINE)
        running.wait_for("closed by a fault")
        running.wait_until(lambda: bool(upstream), "the server to have an end")
    # What the proxy had taken arrived too, the other way.
    assert f"{upstream[0]} B in, 200000 B out" in running.log


def test_faults_on_a_live_stream(rfc862: Running) -> None:
    """While megabytes pass, faults come and go, and no byte is lost."""
    data = bytes_of(MUCH)
    with proxy(rfc862.addresses[0]) as running, connect(running.addresses[0]) as client:
        thread = sending(client, data)
        got = receive(client, MUCH // 8)
        for number in range(6):
            for stream in ("upstream", "downstream"):
                body = {"type": "slicer", "stream": stream, "attributes": {"average_size": 60_000}}
                assert ask(running, "/proxies/faultproxy/toxics", "POST", body)[0] == 200
            got += receive(client, MUCH // 32)
            for stream in ("upstream", "downstream"):
                assert ask(running, f"/proxies/faultproxy/toxics/slicer_{stream}", "DELETE")[0] == 204
            got += receive(client, MUCH // (16 + number))
        got += receive_all(client)
        thread.join(DEADLINE)
        assert sha256(got).digest() == sha256(data).digest()


def test_counters_move_while_it_runs(rfc862: Running) -> None:
    """A connection that is open is counted."""
    with proxy(rfc862.addresses[0]) as running, connect(running.addresses[0]) as client:
        for total in (5, 10):
            client.sendall(b"12345")
            assert receive(client, 5) == b"12345"
            text = ask(running, "/metrics")[1]
            for what in ("received", "sent"):
                for stream in ("upstream", "downstream"):
                    line = (
                        rf'^toxiproxy_proxy_{what}_bytes_total{{direction="{stream}",listener="{running.addresses[0]}",'
                    )
                    assert re.search(rf"{line}.* {total}$", text, re.MULTILINE), text
            assert re.search(r"^toxiproxy_proxy_connections{.*} 1$", text, re.MULTILINE)


def test_a_toxiproxy_client(rfc862: Running) -> None:
    """The library that people drive toxiproxy with drives this, as it is."""
    upstream = rfc862.addresses[0]
    with proxy(upstream) as running:
        server = toxiproxy.Toxiproxy()
        host, _, port = api_of(running).rpartition(":")
        server.update_api_consumer(host, int(port))
        assert server.running()
        assert b"version" in server.version()
        one = server.create(upstream, "one")
        assert server.get_proxy("one").listen == one.listen
        with pytest.raises(ProxyExists):
            server.create(upstream, "one")
        with connect(one.listen) as client:
            one.add_toxic(type="latency", attributes={"latency": 200})
            begin = time.monotonic()
            client.sendall(b"x")
            assert receive(client, 1) == b"x"
            assert time.monotonic() - begin >= 0.2
            (toxic,) = one.toxics().values()
            assert (toxic.name, toxic.stream, toxic.toxicity) == ("latency_downstream", "downstream", 1.0)
            assert toxic.attributes == {"latency": 200, "jitter": 0}
            assert one.destroy_toxic("latency_downstream")
            with one.down():
                assert receive_all(client) == b""
                with pytest.raises(ConnectionRefusedError):
                    connect(one.listen)
        with connect(one.listen) as client:
            one.add_toxic(type="limit_data", attributes={"bytes": 3})
            client.sendall(b"12345")
            assert receive_all(client) == b"123"
        for bad in ({"type": "nope"}, {"type": "latency", "stream": "sideways"}, {"type": "drop_message"}):
            with pytest.raises(InvalidToxic):
                one.add_toxic(**bad)
        assert server.reset()
        assert one.toxics() == {}
        (two,) = server.populate([{"name": "two", "upstream": upstream, "listen": "127.0.0.1:0"}])
        assert {*server.proxies()} == {"faultproxy", "one", "two"}
        for each in (one, two):
            assert each.destroy()
        with pytest.raises(NotFound):
            one.toxics()


def test_disabled_and_enabled_again(rfc862: Running) -> None:
    """A proxy that was disabled listens at the same address when it is enabled, and may lead elsewhere."""
    with proxy(rfc862.addresses[0]) as running:
        before = ask(running, "/proxies/faultproxy")[1]
        assert ask(running, "/proxies/faultproxy", "POST", {"enabled": False})[1] == {**before, "enabled": False}
        assert ask(running, "/proxies/faultproxy", "PATCH", {"enabled": True})[1] == before
        with connect(running.addresses[0]) as client:
            client.sendall(b"x")
            assert receive(client, 1) == b"x"
            with answering(lambda connection: connection.sendall(b"elsewhere")) as other:
                assert ask(running, "/proxies/faultproxy", "POST", {"upstream": other})[1]["upstream"] == other
                assert receive_all(client) == b""
                with connect(running.addresses[0]) as second:
                    assert receive(second, 9) == b"elsewhere"


def test_a_server_that_is_not_there() -> None:
    """The client is closed, and the log says why."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
    with proxy(address) as running, connect(running.addresses[0]) as client:
        assert receive_all(client) == b""
        running.wait_for("the server can't be reached: Connection was refused by other side: 111: Connection refused")


def test_a_seed_is_drawn_and_said(rfc862: Running) -> None:
    """A run with the seed that another one has logged breaks the same bits."""
    broken = []
    seed: list[str] = []
    for _ in range(2):
        options = ("--seed", *seed) if seed else ()
        with proxy(rfc862.addresses[0], "corrupt:every=100", options=options) as running:
            seed = re.findall(r"faultproxy: seed (\d+)", running.log)
            with connect(running.addresses[0]) as client:
                sending(client, bytes(5000)).join(DEADLINE)
                broken.append(receive_all(client))
    assert broken[0] == broken[1] != bytes(5000)


def test_messages_of_a_specimen() -> None:
    """--codec says whose messages a fault of messages strikes."""
    with (
        service("header") as header,
        proxy(header.addresses[0], "drop_message:probability=1", options=("--codec", "header")) as running,
        connect(running.addresses[0]) as client,
    ):
        client.sendall(b'\0\0\0\x0c{"type":"a"}')
        client.shutdown(socket.SHUT_WR)
        assert receive_all(client) == b""


def test_what_passes_is_captured(tmp_path: Path) -> None:
    """--capture records each connection, with its faults, what they did, and how it ended."""
    path = tmp_path / "it.pcapng"
    options = ("--capture", str(path), "--seed", "42", "--codec", "header")
    slicer = "slicer:average_size=16,size_variation=4"
    with service("header") as header, proxy(header.addresses[0], slicer, options=options) as running:
        with connect(running.addresses[0]) as client:
            client.sendall(b'\0\0\0\x19{"type":"hello","id":123}')
            client.shutdown(socket.SHUT_WR)
            assert b'"id":123' in receive_all(client)
        with connect(running.addresses[0]) as client:
            client.sendall(b"\0")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        running.wait_until(lambda: "reset by client" in "".join(found(path)), "the reset in the capture")
    comments = found(path)
    assert comments[0].startswith(f"connection 1, seed=42|fault {slicer}")
    assert any("fault=slicer" in comment for comment in comments)
    assert sum("reset by client" in comment for comment in comments) == 1
    shown = command("twisted-lab", "capture", str(path), "--codec", "header", "--json").stdout.decode()
    messages = [line for line in map(json.loads, shown.splitlines()) if line["event"] == "message"]
    assert [(message["from"], message["type"]) for message in messages[:2]] == [
        ("client", "hello"),
        ("server", "hello"),
    ]


def found(path: Path) -> list[str]:
    """Give the comments of each packet in a capture."""
    return ["|".join(packet.comments) for packet, _ in read(path)]


def test_it_stops_with_connections_open(rfc862: Running) -> None:
    """A stop closes what is open, and ends as a stop of twistd does."""
    with proxy(rfc862.addresses[0], "hang") as running, connect(running.addresses[0]) as client:
        client.sendall(b"x")
        running.wait_until(lambda: "connections" in ask(running, "/metrics")[1], "a connection")
        assert running.stop() == -signal.SIGTERM
        with suppress(ConnectionResetError):
            assert receive_all(client) == b""


def test_all_stop_at_once() -> None:
    """While one proxy still has something to send, none accepts any more."""

    def flood(connection: socket.socket) -> None:
        with suppress(OSError):
            connection.sendall(bytes(2**25))

    options = ("--grace", str(DEADLINE))
    with answering(flood) as server, answering(flood) as another, proxy(server, options=options) as running:
        second = ask(running, "/proxies", "POST", {"name": "two", "upstream": another})[1]["listen"]
        with connect(running.addresses[0]) as one, connect(second) as other:
            for client in (one, other):
                receive(client, 1)
            running.process.terminate()

            def refused() -> bool:
                try:
                    connect(second).close()
                except ConnectionRefusedError:
                    return True
                return False

            running.wait_until(refused, "the second proxy to listen no more")
            assert running.process.poll() is None
        assert running.wait() == -signal.SIGTERM


def test_the_api_is_not_for_browsers(rfc862: Running) -> None:
    """What a web page could have a browser send is refused, and so is a name that isn't this machine's."""
    with proxy(rfc862.addresses[0]) as running:
        for header in (
            {"Origin": "http://example.org"},
            {"Origin": "null"},
            {"Sec_Fetch_Site": "cross-site"},
            {"User_Agent": "Mozilla/5.0 (X11; Linux x86_64)"},
            {"Host": "example.org:8474"},
        ):
            status, answer = ask(running, "/reset", "POST", b"", **header)
            assert (status, answer["status"]) == (403, 403), header
        for host in ("localhost", "127.0.0.1", "[::1]:8474"):
            assert ask(running, "/proxies", Host=host)[0] == 200


def test_only_the_api(rfc862: Running) -> None:
    """Without a server to lead to there are no proxies until some are made."""
    with service("faultproxy", "--api", API, listen=False) as running:
        assert ask(running, "/proxies") == (200, {})
        status, made = ask(running, "/proxies", "POST", {"name": "p/1", "upstream": rfc862.addresses[0]})
        running.wait_for(f"p/1 listens on {made['listen']}")
        assert (status, made["enabled"], made["toxics"]) == (201, True, [])
        with connect(made["listen"]) as client:
            client.sendall(b"x")
            assert receive(client, 1) == b"x"
        request = urllib.request.Request(f"http://{api_of(running)}/proxies/p%2F1", method="DELETE")
        with urllib.request.urlopen(request, timeout=DEADLINE) as answer:  # noqa: S310  # the address is ours
            assert answer.status == 204
        running.stop()


def test_several_at_once(rfc862: Running) -> None:
    """`/populate` leaves what is there as it is, with its connections; what is elsewhere now is made anew."""
    upstream = rfc862.addresses[0]
    with proxy(upstream) as running:
        (there,) = ask(running, "/proxies")[1].values()
        wanted = {name: there[name] for name in ("name", "listen", "upstream")}
        with connect(there["listen"]) as client:
            status, answer = ask(running, "/populate", "POST", [wanted, {"name": "two", "upstream": upstream}])
            assert status == 201
            kept, two = answer["proxies"]
            assert (kept["listen"], two["enabled"]) == (there["listen"], True)
            client.sendall(b"x")
            assert receive(client, 1) == b"x"
            moved = {**wanted, "listen": "127.0.0.1:0"}
            status, answer = ask(running, "/populate", "POST", [moved, {**two, "enabled": False}])
            assert [each["enabled"] for each in answer["proxies"]] == [True, False]
            assert receive_all(client) == b""
        with connect(answer["proxies"][0]["listen"]) as client:
            client.sendall(b"y")
            assert receive(client, 1) == b"y"
        for address in (there["listen"], two["listen"]):
            with pytest.raises(ConnectionRefusedError):
                connect(address)
        status, answer = ask(running, "/populate", "POST", [moved, moved])
        assert (status, answer["error"]) == (400, "bad request body: two proxies have the same name")


@pytest.mark.parametrize("listen", [None, "localhost:0", ":0", "haproxy:tcp:0:interface=127.0.0.1"])
def test_populate_twice(rfc862: Running, listen: str | None) -> None:
    """The same list a second time changes nothing, however the place to listen at was written."""
    with proxy(rfc862.addresses[0]) as running:
        wanted = [{"name": "two", "upstream": rfc862.addresses[0], "listen": listen}]
        ask(running, "/populate", "POST", wanted)
        ask(running, "/proxies/two/toxics", "POST", {"type": "latency"})
        before = ask(running, "/proxies/two")[1]
        assert len(before["toxics"]) == 1
        if listen != "haproxy:tcp:0:interface=127.0.0.1":
            port = before["listen"].rpartition(":")[2]
            assert ask(running, "/populate", "POST", [{**wanted[0], "listen": f"localhost:{port}"}])[0] == 201
        ask(running, "/proxies/two", "PATCH", {"listen": listen})
        assert ask(running, "/populate", "POST", wanted)[1]["proxies"] == [before]


def test_a_proxy_that_cant_be_replaced_stays(rfc862: Running) -> None:
    """Where it is to be now is taken: it goes on where it was, with its faults."""
    with proxy(rfc862.addresses[0], "latency:latency=1") as running:
        before = ask(running, "/proxies/faultproxy")[1]
        status, answer = ask(running, "/populate", "POST", [{**before, "listen": rfc862.addresses[0]}])
        assert (status, "in use" in answer["error"]) == (500, True)
        assert ask(running, "/proxies/faultproxy")[1] == before
        with connect(running.addresses[0]) as client:
            client.sendall(b"x")
            assert receive(client, 1) == b"x"


def test_reset(rfc862: Running) -> None:
    """`/reset` removes every fault of every proxy, and starts what was disabled."""
    faults = ("latency:latency=1", "bandwidth", "slow_close", "timeout")
    with proxy(rfc862.addresses[0], *faults) as running:
        assert len(ask(running, "/proxies/faultproxy/toxics")[1]) == 4
        ask(running, "/proxies/faultproxy", "POST", {"enabled": False})
        assert ask(running, "/reset", "POST") == (204, "")
        after = ask(running, "/proxies/faultproxy")[1]
        assert (after["toxics"], after["enabled"]) == ([], True)


def test_bad_requests(rfc862: Running) -> None:
    """Each gets toxiproxy's status and a sentence; a body without end is cut off."""
    toxics = "/proxies/faultproxy/toxics"
    with proxy(rfc862.addresses[0], "latency") as running:
        for method, path, body, status, sentence in (
            ("GET", "/nowhere", None, 404, "there is no such path"),
            ("PUT", "/proxies", None, 405, "only GET, POST can be done here"),
            ("GET", "/proxies/x", None, 404, "proxy not found"),
            ("DELETE", "/proxies/x", None, 404, "proxy not found"),
            ("POST", "/proxies/x/toxics", {"type": "latency"}, 404, "proxy not found"),
            ("GET", f"{toxics}/x", None, 404, "toxic not found"),
            ("DELETE", f"{toxics}/x", None, 404, "toxic not found"),
            ("POST", "/proxies", b"{", 400, "bad request body"),
            ("POST", "/proxies", b"[" * 100_000, 400, "bad request body"),
            ("POST", "/proxies", b'{"name": "\\ud800", "upstream": "a:1"}', 400, "surrogates not allowed"),
            ("POST", "/proxies", [], 400, "an object is wanted"),
            ("POST", "/proxies", {"upstream": "a:1"}, 400, "missing required field: name"),
            ("POST", "/proxies", {"name": "a"}, 400, "missing required field: upstream"),
            ("POST", "/proxies", {"name": 5, "upstream": "a:1"}, 400, "name is a string"),
            ("POST", "/proxies", {"name": "a", "upstream": "a"}, 400, "neither HOST:PORT nor an endpoint"),
            ("POST", "/proxies", {"name": "a", "upstream": "a:1", "listen": "a:99999"}, 400, "at most 65535"),
            ("POST", "/proxies", {"name": "a", "upstream": "a:1", "enabled": "x"}, 400, "enabled is true or false"),
            ("POST", "/proxies", {"name": "faultproxy", "upstream": "a:1"}, 409, "proxy already exists"),
            ("POST", "/proxies", {"name": "a", "upstream": "a:1", "listen": running.addresses[0]}, 500, "in use"),
            ("POST", "/populate", {}, 400, "a list is wanted"),
            ("POST", "/populate", [5], 400, "a list of objects is wanted"),
            ("POST", toxics, {"type": "latency"}, 409, "toxic already exists"),
            ("POST", toxics, {"type": "latency", "toxicity": 5}, 400, "toxicity is a number from 0 to 1"),
            ("POST", f"{toxics}/latency_downstream", {"attributes": {"latency": -1}}, 400, "at least 0, not -1"),
        ):
            answer = ask(running, path, method, body)
            assert answer[0] == answer[1]["status"] == status, (path, body, answer)
            assert sentence in answer[1]["error"], (path, body, answer)
        with connect(api_of(running)) as client:
            client.sendall(b"POST /proxies HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n")
            with suppress(OSError):
                client.sendall(bytes(2**22))
            with suppress(ConnectionResetError):
                assert client.recv(1) == b""


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--fault", "latency"], "--upstream is missing: where does the proxy lead to?"),
        (["--upstream", "here"], "--upstream here is neither HOST:PORT nor an endpoint"),
        (["--upstream", ":5"], "--upstream :5 doesn't say on which host"),
        (["--upstream", "a:1", "--fault", "nope"], "--fault nope: there is no fault 'nope'"),
        (["--upstream", "a:1", "--fault", "latency", "--fault", "latency"], "--fault latency: there is a fault"),
        (["--upstream", "a:1", "--fault", "drop_message"], "drop_message needs a codec"),
        (["--codec", "nope"], "--codec: there is no specimen 'nope'"),
        (["--codec", "echo"], "--codec: echo is a stream of bytes, without messages"),
        (["--seed", "x"], "--seed: 'x' isn't a whole number"),
        (["--api", "nope:"], "--api nope: isn't an endpoint"),
        (["--workers", "2"], "--workers: the proxy is one process"),
    ],
)
def test_bad_options(words: list[str], sentence: str) -> None:
    """A bad option is one sentence, and status 64."""
    done = command("twistd", "-n", "--pidfile=", "faultproxy", *words)
    assert (done.returncode, done.stderr.count(b"\n")) == (64, 1), done.stderr
    assert done.stderr.decode().startswith("twistd faultproxy: ")
    assert sentence in done.stderr.decode()


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """Where it can't listen it ends with one sentence and status 69, for the API as well; an old capture stays."""
    old = tmp_path / "old.pcapng"
    old.write_bytes(b"kept")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for words in (
            ["--upstream", "a:1", "--listen", f"tcp:{port}:interface=127.0.0.1", "--api", ""],
            ["--api", f"tcp:{port}:interface=127.0.0.1"],
        ):
            done = command("twistd", "-n", "--pidfile=", "faultproxy", *words, "--capture", str(old))
            assert done.returncode == 69, done.stderr
            assert old.read_bytes() == b"kept"
            assert b"Address already in use\n" in done.stdout + done.stderr
