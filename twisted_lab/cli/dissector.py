"""``twisted-lab dissector``: print a dissector for Wireshark."""

import argparse
import os
import sys

from twisted_lab.cli.capture import find_specimen, stop
from twisted_lab.instruments.capture.dissector import write_dissector


def run(arguments: argparse.Namespace) -> int:
    """Print it; give 0, or 64 if the specimen has no layout."""
    try:
        sys.stdout.write(write_dissector(find_specimen(arguments.specimen), arguments.port))
    except LookupError as error:
        stop(os.EX_USAGE, str(error))
    return os.EX_OK
