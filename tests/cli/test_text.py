"""What a peer sends is fit to print: in any cuts, and without power over the terminal."""

from hypothesis import given, strategies
from twisted.trial.unittest import SynchronousTestCase

from tests.wire.cuts import PLACES, cut
from twisted_lab.cli.text import Printable


class PrintableTests(SynchronousTestCase):
    """`Printable`."""

    @given(strategies.text(), PLACES)
    def test_any_cuts(self, text: str, places: list[int]) -> None:
        """A character that is cut in two comes out whole."""
        printable, whole = Printable(), Printable()
        shown = "".join(printable.feed(piece) for piece in cut(text.encode(errors="replace"), places))
        self.assertEqual(shown, whole.feed(text.encode(errors="replace")))

    def test_escapes(self) -> None:
        """Control characters and bytes that aren't UTF-8 come out as escapes; newlines and tabs stay."""
        self.assertEqual(
            Printable().feed("\x1b[2J你\tb\n\x9b\x7f".encode() + b"\xff"), "\\x1b[2J你\tb\n\\x9b\\x7f\\xff"
        )

    def test_final(self) -> None:
        """A character whose rest never came is shown as its bytes."""
        printable = Printable()
        self.assertEqual(printable.feed("你".encode()[:2]), "")
        self.assertEqual(printable.feed(b"", final=True), "\\xe4\\xbd")
