"""What happens to a tree, told as what happens to places."""

from twisted_lab.cli.filexfer.place import Local, Place, inside
from twisted_lab.cli.filexfer.session import Session, Transfer
from twisted_lab.filexfer.errors import FilexferError
from twisted_lab.filexfer.receipt import Receipt
from twisted_lab.filexfer.trees import plan
from twisted_lab.filexfer.trees.report import Report, path_of


class TreeReport(Report):
    """
    Tells the session's report of a tree on its way from `source` to `target`.

    People are told of each file only by a dry run; of what is left out or removed always.
    """

    def __init__(self, session: Session, source: Place, target: Place) -> None:
        super().__init__()
        self._session = session
        self._report = session.report
        self._source = source
        self._target = target
        self._moving = "put" if isinstance(source, Local) else "get"
        #: Of the files that are under way.
        self._watches: dict[str, Transfer] = {}
        # How large it is turns out on the way.
        progress = self._report.progress
        progress.expected = progress.expected_files = None

    def show(self, action: plan.Action) -> None:
        """Tell what would be done."""
        match action:
            case plan.Make(name):
                self._report.step("mkdir", self._there(path_of(name)))
            case plan.Transfer(item, why):
                path = path_of(item.name)
                self._report.step(self._moving, self._here(path), to=self._there(path), why=why.value)
            case plan.Keep(item, why):
                self._report.step("link", self._there(path_of(item.name)), to=item.status.target or "", why=why.value)
            case plan.Remove(name, _):
                self._report.step("rm", self._there(path_of(name)))
            case plan.Skip(name, why):
                self.skipped(path_of(name), why)
            case plan.Fail(name, error):
                self.failed(path_of(name), error)
            case plan.Unchanged(name):
                self.unchanged(path_of(name))

    def done(self, path: str, receipt: Receipt) -> None:
        """Tell of a file that arrived."""
        super().done(path, receipt)
        watch = self._watches.pop(path, None)
        already = watch.already if watch is not None else 0
        self._report.file(self._here(path), self._there(path), receipt, resumed=already, one_of_many=True)

    def failed(self, path: str, error: FilexferError) -> None:
        """Tell what couldn't be done."""
        super().failed(path, error)
        self._watches.pop(path, None)
        self._report.failed(self._here(path), error)

    def skipped(self, path: str, why: str) -> None:
        """Tell what is left out."""
        super().skipped(path, why)
        self._report.step("skip", self._here(path), why=why)

    def made(self, path: str) -> None:
        """Tell of a directory that is there now."""
        super().made(path)
        self._report.step("mkdir", self._there(path), one_of_many=True)

    def linked(self, path: str, target: str) -> None:
        """Tell of a link that was made."""
        super().linked(path, target)
        self._report.step("link", self._there(path), one_of_many=True, to=target)

    def removed(self, path: str) -> None:
        """Tell of what was removed."""
        super().removed(path)
        self._report.step("rm", self._there(path))

    def unchanged(self, path: str) -> None:
        """Tell what needn't be transferred."""
        super().unchanged(path)
        self._report.same(self._there(path), one_of_many=True)

    def watch(self, path: str, size: int) -> Transfer:
        """Give what is told of a file's progress."""
        self._watches[path] = self._session.watch()
        return self._watches[path]

    def _here(self, path: str) -> str:
        return inside(self._source, path)

    def _there(self, path: str) -> str:
        return inside(self._target, path)
