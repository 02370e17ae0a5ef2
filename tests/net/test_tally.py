"""How many connections each of several processes has."""

import tempfile

from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.net.tally import ITEM, Tally


class TallyTests(SynchronousTestCase):
    """`Tally`."""

    def setUp(self) -> None:
        """Have three processes."""
        with tempfile.TemporaryFile() as memory:
            memory.truncate(3 * ITEM)
            self.tallies = [Tally(memory.fileno(), 3, slot) for slot in range(3)]

    def test_elsewhere(self) -> None:
        """Each sees what the others have."""
        for number, tally in enumerate(self.tallies, 1):
            tally.set(number)
        self.assertEqual([tally.elsewhere() for tally in self.tallies], [5, 4, 3])

    def test_is_ahead(self) -> None:
        """One is ahead that has clearly more than the others on average, and none where all have about the same."""
        for numbers, ahead in (
            ((0, 0, 0), [False] * 3),
            ((2, 0, 0), [False] * 3),
            ((3, 0, 0), [True, False, False]),
            ((10, 10, 11), [False] * 3),
            ((10, 10, 20), [False, False, True]),
        ):
            for number, tally in zip(numbers, self.tallies, strict=True):
                tally.set(number)
            self.assertEqual([tally.is_ahead() for tally in self.tallies], ahead, numbers)
