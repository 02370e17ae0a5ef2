"""Names of what isn't published."""

from unittest import TestCase

from twisted_lab.filexfer.names import is_reserved
from twisted_lab.filexfer.store.reserved import is_ours, left_over_name, unique_name


class ReservedTests(TestCase):
    """`unique_name`, `left_over_name` and `is_ours`."""

    def test_reserved(self) -> None:
        """No client can say them, and we know them again."""
        for name in (unique_name(), left_over_name(("a", "b"), 1, "eve")):
            self.assertTrue(is_reserved(name.decode()))
            self.assertTrue(is_ours(name))
        for name in (b".filexfer-", unique_name() + b"0", unique_name() + b"\n", unique_name().upper(), b"f"):
            self.assertFalse(is_ours(name))

    def test_different(self) -> None:
        """One name is for one thing: nothing of one put is taken for another's."""
        facts = [(("f",), 1, ""), (("g",), 1, ""), (("f",), 2, ""), (("f",), 1, "eve"), (("f",), 11, "")]
        self.assertEqual(len({left_over_name(*each) for each in facts}), len(facts))
        self.assertEqual(left_over_name(("f",), 1, ""), left_over_name(("f",), 1, ""))
        self.assertNotEqual(unique_name(), unique_name())
