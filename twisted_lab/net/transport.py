"""The transport of a stream, as Twisted makes them."""

from twisted.internet.interfaces import IConsumer, IPushProducer, ITCPTransport
from zope.interface import Attribute


class IStreamTransport(ITCPTransport, IConsumer, IPushProducer):
    """What TCP, UNIX and TLS transports all offer, though no one interface of Twisted's says so."""

    disconnecting: bool = Attribute("Whether `loseConnection` was called: nothing more should be delivered.")
