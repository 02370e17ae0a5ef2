"""
A client with several connections at once, in one thread.

`connect_ex` begins a connection and doesn't wait for it: the kernel tells, as it tells that a socket takes bytes,
when it is there, and `SO_ERROR` then says whether it came about. On a byte stream an answer has no end; this client
knows how many bytes must come back, because it knows the prefix, and it reads until it has them.
"""

import argparse
import errno
import os
import signal
import socket
import sys
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector

from twisted_lab.models.command import CHUNK, HOST, PORT, PREFIX

#: Seconds without anything from any server after which it gives up.
PATIENCE = 10.0


class Conversation:
    """One connection: the messages that are still to be sent, one after the other, each when the last is answered."""

    def __init__(self, number: int, messages: list[bytes], prefix: bytes) -> None:
        self.number = number
        self.messages = messages
        self.prefix = prefix
        self.connection = socket.socket()
        self.connection.setblocking(False)
        self.unsent = b""
        self.due = b""
        self.answer = b""

    def begin(self, address: tuple[str, int]) -> None:
        """Begin to connect."""
        error = self.connection.connect_ex(address)
        if error not in {0, errno.EINPROGRESS}:
            raise OSError(error, os.strerror(error))

    def act(self, events: int) -> int:
        """Do what can be done now; give the events to wait for next, none when all is answered."""
        if error := self.connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, os.strerror(error))
        if events & EVENT_READ:
            self.receive()
        if len(self.answer) == len(self.due) and not self.unsent:
            if not self.messages:
                return 0
            self.unsent = self.messages.pop(0)
            self.due, self.answer = self.prefix + self.unsent, b""
            print(f"connection {self.number}: sends {self.unsent!r}")
        if self.unsent and events & EVENT_WRITE:
            self.unsent = self.unsent[self.connection.send(self.unsent) :]
        return EVENT_READ | (EVENT_WRITE if self.unsent else 0)

    def receive(self) -> None:
        """Take what has come, and print it when it is complete."""
        data = self.connection.recv(CHUNK)
        if not data:
            raise ConnectionError("the server closed the connection")
        self.answer += data
        if len(self.answer) > len(self.due):
            raise ConnectionError(
                "more came back than was due: the message was read in pieces, or there is another prefix"
            )
        if len(self.answer) == len(self.due):
            if self.answer != self.due:
                raise ConnectionError(f"{self.answer!r} came back, and {self.due!r} was due")
            print(f"connection {self.number}: received {self.answer!r}")


def talk(address: tuple[str, int], count: int, messages: list[bytes], prefix: bytes) -> None:
    """Send all messages over each of `count` connections, and return when all are answered."""
    with DefaultSelector() as selector:
        for number in range(1, count + 1):
            conversation = Conversation(number, [*messages], prefix)
            conversation.begin(address)
            selector.register(conversation.connection, EVENT_WRITE, conversation)
        while selector.get_map():
            ready = selector.select(PATIENCE)
            if not ready:
                raise TimeoutError(f"nothing came for {PATIENCE:g} s")
            for key, events in ready:
                wanted = key.data.act(events)
                if wanted:
                    selector.modify(key.fileobj, wanted, key.data)
                else:
                    selector.unregister(key.fileobj)
                    key.data.connection.close()


def main() -> None:
    """Read the command line, and talk."""
    parser = argparse.ArgumentParser(description="Talk to an echo server over several connections at once.")
    parser.add_argument("host", nargs="?", default=HOST)
    parser.add_argument("port", nargs="?", default=PORT, type=int)
    parser.add_argument("--connections", "-c", type=int, default=2, help="how many (default: 2)")
    parser.add_argument("--message", "-m", action="append", help="one to send; may be given again")
    parser.add_argument("--prefix", default=PREFIX, help=f"what the server puts before it (default: {PREFIX!r})")
    arguments = parser.parse_args()
    if not 1 <= arguments.port < 2**16:
        parser.error(f"a port is in 1 … 65535, not {arguments.port}")
    if arguments.connections < 1:
        parser.error("there must be one connection at least")
    if arguments.message and "" in arguments.message:
        parser.error("a message has one byte at least: nothing else is ever answered")
    messages = [_encode(text) for text in arguments.message or ["Message 1 from client.", "Message 2 from client."]]
    try:
        talk((arguments.host, arguments.port), arguments.connections, messages, _encode(arguments.prefix))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except OSError as error:
        print(f"{arguments.host}:{arguments.port}: {error.strerror or error}", file=sys.stderr)
        sys.exit(os.EX_UNAVAILABLE)


def _encode(text: str) -> bytes:
    return text.encode(errors="surrogateescape")  # bytes that are no text stay what they are


if __name__ == "__main__":
    main()
