"""The cases of ``twisted-lab conform`` as tests of the echo service's factory."""

from twisted.trial.unittest import SynchronousTestCase

from twisted_lab.echo import EchoFactory
from twisted_lab.testing import Conformance


class MyServerTests(Conformance, SynchronousTestCase):
    """A test for each case."""

    server = EchoFactory
    codec = "echo"
