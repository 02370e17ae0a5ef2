"""``twisted-lab echo``: the tutorial's interactive client, its multi-connection client, and a pipe."""

import argparse
import sys
from typing import Any

from twisted_lab.cli.session import run_in_reactor


def run(arguments: argparse.Namespace) -> int:
    """Run the client that `arguments` ask for; give the exit status."""
    if arguments.messages:
        from twisted_lab.cli.echo_messages import send_messages as work
    elif sys.stdin.isatty() and sys.stdout.isatty():
        # The line editor runs on asyncio; a reactor is chosen before it is first imported.
        from twisted.internet import asyncioreactor

        asyncioreactor.install()
        from twisted_lab.cli.echo_terminal import talk as work
    else:
        from twisted_lab.cli.echo_pipe import pipe as work

    async def main(reactor: Any) -> int:
        return await work(reactor, arguments)

    return run_in_reactor(main)
