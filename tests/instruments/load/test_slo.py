"""The search for the highest rate that holds a bound."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.instruments.load.slo import FEWEST, NEAR, Bound, Search


class SearchTests(SynchronousTestCase):
    """`Search`, against servers that hold up to a limit."""

    @given(st.floats(1, 5e6), st.floats(1, 1e5))
    def test_it_finds_the_limit(self, limit: float, first: float) -> None:
        """Whatever it begins with, it ends just below what the server holds, in few steps."""
        search = Search(first, 2.0)
        steps = 0
        while search.rate is not None:
            search.held(search.rate <= limit)
            steps += 1
        self.assertLess(steps, 40)
        if search.best is None:
            self.assertLess(limit, max(first, FEWEST / 2.0))
        else:
            self.assertLessEqual(search.best, limit)
            self.assertLess(limit, search.best * NEAR * 1.0001)

    def test_no_run_has_too_few_messages_to_tell(self) -> None:
        """Not the first one either."""
        search = Search(1.0, 0.5)
        tried = []
        while search.rate is not None:
            tried.append(search.rate)
            search.held(search.rate <= 50)
        self.assertEqual(min(tried), FEWEST / 0.5)

    def test_nothing_holds(self) -> None:
        """It gives up when a run would have too few messages to tell."""
        search = Search(1000.0, 2.0)
        tried = []
        while search.rate is not None:
            tried.append(search.rate)
            search.held(False)  # the answer to the only question
        self.assertIsNone(search.best)
        self.assertTrue(FEWEST <= 2.0 * tried[-1] < 2 * FEWEST)


@pytest.mark.parametrize(("text", "parts"), [("p99=20ms", (99.0, "20ms")), ("p99.9=1s", (99.9, "1s"))])
def test_a_bound_is_read(text: str, parts: tuple[float, str]) -> None:
    """A percentile, and what it may be at most."""
    assert Bound.split(text) == parts


@pytest.mark.parametrize("text", ["p=20ms", "99=20ms", "p100=1s", "p99", "p99="])
def test_what_is_no_bound(text: str) -> None:
    """It is refused."""
    with pytest.raises(ValueError, match=text):
        Bound.split(text)
