"""Small messages that don't wait for the peer's acknowledgement of those before."""

from twisted.internet.interfaces import ITCPTransport, ITransport


def send_at_once(transport: ITransport) -> None:
    """
    Have what is written go out at once (TCP_NODELAY), where the kernel would delay it.

    Else a small write after another one waits until the first is acknowledged (RFC 896), and a peer that has nothing
    to answer yet puts that off by 40 ms (RFC 1122, 4.2.3.2): a put's header, and then its content, say.
    """
    if ITCPTransport.providedBy(transport):  # UNIX transports are taken for TCP's, and do nothing then
        transport.setTcpNoDelay(True)
