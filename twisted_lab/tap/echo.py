"""``twistd echo``."""

from typing import Any

from twisted.application.service import IService
from twisted.python import usage

from twisted_lab.echo import PREFIX, EchoDatagrams, EchoFactory
from twisted_lab.specimen import ECHO
from twisted_lab.tap.options import ServiceOptions


class Options(ServiceOptions):
    """The command line of ``twistd echo``."""

    name = ECHO.name
    default_port = ECHO.default_port
    longdesc = (
        "Sends back what it receives: 'echo ' before each chunk, as the tutorial's server, or as RFC 862 says. "
        f"Listens on 127.0.0.1:{default_port} unless told otherwise."
    )
    optParameters = [  # noqa: RUF012  # as usage.Options declares it
        ["prefix", None, PREFIX.decode(), "What stands before each chunk; '' is RFC 862: every byte, nothing more."],
    ]
    optFlags = [["udp", None, "Serve the same over UDP too, at each TCP address."]]  # noqa: RUF012  # as above

    def postOptions(self) -> None:
        """Check that UDP has an address."""
        super().postOptions()
        for text, _ in self.endpoints:
            if self["udp"] and not text.startswith(("tcp:", "tcp6:")):
                raise usage.UsageError(f"--udp wants tcp: endpoints only, not {text}")


def makeService(options: Options) -> IService:
    """Give the service that `options` ask for."""
    prefix = options["prefix"].encode(errors="surrogateescape")
    factory = EchoFactory(options.reactor, prefix, **options.bounds)
    datagrams: Any = (lambda: EchoDatagrams(prefix)) if options["udp"] else None
    return options.make_service(factory, datagrams=datagrams)
