"""
Serve anybody's factory: ``python -m twisted_lab.experiments.host module:Factory``.

It takes a free port of 127.0.0.1 and says which, as the models do. What goes wrong in the factory's protocols is
printed. A factory that can't be had is one sentence and exit status 64.
"""

import os
import sys
from importlib import import_module
from typing import Any

from twisted.internet.interfaces import IProtocol, IProtocolFactory
from twisted.logger import globalLogBeginner, textFileLogObserver

from twisted_lab.experiments.server import HOST


def find_factory(reference: str) -> Any:
    """Give the factory that ``module:attribute`` names, or makes when it is called; `LookupError` if there is none."""
    module, colon, attribute = reference.partition(":")
    if not (module and colon and attribute):
        raise LookupError(f"{reference!r} isn't module:Factory")
    try:
        found = import_module(module)
    except SystemExit as error:
        raise LookupError(f"{module!r} exited when it was imported{_status(error)}") from error
    except Exception as error:  # whatever the reader's module raises is theirs to know
        raise LookupError(f"{module!r} can't be imported: {type(error).__name__}: {error}") from error
    if not hasattr(found, attribute):
        raise LookupError(f"there is no {attribute} in {module}")
    factory = getattr(found, attribute)
    if isinstance(factory, type) and IProtocol.implementedBy(factory):
        raise LookupError(f"{attribute} is a protocol; Factory.forProtocol({attribute}) makes a factory for it")
    if isinstance(factory, type) or not IProtocolFactory.providedBy(factory):
        try:
            factory = factory()
        except SystemExit as error:
            raise LookupError(f"{attribute}() exited{_status(error)}") from error
        except Exception as error:
            raise LookupError(f"{attribute}() raised {type(error).__name__}: {error}") from error
    if not IProtocolFactory.providedBy(factory):
        raise LookupError(f"{attribute} gives no factory of Twisted's but a {type(factory).__name__}")
    return factory


def _status(ended: SystemExit) -> str:
    """Give what it was called with: a status, or a sentence in place of one."""
    return f": {ended.code}" if isinstance(ended.code, str) else f", with status {ended.code or 0}"


def main() -> None:
    """Serve until the process is ended."""
    globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stderr)], redirectStandardIO=False)
    try:
        factory = find_factory(sys.argv[1])
    except LookupError as error:
        print(error, file=sys.stderr)
        sys.exit(os.EX_USAGE)
    reactor: Any = import_module("twisted.internet.reactor")  # not before: the reader's module may have chosen one
    port = reactor.listenTCP(0, factory, 1024, HOST)
    print(f"host listens on {HOST}:{port.getHost().port}", flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
