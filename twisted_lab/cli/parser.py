"""How a command reads its words: mistakes are one sentence, and what only ``--version`` needs is imported for it."""

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn

#: What a server's address may be.
TARGET_HELP = "HOST:PORT, HOST, or a Twisted client endpoint: tls:HOST:PORT, unix:PATH (default: %s)"


class Parser(argparse.ArgumentParser):
    """
    An argument parser that ends with status 64 (EX_USAGE) and one sentence.

    `describe` adds a verb's options when they are first wanted: of all verbs a command has one.
    """

    _mixing = False

    def __init__(self, *arguments: Any, describe: "Callable[[Parser], object] | None" = None, **options: Any) -> None:
        super().__init__(*arguments, **{"formatter_class": _Formatter, **options})
        self._describe = describe

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Let a verb's options stand anywhere among its words."""
        self._complete()
        if self._mixing or self._subparsers is not None:
            return super().parse_known_args(args, namespace)
        self._mixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._mixing = False

    def complete(self) -> None:
        """Add the options of all verbs, for whoever wants to see them all."""
        self._complete()
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001  # there is no other way to its parsers
                for verb in action.choices.values():
                    verb.complete()

    def _complete(self) -> None:
        describe, self._describe = self._describe, None
        if describe is not None:
            describe(self)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong."""
        self.exit(os.EX_USAGE, f"{self.prog}: {message}; see {self.prog} --help\n")


class _Formatter(argparse.HelpFormatter):
    """As wide as the terminal, without shutil, which argparse would ask and which imports all that compresses."""

    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog, **{"width": _columns() - 2, **options})


def _columns() -> int:
    """Give what COLUMNS says, or else the terminal, or else 80."""
    wanted = os.environ.get("COLUMNS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


class ShowVersion(argparse.Action):
    """``--version``: print the installed version, and exit."""

    def __init__(self, option_strings: Any, dest: str) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help="show program's version number and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        """Print ``PROGRAM VERSION``."""
        from importlib.metadata import version  # as long to import as all the rest of a command line

        sys.stdout.write(f"{parser.prog} {version('twisted-lab')}\n")
        parser.exit()
