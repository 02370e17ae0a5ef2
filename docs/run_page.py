"""
Run the console blocks of a page as a reader would, and say where they print something else than the page shows.

    python docs/run_page.py docs/services.rst

A block is ``.. code-block:: console``. A line that begins with ``$`` is a command, the lines up to the next one are
what it prints, standard error included. Three things make a page readable and still exact:

- ``...`` stands for anything; on a line of its own, for any lines. What differs from run to run (times, ephemeral
  ports, versions, paths) is made equal before the two are compared: see `VARYING`.
- In a block with ``:class: measured`` every number is as good as another, with its unit, and each bar, and what a table
  says of two that differ or don't. That the load was late, as it is on a busy machine, isn't counted as seen; says a
  command nothing else, it couldn't measure here, and that is enough. Nor is it that a server left clients waiting, as
  one does that stood still with the machine.
- A block with ``:class: server`` holds one command that goes on running, in a terminal of its own, while the blocks
  below it run. It takes the place of the servers before it, unless it has ``--pidfile=`` and so can run beside them.
  What it logs until it is stopped must begin with what is shown.
- A command whose output has lines that begin with ``>`` is run in a pseudo-terminal: such a line is what the reader
  types at the prompt, ``^D`` for Ctrl-D.

Commands run in a temporary directory that holds a copy of docs/examples, with a virtual environment of their own that
sees the packages of this one. Where the system allows it they also get a network of their own, so the default ports
are free and nothing is left running; elsewhere pages take turns.
"""

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import sysconfig
import tempfile
import termios
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

DEADLINE = 90.0  # seconds that a command, or a server's start, may take
DOCS = Path(__file__).parent
OWN_NETWORK = ["unshare", "--user", "--map-root-user", "--net", "--fork", "--kill-child"]
#: So that nothing is left running; /proc must show the same processes, or what looks there finds others.
OWN_PROCESSES = ["--pid", "--mount-proc"]
LOOPBACK_UP = "ip link set lo up"
VARYING: list[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]] = [
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}"), "TIME"),
    (re.compile(r"twistd [\d.]+ \(\S+ [\d.]+\)"), "twistd VERSION (PYTHON)"),
    (re.compile(r"(?<=reactor class: )\S+"), "REACTOR"),  # each platform has its own default
    (re.compile(r"twisted-lab \d+\.\d+\.\d+\S*"), "twisted-lab VERSION"),
    (re.compile(r"(127\.0\.0\.1|::1\]):[3-6]\d{4}\b"), r"\1:PORT"),
    (re.compile(r"\d+\.\d{3} s\b"), "DURATION"),
    (re.compile(r"\b\d+\.\d{6}\b"), "SECONDS"),  # as captures have them
    (re.compile(r'^Running as user "root".*\n', re.MULTILINE), ""),  # what tshark says to root
    (re.compile(r"0x[0-9a-f]{8,}"), "ADDRESS"),
    (re.compile(r"\bPID \d+"), "PID"),
    (re.compile(r"\bworker \d+(?= starts| ended| twisted_lab)"), "worker PID"),
    (re.compile(r'"received-in": \d\d+'), '"received-in": MANY'),
    (re.compile(r"after \d+ bytes"), "after MANY bytes"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d\.\d+ [+-]\d{4})?"), "WHEN"),
    (re.compile(r'"mtime": \[\d+, \d+\]'), '"mtime": WHEN'),
    (re.compile(r"\b[0-9a-f]{16}\b"), "ETAG"),
    (re.compile(r"(?<=\.filexfer-)[0-9a-f]{32}"), "UNIQUE"),
    (re.compile(r"[\d.]+ [KM]iB (?=of it were there|are kept)"), "SOME "),
    (re.compile(r'(?<="seconds": )[\d.]+'), "DURATION"),
    (re.compile(r", \d+\.\d s, [\d.]+ (?:[KMG]i)?B/s$", re.MULTILINE), ""),  # only of what took a while
    # What experiments observe, their timelines, and where they are kept.
    (re.compile(r"^ +observed: .*", re.MULTILINE), lambda line: re.sub(r"\d[\d.]*", "FIGURE", line[0])),
    (re.compile(r"\|[-#* ]+\|$", re.MULTILINE), "|TIMELINE|"),
    (re.compile(r"^ +0 +\d+\.\d\d s$", re.MULTILINE), "SECONDS"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\dZ"), "WHEN"),
]
#: What a command says that couldn't measure, for others used the machine.
LATE = re.compile(
    r"^(twisted-lab: .*\b| *[\d,]+ messages/s: .* not known: )the load (sent|looked|used).*\n", re.MULTILINE
)
#: What is as good as another in a block of what was measured.
FIGURES = [
    (LATE, ""),
    (re.compile(r"^.*: the load was the bottleneck in .*\n", re.MULTILINE), ""),
    (re.compile(r"^.*: up to [\d,]+ (messages|of [\d,]+ connections?) had no answer .*\n", re.MULTILINE), ""),
    (re.compile(r"\bunserved\b"), "N"),
    (re.compile(r"≥ |no difference shown, | *(no difference shown|differs)$", re.MULTILINE), ""),
    (re.compile(r"\d[\d,.]*( (µs|ms|s|B|KiB|MiB)\b)?"), "N"),
    (re.compile(r"(?<= )-(?= |$)", re.MULTILINE), "N"),  # what couldn't be counted
    (re.compile(r"#+ *"), "# "),  # a bar
    (re.compile(r" +"), " "),
]
KINDS = ("server", "measured")
_BLOCK = re.compile(r"^( *)\.\. code-block:: console\n((?:\1 +:.*\n)*)\n((?:\1 +.*\n|\n)+)", re.MULTILINE)
_READY = re.compile(r" (listens|starting) on ")
_ESCAPE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[=>])|\r|\x07")


@dataclass
class Command:
    """A command of a page: the number of its line, its text, what it is, and the lines it is shown to print."""

    line: int
    text: str
    server: bool
    measured: bool
    shown: list[str] = field(default_factory=list)

    @property
    def typed(self) -> bool:
        """Whether the page shows someone typing into it."""
        return any(line.startswith(">") for line in self.shown)


def find_commands(text: str) -> list[Command]:
    """Give the commands of a page, in order."""
    commands: list[Command] = []
    for block in _BLOCK.finditer(text):
        first = text.count("\n", 0, block.start(3)) + 1
        lines = block[3].rstrip().split("\n")
        indent = len(lines[0]) - len(lines[0].lstrip())
        for number, line in enumerate(lines, first):
            if line[indent:].startswith("$ "):
                server, measured = (f":class: {kind}" in block[2] for kind in KINDS)
                commands.append(Command(number, line[indent + 2 :], server, measured))
            else:
                commands[-1].shown.append(line[indent:].rstrip())
    return commands


def matches(shown: list[str], seen: str, *, begins: bool = False) -> bool:
    """Whether `seen` is what a page shows, or `begins` with it."""
    pattern = "".join(
        r"(.*\n)*" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + r"\n"
        for line in _make_equal("\n".join(shown)).splitlines()
    )
    lines = "".join(f"{line.rstrip()}\n" for line in _make_equal(seen).rstrip().splitlines())
    return bool((re.match if begins else re.fullmatch)(pattern, lines))


def _make_equal(text: str) -> str:
    for pattern, constant in VARYING:
        text = pattern.sub(constant, text)
    return text


def _without_figures(text: str) -> str:
    for pattern, constant in FIGURES:
        text = pattern.sub(constant, text)
    return text


class Page:
    """A page that is run: its directory and environment, the servers that run, and what was wrong so far."""

    def __init__(self, path: Path, directory: Path, environment: dict[str, str]) -> None:
        self.commands = find_commands(path.read_text())
        self.faults: list[str] = []
        self._name = path.name
        self._directory = directory
        self._environment = environment
        self._servers: list[tuple[Command, subprocess.Popen[bytes], Path]] = []

    def run(self) -> None:
        """Run every command; `faults` says what went otherwise than shown."""
        try:
            for command in self.commands:
                if command.server:
                    self._serve(command)
                elif command.typed:
                    self._type(command)
                else:
                    self._run(command)
        finally:
            self._stop_servers()

    def _run(self, command: Command) -> None:
        with self._start(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
            try:
                seen = process.communicate(timeout=DEADLINE)[0].decode(errors="replace")
            except subprocess.TimeoutExpired:
                process.kill()
                seen = f"(nothing more for {DEADLINE:g} s)\n"
        if command.measured:
            as_shown = LATE.sub("", seen) == "" != seen or matches(
                [_without_figures(line) for line in command.shown], _without_figures(seen)
            )
        else:
            as_shown = matches(command.shown, seen)
        self._compare(command, seen, as_shown)

    def _serve(self, command: Command) -> None:
        if "--pidfile=" not in command.text:
            self._stop_servers()
        log = self._directory.parent / f"server-{command.line}.log"
        with log.open("wb") as output:
            process = self._start(command, stdin=subprocess.DEVNULL, stdout=output)
        self._servers.append((command, process, log))
        _wait(lambda: bool(_READY.search(log.read_text())) or process.poll() is not None)

    def _stop_servers(self) -> None:
        for command, process, log in self._servers:
            process.terminate()
            try:
                process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            seen = log.read_text()
            self._compare(command, seen, matches(command.shown, seen, begins=True))
        self._servers.clear()

    def _type(self, command: Command) -> None:
        """Type what is shown to be typed; wait for each shown line before going on."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
        seen = ""

        def appears(line: str) -> bool:
            nonlocal seen
            with suppress(OSError):  # nobody has the other end any more
                seen += os.read(ours, 65536).decode(errors="replace")
            return line in _ESCAPE.sub("", seen)

        with self._start(command, stdin=theirs, stdout=theirs) as process:
            os.close(theirs)
            os.set_blocking(ours, False)
            as_shown = _wait(lambda: appears(">"))
            for line in command.shown:
                if line == "> ^D":
                    os.write(ours, b"\x04")
                elif line.startswith("> "):
                    os.write(ours, line[2:].encode() + b"\r")
                else:
                    as_shown = as_shown and _wait(lambda line=line: appears(line))  # type: ignore[misc]
            as_shown = as_shown and _wait(lambda: appears("") and process.poll() is not None)
            process.kill()
        os.close(ours)
        self._compare(command, _ESCAPE.sub("", seen), as_shown)

    def _start(self, command: Command, stdin: int, stdout: object) -> "subprocess.Popen[bytes]":
        process: subprocess.Popen[bytes] = subprocess.Popen(
            ["bash", "-c", f"exec {command.text}" if command.server else command.text],
            cwd=self._directory,
            env=self._environment,
            stdin=stdin,
            stdout=stdout,  # type: ignore[call-overload]
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return process

    def _compare(self, command: Command, seen: str, as_shown: bool) -> None:  # noqa: FBT001  # what is compared
        if not as_shown:
            shown = "".join(f"    {line}\n" for line in command.shown)
            printed = "".join(f"    {line}\n" for line in seen.splitlines())
            self.faults.append(f"{self._name}:{command.line}: $ {command.text}\n  shown:\n{shown}  seen:\n{printed}")


def _wait(happened: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + DEADLINE
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _can_build() -> bool:
    """Whether packages can be built with what is installed; else pip fetches setuptools from the network."""
    try:
        return int(version("setuptools").partition(".")[0]) > 70  # the first ones that build wheels by themselves
    except PackageNotFoundError:
        return False


@contextmanager
def _workplace() -> Iterator[tuple[Path, dict[str, str]]]:
    """Give a directory with the examples, and an environment with a virtual environment of its own."""
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory) / "twisted-lab"
        shutil.copytree(DOCS / "examples", place / "docs" / "examples")
        own = Path(directory) / "venv"
        venv.create(own, symlinks=True)
        packages = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
        site = Path(sysconfig.get_path("purelib", vars={"base": str(own), "platbase": str(own)}))
        (site / "parent.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in packages))
        python = own / "bin" / "python"
        for script in ("twistd", "twist", "twisted-lab", "filexfer", "pip"):
            _, rest = (Path(sys.executable).parent / script).read_text().split("\n", 1)
            (own / "bin" / script).write_text(f"#!{python}\n{rest}")
            (own / "bin" / script).chmod(0o755)
        yield (
            place,
            {
                **os.environ,
                "PATH": f"{own / 'bin'}{os.pathsep}{os.environ['PATH']}",
                **({"PIP_NO_BUILD_ISOLATION": "0"} if _can_build() else {}),  # pip's word for: without isolation
                "PIP_DISABLE_PIP_VERSION_CHECK": "1",
                "PIP_ROOT_USER_ACTION": "ignore",
                "PROMPT_TOOLKIT_NO_CPR": "1",
                "PYTHONUNBUFFERED": "1",
                "TERM": "xterm",
            },
        )


def _enter_own_network(name: str) -> None:
    """Begin again in a network of our own, if that can be had; else return."""
    if not shutil.which("unshare"):
        return
    for enter in ([*OWN_NETWORK, *OWN_PROCESSES, "sh", "-c"], [*OWN_NETWORK, "sh", "-c"]):
        attempt = [*enter, LOOPBACK_UP]
        if subprocess.run(attempt, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            again = [f'{LOOPBACK_UP} && exec "$@"', "sh", sys.executable, __file__, "--inside", name]
            os.execvp(enter[0], [*enter, *again])  # noqa: S606  # no shell but our own


def main() -> None:
    """Run the page that the command line names; exit with 1, and say where, if it isn't as shown."""
    *inside, name = sys.argv[1:]
    if not inside:
        _enter_own_network(name)
    with ExitStack() as stack:
        if not inside:
            lock = stack.enter_context((Path(tempfile.gettempdir()) / "twisted-lab-docs.lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        directory, environment = stack.enter_context(_workplace())
        page = Page(Path(name), directory, environment)
        page.run()
    sys.stdout.write("".join(page.faults) + f"{name}: {len(page.commands)} commands run\n")
    sys.exit(bool(page.faults))


if __name__ == "__main__":
    main()
