"""Specimens are found by name, and by ``module:attribute``."""

from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.specimen import ECHO, HEADER, Specimen, find
from twisted_lab.wire.header import HeaderCodec

MINE = Specimen("mine", ECHO.server, ECHO.client, None, 1)


class SpecimenTests(SynchronousTestCase):
    """`find`."""

    def test_ours(self) -> None:
        """Our own have names."""
        self.assertIs(find("echo"), ECHO)
        self.assertIs(find("header"), HEADER)
        assert HEADER.codec is not None
        self.assertIsInstance(HEADER.codec(), HeaderCodec)

    def test_anyones(self) -> None:
        """Anyone's is found where it is defined."""
        self.assertIs(find(f"{__name__}:MINE"), MINE)

    def test_none(self) -> None:
        """What can't be found is one sentence that says why."""
        for name, why in {
            "ehco": "it is one of echo, header, filexfer",
            "no_such_module:X": "no_such_module",
            f"{__name__}:YOURS": "YOURS",
            f"{__name__}:SpecimenTests": "isn't a Specimen but a type",
            ":": "no specimen",
        }.items():
            self.assertIn(why, str(self.assertRaises(LookupError, find, name)))
