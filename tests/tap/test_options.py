"""The plugins' command lines: what they mean, and one sentence for what they can't."""

import io
import sys
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.echo import EchoFactory
from twisted_lab.header_service import HeaderServerFactory
from twisted_lab.net.listening import ListenError, ListeningService
from twisted_lab.tap import echo, header
from twisted_lab.tap.options import CommandService, Exit, ServiceOptions


def parse(options: ServiceOptions, *words: str) -> ServiceOptions:
    """Parse a command line."""
    options.parseOptions([*words])
    return options


class OptionsTests(SynchronousTestCase):
    """`Options` and `makeService` of each plugin."""

    def test_defaults(self) -> None:
        """Without options a plugin listens on its port of 127.0.0.1."""
        for plugin, where in ((echo, "tcp:5678:interface=127.0.0.1"), (header, "tcp:5679:interface=127.0.0.1")):
            self.assertEqual([text for text, _ in parse(plugin.Options()).endpoints], [where])

    def test_echo(self) -> None:
        """The service of ``twistd echo`` is what the options say."""
        words = ["--prefix", "你", "--max-connections", "7", "--idle-timeout", "0.5", "--udp", "--grace=1"]
        options = parse(echo.Options(), *words, "--listen", "tcp:0", "--listen", "tcp6:0")
        service = echo.makeService(options)  # type: ignore[arg-type]
        assert isinstance(service, CommandService)
        factory = service.factory
        assert isinstance(factory, EchoFactory)
        self.assertEqual((factory.prefix, factory.max_connections, factory.idle_timeout), ("你".encode(), 7, 0.5))
        self.assertEqual(len(options.endpoints), 2)
        assert service._datagrams is not None
        self.assertEqual(service._datagrams().prefix, "你".encode())  # type: ignore[attr-defined]

    def test_header(self) -> None:
        """The service of ``twistd header`` is what the options say."""
        service = header.makeService(parse(header.Options(), "--max-connections", "7"))  # type: ignore[arg-type]
        assert isinstance(service, CommandService)
        self.assertIsInstance(service.factory, HeaderServerFactory)
        self.assertEqual(service.factory.max_connections, 7)

    def test_bad_options(self) -> None:
        """A bad option is one sentence that names it, and status 64."""
        for words, sentence in {
            ("--max-connections", "0"): "echo: --max-connections: '0' isn't a whole number of at least 1",
            ("--max-connections", "x"): "--max-connections: 'x' isn't a whole number",
            ("--idle-timeout", "-1"): "--idle-timeout: '-1' isn't a number of seconds",
            ("--idle-timeout", "x"): "--idle-timeout: 'x' isn't a number of seconds",
            ("--grace", "nan"): "--grace: 'nan' isn't a number of seconds",
            ("word",): "'word' isn't an option",
            ("--listen", "systemd:domain=INET:index=0"): "systemd handed over no such socket",
            ("--listen", "tls:/nowhere:0"): "no certificate, a .pem file, in /nowhere",
            ("--nonsense",): "nonsense",
            ("--listen", "nonsense:1"): "--listen nonsense:1 isn't an endpoint",
            ("--listen", "tcp:http:x=y"): "isn't an endpoint",
            ("--udp", "--listen", "unix:/nowhere"): "--udp wants tcp: endpoints only, not unix:/nowhere",
        }.items():
            self.assert_fails(64, sentence, *words)

    def test_tls_is_an_extra(self) -> None:
        """Without the extra, a TLS endpoint is one sentence that says what to install."""
        with mock.patch("twisted_lab.tap.options.serverFromString", side_effect=ImportError):
            self.assert_fails(64, "pip install 'twisted-lab[tls]'", "--listen", "ssl:0")

    def test_version(self) -> None:
        """``--version`` is ours, not Twisted's."""
        with mock.patch.object(sys, "stdout", io.StringIO()) as out:
            self.assertEqual(self.assertRaises(SystemExit, parse, echo.Options(), "--version").code, 0)
        self.assertRegex(out.getvalue(), r"^twisted-lab \d+\.\d+")

    def test_cannot_listen(self) -> None:
        """An endpoint that can't be had is one sentence and status 69, as an `Exception`: twistd tidies up."""
        service = echo.makeService(parse(echo.Options(), "--listen", "tcp:0"))  # type: ignore[arg-type]
        assert isinstance(service, CommandService)
        with (
            mock.patch.object(
                ListeningService, "_listen", side_effect=ListenError("can't listen on tcp:0: out of luck")
            ),
            mock.patch.object(sys, "stderr", io.StringIO()) as err,
        ):
            error = self.assertRaises(Exit, service.privilegedStartService)
        self.assertEqual((error.code, err.getvalue()), (69, "twistd echo: can't listen on tcp:0: out of luck\n"))
        self.assertIsInstance(error, Exception)

    def assert_fails(self, status: int, sentence: str, *words: str) -> None:
        """Assert that a command line of ``twistd echo`` is refused with one line that has `sentence` in it."""
        with mock.patch.object(sys, "stderr", io.StringIO()) as err:
            error = self.assertRaises(Exit, parse, echo.Options(), *words)
        self.assertEqual(error.code, status)
        self.assertEqual(err.getvalue().count("\n"), 1)
        self.assertTrue(err.getvalue().startswith("twistd echo: "), err.getvalue())
        self.assertIn(sentence, err.getvalue())
