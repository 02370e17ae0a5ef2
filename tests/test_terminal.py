"""The interactive client in a real pseudo-terminal, whose screen pyte draws."""

import os
import select
import signal
import socket
import termios
import time
from threading import Event
from typing import Self

import pyte

from tests.processes import DEADLINE, Running, answering, receive, service
from tests.pseudo_terminal import COLUMNS, ROWS, open_terminal, start_in

LEFT, UP, HOME, BACKSPACE, ENTER = "\x1b[D", "\x1b[A", "\x1b[H", "\x7f", "\r"
CTRL_C, CTRL_D = "\x03", "\x04"


class Screen(pyte.Screen):
    """A screen that answers when the program asks the terminal something, as where its cursor is."""

    def __init__(self, terminal: int) -> None:
        super().__init__(COLUMNS, ROWS)
        self._terminal = terminal

    def write_process_input(self, data: str) -> None:
        """Send an answer to the program."""
        os.write(self._terminal, data.encode())


class Terminal:
    """A pseudo-terminal with `twisted-lab WORDS` in it."""

    def __init__(self, *words: str) -> None:
        self._master, self._slave = open_terminal()
        self.before = termios.tcgetattr(self._slave)
        self._screen = Screen(self._master)
        self._stream = pyte.ByteStream(self._screen)
        self._process = start_in(self._slave, "twisted-lab", *words)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(DEADLINE)
        os.close(self._master)
        os.close(self._slave)

    @property
    def lines(self) -> list[str]:
        """What is on the screen."""
        return [line.rstrip() for line in self._screen.display if line.strip()]

    def type(self, *keys: str) -> None:
        """Press keys; a surrogate stands for a byte that isn't UTF-8, as everywhere in Python."""
        os.write(self._master, "".join(keys).encode(errors="surrogateescape"))

    def kill(self, with_signal: int) -> None:
        """Send the command a signal."""
        self._process.send_signal(with_signal)

    def wait_for(self, *lines: str) -> None:
        """Wait until the last lines on the screen are these."""
        deadline = time.monotonic() + DEADLINE
        while self.lines[-len(lines) :] != [*lines]:
            assert time.monotonic() < deadline, f"waited for {lines} in vain: {self.lines}"
            self._draw(0.1)

    def wait_for_end_of_prompt(self) -> None:
        """Wait until the terminal is as it was before: Ctrl-C is a signal again."""
        deadline = time.monotonic() + DEADLINE
        while termios.tcgetattr(self._slave) != self.before:
            assert time.monotonic() < deadline, f"still prompting: {self.lines}"
            self._draw(0.1)

    def wait(self) -> int:
        """Wait until the command has ended; give its status. The terminal must be as it was before."""
        deadline = time.monotonic() + DEADLINE
        while self._process.poll() is None:
            assert time.monotonic() < deadline, f"still running: {self.lines}"
            self._draw(0.1)
        self._draw(0)
        assert termios.tcgetattr(self._slave) == self.before
        return self._process.wait()

    def _draw(self, seconds: float) -> None:
        """Draw what the program writes, once, if it comes within so many seconds."""
        if select.select([self._master], [], [], seconds)[0]:
            self._stream.feed(os.read(self._master, 65536))


def test_a_line_and_its_echo(echo: Running) -> None:
    """A line that is typed comes back below it; Ctrl-D ends with status 0."""
    with Terminal("echo", echo.addresses[0]) as terminal:
        terminal.wait_for(">")
        terminal.type("hello", ENTER)
        terminal.wait_for("> hello", "echo hello", ">")
        terminal.type("你好,世界", ENTER)
        terminal.wait_for("> hello", "echo hello", "> 你好,世界", "echo 你好,世界", ">")
        terminal.type(CTRL_D)
        assert terminal.wait() == 0


def test_line_editing(echo: Running) -> None:
    """Arrows, Backspace and Home work while a line is typed; the up arrow brings the last one back."""
    with Terminal("echo", echo.addresses[0]) as terminal:
        terminal.wait_for(">")
        terminal.type("wrldx", BACKSPACE, LEFT, LEFT, LEFT, "o", HOME, "the ", ENTER)
        terminal.wait_for("> the world", "echo the world", ">")
        terminal.type(UP, "!", ENTER)
        terminal.wait_for("> the world", "echo the world", "> the world!", "echo the world!", ">")
        terminal.type(CTRL_D)
        assert terminal.wait() == 0


def test_an_empty_line(echo: Running) -> None:
    """Enter alone sends nothing, and gives the next prompt."""
    with Terminal("echo", echo.addresses[0]) as terminal:
        terminal.wait_for(">")
        terminal.type(ENTER, "hello", ENTER)
        terminal.wait_for(">", "> hello", "echo hello", ">")
        terminal.type(CTRL_D)
        assert terminal.wait() == 0


def test_what_is_not_utf_8(echo: Running) -> None:
    """A byte that isn't UTF-8, from a terminal that is set up otherwise, is sent as it is."""
    with Terminal("echo", echo.addresses[0]) as terminal:
        terminal.wait_for(">")
        terminal.type("caf\udcff", ENTER)
        terminal.wait_for(r"echo caf\xff", ">")
        terminal.type(CTRL_D)
        assert terminal.wait() == 0


def test_ctrl_c(echo: Running) -> None:
    """Ctrl-C at the prompt ends with status 130, without a word."""
    with Terminal("echo", echo.addresses[0]) as terminal:
        terminal.wait_for(">")
        terminal.type("half a li")
        terminal.wait_for("> half a li")
        terminal.type(CTRL_C)
        assert terminal.wait() == 130
        assert terminal.lines == ["> half a li"]


def test_sigterm(echo: Running) -> None:
    """SIGTERM at the prompt ends the command, without a word and with the terminal as it was before."""
    with Terminal("echo", echo.addresses[0]) as terminal:
        terminal.wait_for(">")
        terminal.kill(signal.SIGTERM)
        assert terminal.wait() != 0
        assert terminal.lines == [">"]


def test_the_server_goes_away() -> None:
    """When the server ends, the prompt does too: one sentence, and status 69."""
    with service("echo") as running, Terminal("echo", running.addresses[0]) as terminal:
        terminal.wait_for(">")
        terminal.type("half a li")
        terminal.wait_for("> half a li")
        running.stop()
        assert terminal.wait() == os.EX_UNAVAILABLE
        assert terminal.lines == ["> half a li", "twisted-lab: the server closed the connection"]


def test_the_server_is_killed() -> None:
    """When the server is killed it is the same as when it ends."""
    with service("echo") as running, Terminal("echo", running.addresses[0]) as terminal:
        terminal.type("hello\r")
        terminal.wait_for("> hello", "echo hello", ">")  # until it has accepted the connection, its end is a reset
        running.stop(signal.SIGKILL)
        assert terminal.wait() == os.EX_UNAVAILABLE
        assert terminal.lines[-1] == "twisted-lab: the server closed the connection"


def test_nobody_there() -> None:
    """A refused connection is one sentence and status 69, and no prompt."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        with Terminal("echo", address) as terminal:
            assert terminal.wait() == os.EX_UNAVAILABLE
            assert terminal.lines == [f"twisted-lab: can't connect to {address}: Connection refused"]


def test_control_characters_are_shown() -> None:
    """What a hostile server sends to rewrite the terminal is shown as escapes, and does nothing."""

    def attack(connection: socket.socket) -> None:
        receive(connection, 5)
        connection.sendall(b"\x1b[2J\x1b]0;owned\x07\x9b1m\x00\x7f\xff")

    with answering(attack) as address, Terminal("echo", address) as terminal:
        terminal.wait_for(">")
        terminal.type("hello", ENTER)
        terminal.wait_for("> hello", r"\x1b[2J\x1b]0;owned\x07\x9b1m\x00\x7f\xff", ">")
        terminal.type(CTRL_D)
        assert terminal.wait() == 0


def test_what_comes_while_a_line_is_typed() -> None:
    """What the server sends while a line is half typed is shown above it, and the line can be completed."""
    typed, received = Event(), []

    def interrupt(connection: socket.socket) -> None:
        typed.wait(DEADLINE)
        connection.sendall(b"by the way")
        received.append(receive(connection, 5))

    with answering(interrupt) as address, Terminal("echo", address) as terminal:
        terminal.wait_for(">")
        terminal.type("hel")
        terminal.wait_for("> hel")
        typed.set()
        terminal.wait_for("by the way", "> hel")
        terminal.type("lo", ENTER)
        terminal.wait_for("by the way", "> hello", ">")
        terminal.type(CTRL_D)
        assert terminal.wait() == 0
    assert received == [b"hello"]


def test_a_server_that_does_not_close(silent: str) -> None:
    """After Ctrl-D a server that doesn't close is waited for until --timeout: one sentence, status 69."""
    with Terminal("echo", silent, "--timeout", "0.5") as terminal:
        terminal.wait_for(">")
        terminal.type(CTRL_D)
        assert terminal.wait() == os.EX_UNAVAILABLE
        prompt, sentence = terminal.lines
        assert (prompt, sentence[:13], "0.5 s" in sentence) == (">", "twisted-lab: ", True)


def test_ctrl_c_while_the_server_does_not_close(silent: str) -> None:
    """While a server is waited for after Ctrl-D, Ctrl-C ends with status 130, without a word."""
    with Terminal("echo", silent, "--timeout", "1000") as terminal:
        terminal.wait_for(">")
        terminal.type(CTRL_D)
        terminal.wait_for_end_of_prompt()
        terminal.type(CTRL_C)
        assert terminal.wait() == 130
        assert terminal.lines == [">", "^C"]
