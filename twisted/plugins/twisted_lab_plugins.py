"""What twistd offers: one line a plugin, for this file is imported each time twistd looks for plugins."""

from twisted.application.reactors import Reactor
from twisted.application.service import ServiceMaker

echo = ServiceMaker("twisted-lab echo", "twisted_lab.tap.echo", "An echo server (RFC 862, or the tutorial's).", "echo")
header = ServiceMaker(
    "twisted-lab header", "twisted_lab.tap.header", "Answers messages of the header protocol.", "header"
)
filexfer = ServiceMaker(
    "twisted-lab filexfer", "twisted_lab.tap.filexfer", "File transfer: verified, resumable, durable.", "filexfer"
)
faultproxy = ServiceMaker(
    "twisted-lab faultproxy",
    "twisted_lab.tap.faultproxy",
    "Breaks connections on purpose: toxiproxy's faults.",
    "faultproxy",
)
eager = Reactor("eager", "twisted_lab.net.eager", "An epoll reactor that sends at once (Linux).")
