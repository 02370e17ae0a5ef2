"""The header protocol's service on port 5679, recorded: ``twistd -ny docs/examples/recorded.py``."""

from pathlib import Path

from twisted.application.service import Application
from twisted.application.strports import service
from twisted.internet import reactor

from twisted_lab.header_service import HeaderServerFactory
from twisted_lab.instruments.capture.recorder import Recorder
from twisted_lab.instruments.capture.wrapping import capture

recorder = Recorder(reactor, Path("talk.pcapng"))
factory = capture(HeaderServerFactory(reactor), recorder)
application = Application("recorded")
service("tcp:5679:interface=127.0.0.1", factory).setServiceParent(application)
