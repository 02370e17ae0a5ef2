"""
TLS for clients and servers: what Twisted offers, from files, with errors that are sentences.

It needs pyOpenSSL, which is an extra: what imports it is imported when TLS is asked for.
"""

from pathlib import Path

from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator


class TLSError(Exception):
    """TLS can't be had as it was asked for: a file isn't what it should be, or pyOpenSSL is missing; one sentence."""


class CertificateError(Exception):
    """The server's certificate isn't one to trust, and nothing was said to it; one sentence says why."""


def client_tls(
    hostname: str, *, ca: Path | None = None, fingerprint: str | None = None, certificate: Path | None = None
) -> IOpenSSLClientConnectionCreator:
    """
    Give what `twisted.internet.endpoints.wrapClientTLS` makes a TLS client of that verifies the server `hostname`.

    The server's certificate has to be for `hostname`, a name or an address, and be signed by someone whom this
    machine trusts; or, with `ca`, by one of the certificates in that PEM file and nobody else. With `fingerprint`, as
    `parse_fingerprint` reads it, it has to be that very certificate, whatever it says. Otherwise the connection is
    lost with a `CertificateError`. `certificate` is a PEM file with the client's own certificate, those that lead
    from it to its CA, and its private key.

    Raises `TLSError`, and `ValueError` for a bad fingerprint; it reads files, and doesn't connect.
    """
    try:
        from twisted_lab.net.tls_client import make_client_tls  # noqa: PLC0415  # see above
    except ImportError:
        raise _missing() from None
    return make_client_tls(hostname, ca=ca, fingerprint=fingerprint, certificate=certificate)


def server_tls(directory: Path, *, client_ca: Path | None = None) -> IOpenSSLServerConnectionCreator:
    """
    Give what `twisted.internet.endpoints.wrapServerTLS` makes a TLS server of, with the certificates in `directory`.

    Its PEM files, however they are split, hold certificates, those that lead from them to a CA, and private keys. The
    client's server name chooses among them; the first, by file name, is for all others. With `client_ca`, a PEM file,
    clients are asked for a certificate: one that nobody there has signed ends the handshake, none is well.

    Raises `TLSError`. The files are read now, and not again.
    """
    try:
        from twisted_lab.net.tls_server import make_server_tls  # noqa: PLC0415  # see above
    except ImportError:
        raise _missing() from None
    return make_server_tls(directory, client_ca=client_ca)


def _missing() -> TLSError:
    return TLSError("TLS needs pyOpenSSL: pip install 'twisted-lab[tls]'")
