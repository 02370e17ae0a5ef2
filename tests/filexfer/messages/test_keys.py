"""Keys, each read strictly; what requests and replies are made of has its tests with them."""

from hypothesis import given, strategies
from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.filexfer.errors import BadNameError, BadRequestError
from twisted_lab.filexfer.messages.keys import Keys, split_mtime


class KeysTests(SynchronousTestCase):
    """`Keys`."""

    @given(strategies.integers(-(10**30), 10**30))
    def test_mtime(self, mtime_ns: int) -> None:
        """A time is two integers, the second never negative, before 1970 too."""
        written = split_mtime(mtime_ns)
        self.assertTrue(0 <= written[1] < 10**9)
        self.assertEqual(Keys({"mtime": written}).mtime("mtime", -(10**21), 10**21), mtime_ns)
        self.assertRaises(BadRequestError, Keys({"mtime": written}).mtime, "mtime", written[0] + 1, 10**21)

    def test_number(self) -> None:
        """A number may have a fraction; a truth value is none."""
        self.assertEqual(Keys({"n": 0.5}).number("n", 1), 0.5)
        self.assertEqual(Keys({"n": 1}).number("n", 1), 1.0)
        for value in (-0.5, 1.5, True, "1", None, float("nan")):
            self.assertRaises(BadRequestError, Keys({"n": value}).number, "n", 1)

    def test_component(self) -> None:
        """A component is a name that leads nowhere else."""
        self.assertEqual(Keys({"k": "é"}).component("k"), "é")
        for text in ("..", ".", "a\0", ".filexfer-1"):
            self.assertRaises(BadNameError, Keys({"k": text}).component, "k")
        for value in ("", "a/b", "/a", "../a", "a" * 256, "é" * 128, None):
            self.assertRaises(BadRequestError, Keys({"k": value}).component, "k")

    def test_fault(self) -> None:
        """Whoever reads says which error it is, for objects inside as well."""
        keys = Keys({"inner": {}, "k": 1}, ValueError)
        self.assertRaises(ValueError, keys.inner, "k")
        self.assertRaises(ValueError, keys.inner("inner").integer, "n")

    def test_optional(self) -> None:
        """A key that isn't there is None; null isn't nothing."""
        self.assertIsNone(Keys({}).optional("k", Keys({}).integer))
        keys = Keys({"k": None})
        self.assertRaises(BadRequestError, keys.optional, "k", keys.integer)
