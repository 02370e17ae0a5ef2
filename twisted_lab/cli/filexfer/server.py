"""Which server a place is on, how to reach it, and who asks: from the options, before anything is connected."""

import argparse
import os
import re
from pathlib import Path
from typing import Any

from twisted.internet.error import DNSLookupError

from twisted_lab.cli.filexfer.exits import HostError, UnavailableError, UntrustedError, UsageError
from twisted_lab.cli.filexfer.options import DEFAULT_ENDPOINT, DEFAULT_PORT
from twisted_lab.cli.filexfer.place import Remote
from twisted_lab.cli.session import CONNECT_TIMEOUT
from twisted_lab.filexfer.client.connecting import Connecting, connect, endpoint_from
from twisted_lab.filexfer.errors import DisconnectedError, FilexferError, LoginRequiredError
from twisted_lab.net.host_endpoint import HostEndpoint
from twisted_lab.net.tls import CertificateError, TLSError, client_tls

_VARIABLE = "FILEXFER_PASSWORD"
#: A password's file has one line of it.
_MAX_PASSWORD = 4096
_HOST_IN_ENDPOINT = re.compile(r"(?:tcp:)?(?:host=)?(\[[^\]]+\]|[^:\\=\[\]]+):(?:port=)?[0-9]+(?::.*)?", re.DOTALL)


class Server:
    """
    The server of `place`, as `arguments` say how to reach it.

    `UsageError` for options that don't fit together. It asks for the password, if there is to be one, on the terminal.
    """

    def __init__(self, arguments: argparse.Namespace, place: Remote) -> None:
        self._arguments = arguments
        self._host = place.host
        self.shown = place.host or arguments.connect or DEFAULT_ENDPOINT
        if place.host and arguments.connect:
            raise UsageError(f"--connect says where :PATH is; {place.written} has a host already")
        if not place.host and arguments.port:
            raise UsageError("--port is for HOST:PATH; for :PATH it is part of --connect")
        if place.user and arguments.user and place.user != arguments.user:
            raise UsageError(f"{place.written} and --user name two users")
        self.user = place.user or arguments.user
        if self.user is None and arguments.password_file:
            raise UsageError("--password-file without --user")
        self.password = None if self.user is None else self._find_password(self.user)

    def connect(self, reactor: Any) -> Connecting:
        """Give the connection that isn't there yet; `UsageError` if there can be no such thing."""
        arguments = self._arguments
        wanted = arguments.tls or arguments.tls_ca or arguments.tls_fingerprint or arguments.tls_certificate
        tls = self._tls() if wanted else None
        if self._host:
            port = arguments.port or DEFAULT_PORT
            endpoint: Any = HostEndpoint(reactor, self._host, port, timeout=CONNECT_TIMEOUT)
        else:
            try:
                endpoint = endpoint_from(reactor, self.shown)
            except ValueError as error:
                raise UsageError(str(error)) from None
        return connect(reactor, endpoint, user=self.user, password=self.password, tls=tls)

    def _tls(self) -> Any:
        arguments = self._arguments
        host = self._host
        if not host:
            match = _HOST_IN_ENDPOINT.fullmatch(self.shown)
            if match is None:
                raise UsageError(f"--tls needs a host to verify: HOST:PATH, or --connect HOST:PORT, not {self.shown}")
            host = match[1].strip("[]")
        try:
            return client_tls(
                host,
                ca=Path(arguments.tls_ca) if arguments.tls_ca else None,
                fingerprint=arguments.tls_fingerprint,
                certificate=Path(arguments.tls_certificate) if arguments.tls_certificate else None,
            )
        except (TLSError, ValueError) as error:
            raise UsageError(str(error)) from None

    def _find_password(self, user: str) -> str | None:
        if self._arguments.password_file:
            return _read_password(self._arguments.password_file)
        if _VARIABLE in os.environ:
            return os.environ[_VARIABLE]
        import getpass
        import warnings

        try:
            with warnings.catch_warnings():  # it would only warn, and then show what is typed
                warnings.simplefilter("error", getpass.GetPassWarning)
                return getpass.getpass(f"Password of {user} on {self.shown}: ")
        except (getpass.GetPassWarning, EOFError):
            raise LoginRequiredError(
                f"the password of {user} isn't known: there is no terminal to ask on, {_VARIABLE} isn't set, "
                "and --password-file isn't given"
            ) from None


def why_not_connected(error: DisconnectedError) -> FilexferError:
    """Give what the user is told, and the status that goes with it, when the connection couldn't be had."""
    match error.__cause__:
        case DNSLookupError():
            return HostError("there is no host of that name")
        case CertificateError():
            return UntrustedError(str(error.__cause__))
        case _:
            return UnavailableError(str(error))


def _read_password(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123  # as the shell gave it
            return file.readline(_MAX_PASSWORD).rstrip("\r\n")
    except OSError as error:
        raise UsageError(f"--password-file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"--password-file {path}: it isn't UTF-8") from None
