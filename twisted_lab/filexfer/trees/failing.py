"""Which failures concern one file, and which end everything."""

from collections.abc import Iterator
from contextlib import contextmanager

from twisted_lab.filexfer.errors import DisconnectedError, FilexferError, NoSpaceError, QuotaExceededError
from twisted_lab.filexfer.names import Name
from twisted_lab.filexfer.trees.report import Report, path_of

#: After these nothing else could be done either.
FATAL = (DisconnectedError, NoSpaceError, QuotaExceededError)


def fail(report: Report, name: Name, error: FilexferError) -> None:
    """Tell `report` what couldn't be done, and raise it if nothing else can be done either."""
    report.failed(path_of(name), error)
    if isinstance(error, FATAL):
        raise error


@contextmanager
def reported(report: Report, name: Name) -> Iterator[None]:
    """Tell `report` of what is raised, and go on after the block unless it ends everything."""
    try:
        yield
    except FilexferError as error:
        fail(report, name, error)
