"""Who may use the API."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.instruments.proxy.browsers import refusal


def ask(*, loopback: bool = True, **headers: str) -> str | None:
    """Ask about a request with these headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return refusal(named.get, loopback=loopback)


class BrowserTests(SynchronousTestCase):
    """`refusal`."""

    def test_programs_may(self) -> None:
        """Clients of toxiproxy, curl and what has no name at all."""
        cases: list[dict[str, Any]] = [
            {},
            {"User_Agent": "curl/8.0", "Host": "127.0.0.1:8474"},
            {"User_Agent": "axios/1.7", "Host": "localhost:8474"},
            {"Host": "[::1]:8474"},
            {"Host": "127.1.2.3"},
            {"Host": "api.localhost"},
        ]
        for headers in cases:
            self.assertIsNone(ask(**headers))

    def test_pages_may_not(self) -> None:
        """Whatever a browser gives away."""
        cases: list[dict[str, Any]] = [
            {"Origin": "http://127.0.0.1:8474"},
            {"Origin": ""},
            {"Sec_Fetch_Site": "same-origin"},
            {"User_Agent": "Mozilla/5.0"},
        ]
        for headers in cases:
            self.assertIsNotNone(ask(loopback=False, **headers))

    def test_names_that_lead_here(self) -> None:
        """A name that someone has pointed at this machine is refused, unless the API was opened to others."""
        for host in (
            "example.org",
            "example.org:8474",
            "localhost.example.org",
            "10.0.0.1",
            "[::2]",
            "",
            "127.0.0.1.x",
        ):
            self.assertIn("isn't called", ask(Host=host) or "")
            self.assertIsNone(ask(loopback=False, Host=host))
