"""A file server and its client in one program: serve a directory, put a file into it, and get it back."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.endpoints import serverFromString
from twisted.internet.task import react
from twisted.internet.threads import deferToThreadPool

from twisted_lab.filexfer import Condition, FilexferError, connect
from twisted_lab.filexfer.modes import Mode
from twisted_lab.filexfer.server.accounts import Accounts
from twisted_lab.filexfer.server.factory import FilexferFactory

SERVED = Path("served")


async def main(reactor: Any, source: Path) -> None:
    """Serve `SERVED`, be its client, and print the receipts."""
    # Disks may take their time: whatever blocks goes to the reactor's threads.
    in_thread = partial(deferToThreadPool, reactor, reactor.getThreadPool())
    accounts = Accounts(SERVED, in_thread, anonymous=Mode.READ_WRITE)
    factory = FilexferFactory(reactor, accounts, in_thread)
    port = await serverFromString(reactor, "tcp:0:interface=127.0.0.1").listen(factory)
    try:
        async with connect(reactor, f"127.0.0.1:{port.getHost().port}") as files:
            receipt = await files.put(source, "copy")
            print(f"put: {receipt.size} bytes, {receipt.digest}, on disk: {receipt.durability.value}")
            receipt = await files.get("copy", "back")
            print(f"got: {receipt.size} bytes, {receipt.digest}, in {receipt.path}")
            async for entry in files.list():
                print(f"there is {entry.shown}, a {entry.status.kind}")
            try:
                await files.put(source, "copy", condition=Condition(absent=True))
            except FilexferError as error:
                print(f"{error.code}: {error}")
    finally:
        await port.stopListening()
        await factory.shutdown(1.0)
        accounts.close()


SERVED.mkdir(exist_ok=True)
react(main, [Path(sys.argv[1])])
