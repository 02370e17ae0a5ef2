"""What is told while trees are transferred, and what is counted."""

from twisted_lab.filexfer.client.watch import Watch
from twisted_lab.filexfer.errors import FilexferError, SourceChangedError
from twisted_lab.filexfer.names import Name
from twisted_lab.filexfer.receipt import Receipt
from twisted_lab.filexfer.trees.plan import Action


class Report:
    """
    Takes notice of all that happens to a tree, in the reactor's thread; to be subclassed by who wants to show it.

    Paths are names in the tree joined by ``/``, the empty one its top; they aren't fit to print. The counts are of
    files, directories or links; `*_bytes` of bytes. `found` may still grow while files are transferred.
    """

    def __init__(self) -> None:
        self.found_files = self.found_bytes = 0
        self.done_files = self.done_bytes = 0
        self.made_directories = self.made_links = self.removed_names = 0
        self.unchanged_files = self.skipped_names = 0
        #: Of the failures, those where the source changed or went.
        self.failures = self.changed_sources = 0

    def planned(self, action: Action) -> None:
        """Take notice of what will be done next; a dry run has the same actions in the same order."""

    def found(self, path: str, size: int) -> None:
        """Take notice of a file to be transferred."""
        self.found_files += 1
        self.found_bytes += size

    def done(self, path: str, receipt: Receipt) -> None:
        """Take notice of a file that was transferred."""
        self.done_files += 1
        self.done_bytes += receipt.size

    def failed(self, path: str, error: FilexferError) -> None:
        """Take notice of what couldn't be done; the rest goes on."""
        self.failures += 1
        self.changed_sources += isinstance(error, SourceChangedError)

    def skipped(self, path: str, why: str) -> None:
        """Take notice of what isn't carried; `why` in a few words."""
        self.skipped_names += 1

    def made(self, path: str) -> None:
        """Take notice of a directory that is there now, or was."""
        self.made_directories += 1

    def linked(self, path: str, target: str) -> None:
        """Take notice of a link that was made."""
        self.made_links += 1

    def removed(self, path: str) -> None:
        """Take notice of what was removed."""
        self.removed_names += 1

    def unchanged(self, path: str) -> None:
        """Take notice of a file or link that needn't be transferred."""
        self.unchanged_files += 1

    def watch(self, path: str, size: int) -> Watch | None:
        """Give what is told of the progress of a file, and may slow it down."""
        return None


def path_of(name: Name) -> str:
    """Give `name` as a report has it."""
    return "/".join(name)
