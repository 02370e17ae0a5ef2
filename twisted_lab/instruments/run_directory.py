"""Where a run is kept: ``ROOT/NAME/TIME/``, with a link ``latest`` beside it."""

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

#: Runs of one name in one second that get directories.
SAME_SECOND = 1000


class RunDirectory:
    """
    A run's own directory; `path` is where.

    `create` makes it, with ``run.json`` to be written by `finish`: a directory without one is of a run that was
    broken off.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, root: Path, name: str, now: datetime | None = None) -> Self:
        """Make ``root/name/TIME``, TIME in UTC; `OSError` if that can't be."""
        time = (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H.%M.%SZ")
        of_name = root / name
        of_name.mkdir(parents=True, exist_ok=True)
        for number in range(1, SAME_SECOND):
            path = of_name / (time if number == 1 else f"{time}-{number}")
            with suppress(FileExistsError):
                path.mkdir()
                break
        else:
            raise FileExistsError(f"{of_name}: there are {SAME_SECOND} runs of {time} already")
        return cls(path)

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Write a file of JSON for people to read too."""
        (self.path / name).write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")

    def finish(self, run: Mapping[str, Any]) -> None:
        """Write ``run.json``, and let ``latest`` lead here: the run is complete."""
        self.write_json("run.json", run)
        new = self.path.parent / f".latest-{os.getpid()}"
        new.symlink_to(self.path.name)
        new.replace(self.path.parent / "latest")

    def discard(self) -> None:
        """Leave nothing: the run never began."""
        shutil.rmtree(self.path, ignore_errors=True)
        with suppress(OSError):  # others of its name stay
            self.path.parent.rmdir()

    @classmethod
    def find(cls, path: Path) -> Self:
        """Give the run that `path` holds; `LookupError` if none was completed there."""
        if not (path / "run.json").is_file():
            raise LookupError(f"{path} holds no run: there is no run.json in it")
        return cls(path)

    def read_json(self, name: str) -> dict[str, Any]:
        """Give what a file holds; `LookupError` if that isn't an object of JSON."""
        try:
            value = json.loads((self.path / name).read_text())
        except (OSError, ValueError) as error:
            raise LookupError(f"{self.path / name} can't be read: {error}") from error
        if not isinstance(value, dict):
            raise LookupError(f"{self.path / name} holds no object")  # noqa: TRY004  # as documented
        return value
