"""``filexfer --print-completion SHELL``: what a shell must read to complete our words."""

import argparse
import sys
from typing import Any, NoReturn

from twisted_lab.cli.parser import Parser


class PrintCompletion(argparse.Action):
    """Print the script for a shell, and exit; the library shtab writes it, from the parser."""

    def __init__(self, option_strings: Any, dest: str, help: str) -> None:  # noqa: A002  # argparse's name
        super().__init__(option_strings, argparse.SUPPRESS, choices=["bash", "zsh", "fish"], help=help)

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option_string: Any = None
    ) -> NoReturn:
        """Print it."""
        import shtab

        if isinstance(parser, Parser):
            parser.complete()
        sys.stdout.write(shtab.complete(parser, values))
        parser.exit()
