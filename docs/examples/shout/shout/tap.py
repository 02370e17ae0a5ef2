"""``twistd shout``: what twistd calls."""

from twisted.application.service import IService

from shout.protocol import ShoutFactory
from twisted_lab.tap.options import CommandService, ServiceOptions


class Options(ServiceOptions):
    """The command line: --listen, --max-connections, --idle-timeout and --grace, and our own --mark."""

    distribution = "shout"
    name = "shout"
    default_port = 5690
    optParameters = [["mark", None, "!", "What ends each answer."]]  # noqa: RUF012  # as usage.Options declares it


def makeService(options: Options) -> IService:
    """Give the service that `options` ask for."""
    factory = ShoutFactory(options.reactor, options["mark"].encode(), **options.bounds)
    return CommandService(options.reactor, options.endpoints, factory, grace=options["grace"])
