"""What the source doesn't have, and may be removed at the end: collected up to a cap, and kept from what must stay."""

from twisted_lab.filexfer.names import Name
from twisted_lab.filexfer.status import Status


class Removals:
    """
    The names to be removed, and the shields over those that mustn't be; both told in the order of a walk.

    It holds `most` names, and shields only over where the walk is.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: dict[Name, Status] = {}
        self._last: Name = ()
        self._shields: list[Name] = []
        #: Whether there were more: then nothing is removed.
        self.too_many = False

    def add(self, name: Name, status: Status) -> bool:
        """Note what may be removed; tell whether it is."""
        if self.too_many or any(covers(shield, name) for shield in self._shields):
            return False
        self._found[name] = status
        self._last = name
        if len(self._found) > self._most:
            self.too_many = True
            self._found.clear()
        return not self.too_many

    def shield(self, name: Name) -> None:
        """Keep what is at `name`, and in it: told before or after it."""
        self._shields = [shield for shield in self._shields if covers(shield, name)]
        self._shields.append(name)
        if self._last >= name:  # told late, of a directory that the walk is in
            for inner in [found for found in self._found if covers(name, found)]:
                del self._found[inner]

    def hold(self, name: Name) -> list[Name]:
        """Keep the directories that `name` is in, and itself: give those that were to be removed."""
        held = [name[:depth] for depth in range(1, len(name) + 1) if name[:depth] in self._found]
        for above in held:
            del self._found[above]
        return held

    def __contains__(self, name: Name) -> bool:
        return name in self._found

    def inside_out(self) -> list[tuple[Name, Status]]:
        """Give what is left to be removed, what is in a directory before it."""
        return sorted(self._found.items(), reverse=True, key=lambda found: found[0])


def covers(name: Name, other: Name) -> bool:
    """Tell whether `other` is `name`, or in it."""
    return other[: len(name)] == name
