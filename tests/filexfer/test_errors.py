"""The tree of errors, and the codes by which it crosses the wire."""

from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.filexfer import errors
from twisted_lab.filexfer.errors import DisconnectedError, FilexferError, SourceChangedError, from_code

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, FilexferError) and kind is not FilexferError
]


class ErrorsTests(SynchronousTestCase):
    """`FilexferError` and its kinds."""

    def test_each_kind_has_its_code(self) -> None:
        """No two kinds share a code, so that a client can turn codes back into kinds."""
        self.assertEqual(len({kind.code for kind in KINDS}), len(KINDS))
        for kind in KINDS:
            self.assertRegex(kind.code, "^[a-z]+(-[a-z]+)*$")

    def test_codes_become_kinds_again(self) -> None:
        """A client catches what the server raised; a code from a later version is kept."""
        for kind in {*KINDS} - {SourceChangedError, DisconnectedError}:
            error = from_code(kind.code, "why")
            self.assertIs(type(error), kind)
            self.assertEqual(str(error), "why")
        for kind in (SourceChangedError, DisconnectedError):  # of its own side a client knows better
            self.assertIs(type(from_code(kind.code, "why")), FilexferError)
        later = from_code("out-of-ink", "why")
        self.assertEqual((type(later), later.code), (FilexferError, "out-of-ink"))
