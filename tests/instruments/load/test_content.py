"""What a load sends: the same from the same seed, and any slip in what comes back shows."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.instruments.load.content import PERIOD, Content


class ContentTests(SynchronousTestCase):
    """`Content`."""

    @given(st.integers(1, 3000), st.integers(0, 5), st.integers(0, 200_000), st.integers(0, 150_000))
    def test_what_was_sent_stands_where_it_was_sent(self, size: int, seed: int, position: int, length: int) -> None:
        """Any piece of the messages in a row is recognised at its position."""
        content = Content(size, seed)
        first = position // size
        row = b"".join(content.message(number) for number in range(first, (position + length) // size + 1))
        piece = row[position - first * size :][:length]
        self.assertEqual(len(piece), length)
        self.assertTrue(content.stands_at(position, piece))

    def test_a_wrong_byte_shows(self) -> None:
        """One byte that differs, or a message in another's place, isn't taken for right."""
        content = Content(64, 0)
        message = content.message(5)
        self.assertFalse(content.stands_at(5 * 64, bytes([message[0] ^ 1]) + message[1:]))
        self.assertFalse(content.stands_at(5 * 64, content.message(6)))

    def test_the_same_seed_gives_the_same_bytes(self) -> None:
        """And another seed gives others."""
        self.assertEqual(Content(64, 7).message(3), Content(64, 7).message(3))
        self.assertNotEqual(Content(64, 7).message(3), Content(64, 8).message(3))

    def test_a_byte_can_be_kept_out(self) -> None:
        """So that a prefix can be told from content."""
        content = Content(1000, 0, without=b"e")
        self.assertNotIn(b"e", b"".join(map(content.message, range(100))))

    def test_large_messages_differ_too(self) -> None:
        """Whatever their size: one in another's place would show."""
        for size in (5000, 40_000, 65_536, 65_537, 100_000, 2**20):
            content = Content(size, 0)
            self.assertEqual(len({content.message(number) for number in range(5)}), 5)
            self.assertFalse(content.stands_at(0, content.message(1)[:65_536]))

    def test_the_users_own_message(self) -> None:
        """It is sent as it is, again and again, however long."""
        for message in (b"hello", b"x" * (PERIOD + 1)):
            content = Content(len(message), 0, message)
            self.assertEqual({content.message(number) for number in range(50)}, {message})
