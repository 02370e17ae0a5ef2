"""``twistd shout``: what twistd calls."""

from twisted.application.service import IService

from shout.protocol import ShoutFactory
from twisted_lab.tap.options import ServiceOptions


class Options(ServiceOptions):
    """The command line: that of every service, and our own --mark."""

    distribution = "shout"
    name = "shout"
    default_port = 5690
    optParameters = [["mark", None, "!", "What ends each answer."]]  # noqa: RUF012  # as usage.Options declares it


def makeService(options: Options) -> IService:
    """Give the service that `options` ask for."""
    factory = ShoutFactory(options.reactor, options["mark"].encode(), **options.bounds)
    return options.make_service(factory)
