"""What may be asked of a publication."""

from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.filexfer.conditions import ANYWAY, Condition, Durability


class ConditionsTests(SynchronousTestCase):
    """`Condition`, `Durability`."""

    def test_anyway(self) -> None:
        """Unless something is asked for, nothing must hold."""
        self.assertEqual(ANYWAY, Condition(absent=False, etag=None))

    def test_words(self) -> None:
        """The durabilities are the protocol's words, the weakest first."""
        self.assertEqual([each.value for each in Durability], ["memory", "file", "directory"])
