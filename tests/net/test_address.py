"""Addresses, as people read them."""

from twisted.internet.address import HostnameAddress, IPv4Address, IPv6Address, UNIXAddress
from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.net.address import show_address


class ShowAddressTests(SynchronousTestCase):
    """`show_address`."""

    def test_kinds(self) -> None:
        """Each kind of address has its usual form."""
        for address, shown in (
            (IPv4Address("TCP", "127.0.0.1", 5678), "127.0.0.1:5678"),
            (IPv6Address("TCP", "::1", 5678), "[::1]:5678"),
            (UNIXAddress(b"/run/a\xff"), "unix:/run/a\\xff"),
            (UNIXAddress(None), "unix"),
            (None, "None"),
        ):
            self.assertEqual(show_address(address), shown)
        self.assertIn("host", show_address(HostnameAddress(b"host", 1)))
