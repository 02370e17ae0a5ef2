"""``twistd header``."""

from twisted.application.service import IService

from twisted_lab.header_service import HeaderServerFactory
from twisted_lab.specimen import HEADER
from twisted_lab.tap.options import ServiceOptions


class Options(ServiceOptions):
    """The command line of ``twistd header``."""

    name = HEADER.name
    default_port = HEADER.default_port
    longdesc = (
        "Answers each message of the header protocol with its type, its content and 'received-in', "
        "the number of reads in which it arrived. "
        f"Listens on 127.0.0.1:{default_port} unless told otherwise."
    )


def makeService(options: Options) -> IService:
    """Give the service that `options` ask for."""
    factory = HeaderServerFactory(options.reactor, **options.bounds)
    return options.make_service(factory)
