"""How a command starts and ends, in a process of its own: it is about all that the process holds."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.trial.unittest import SynchronousTestCase

from tests.processes import command

_VERB = """
import gc, sys, weakref

class Cycle:
    def __init__(self):
        self.self = self

def run():
    gone = weakref.ref(Cycle())
    for _ in range(10**5):  # enough that garbage is looked for
        Cycle()
    sys.stdout.write(f"{gone() is None} {gc.get_freeze_count() > 1000}")
    return 3
"""
_COMMAND = "from twisted_lab.cli.entry import load, run_command; run_command('test', lambda: load('verb').run())"


class RunCommandTests(SynchronousTestCase):
    """`load` and `run_command`."""

    def test_garbage(self) -> None:
        """What a verb leaves behind is collected while it runs; its modules aren't looked at for that."""
        with TemporaryDirectory() as directory:
            Path(directory, "verb.py").write_text(_VERB, encoding="utf-8")
            done = command(sys.executable, "-c", _COMMAND, cwd=Path(directory))
        self.assertEqual((done.returncode, done.stdout, done.stderr), (3, b"True True", b""))
