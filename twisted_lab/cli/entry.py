"""What surrounds a command, whatever it does: its standard streams, its modules, and the status that it ends with."""

import gc
import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import NoReturn


def run_command(program: str, work: Callable[[], int]) -> NoReturn:
    """Exit with the status that `work` gives: 130 if interrupted, 141 if nobody reads the output any more."""
    try:
        status = work()
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:
        _drop_output()
        status = 128 + signal.SIGPIPE  # who reads our output has seen enough
    except OSError as error:
        _drop_output()
        sys.stderr.write(f"{program}: can't write standard output: {error.strerror}\n")
        status = os.EX_IOERR
    gc.freeze()  # else the interpreter looks through all of it for garbage, several times, before it ends
    sys.exit(status)


def load(name: str) -> ModuleType:
    """
    Import the module of a verb, which takes longer than most verbs do.

    Modules leave next to no garbage behind when they are imported, and stay to the end: it isn't looked for meanwhile,
    nor among them later.
    """
    gc.disable()
    module = import_module(name)
    gc.freeze()
    gc.enable()
    return module


def open_standard_streams() -> None:
    """See that descriptors 0 to 2 are open: a socket that got one of them would be taken for the user's file."""
    for stream in ("stdin", "stdout", "stderr"):
        if getattr(sys, stream) is None:
            mode = os.O_WRONLY if stream == "stderr" else os.O_RDONLY  # writing to standard output is an error then
            descriptor = os.open(os.devnull, mode)
            setattr(sys, stream, os.fdopen(descriptor, "r" if stream == "stdin" else "w"))
    # What the user's encoding hasn't got is shown as an escape.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _drop_output() -> None:
    """Let go nowhere what the interpreter still has to flush."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
