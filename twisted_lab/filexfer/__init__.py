"""
File transfer that is verified, resumable and durable.

`connect` leads to a server's `Files`. What stands here is imported when it is first used: who wants an error or a name
needn't load all of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twisted_lab.filexfer.client.connecting import connect
    from twisted_lab.filexfer.client.files import Files
    from twisted_lab.filexfer.client.watch import Watch
    from twisted_lab.filexfer.conditions import Condition, Durability
    from twisted_lab.filexfer.errors import FilexferError
    from twisted_lab.filexfer.receipt import Receipt
    from twisted_lab.filexfer.small_file import SmallFile
    from twisted_lab.filexfer.status import Entry, Status

__all__ = [
    "Condition",
    "Durability",
    "Entry",
    "Files",
    "FilexferError",
    "Receipt",
    "SmallFile",
    "Status",
    "Watch",
    "connect",
]

_HOMES = {
    "Condition": "conditions",
    "Durability": "conditions",
    "Entry": "status",
    "Files": "client.files",
    "FilexferError": "errors",
    "Receipt": "receipt",
    "SmallFile": "small_file",
    "Status": "status",
    "Watch": "client.watch",
    "connect": "client.connecting",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
