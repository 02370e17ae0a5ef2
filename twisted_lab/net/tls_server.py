"""The server's side of TLS, with client certificates; see `twisted_lab.net.tls`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.x509 import DNSName, ExtensionNotFound, SubjectAlternativeName
from OpenSSL.SSL import Context
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.ssl import CertificateOptions
from zope.interface import implementer

from twisted_lab.net.pem import Identity, read_certificates, read_pem
from twisted_lab.net.tls import TLSError
from twisted_lab.net.tls_shared import SharedConnection


def make_server_tls(directory: Path, *, client_ca: Path | None) -> IOpenSSLServerConnectionCreator:
    """
    See `twisted_lab.net.tls.server_tls`.

    Twisted's own endpoint ``tls:`` can't ask for certificates, and serves none that has no DNS name: one for an
    address, or one of one's own making whose fingerprint clients know.
    """
    identities = read_pem(*sorted(directory.rglob("*.pem"))).identities()
    if not identities:
        raise TLSError(f"there is no certificate with its private key, in a .pem file, in {directory}")
    authorities = [certificate.original for certificate in read_certificates(client_ca)] if client_ca else []
    options: dict[str, CertificateOptions] = {}

    def context_for(name: bytes | None) -> Context | None:
        """Give the context of another certificate than the first, if there is one for the client's server name."""
        found = _find(options, name)
        return None if found is None else found.getContext()

    def options_of(identity: Identity) -> CertificateOptions:
        verify: dict[str, Any] = (
            {"verify": True, "caCerts": authorities, "requireCertificate": False} if authorities else {}
        )
        return CertificateOptions(
            privateKey=identity.certificate.privateKey.original,
            certificate=identity.certificate.original,
            extraCertChain=[certificate.original for certificate in identity.chain],
            contextForServerName=context_for,
            **verify,
        )

    # Each verifies: with the server name, the client would choose not to be asked.
    made = [(identity, options_of(identity)) for identity in identities]
    for identity, its_options in made:
        for name in _dns_names(identity):
            options.setdefault(name, its_options)
    return _Server(made[0][1])


@implementer(IOpenSSLServerConnectionCreator)
class _Server:
    """Makes connections that content can move through."""

    def __init__(self, creator: IOpenSSLServerConnectionCreator) -> None:
        self._creator = creator

    def serverConnectionForTLS(self, tlsProtocol: Any) -> Any:
        """Make one."""
        return SharedConnection(self._creator.serverConnectionForTLS(tlsProtocol))


def _find(options: Mapping[str, CertificateOptions], name: bytes | None) -> CertificateOptions | None:
    text = (name or b"").decode("ascii", "replace").lower()
    return options.get(text) or options.get(f"*.{text.partition('.')[2]}")


def _dns_names(identity: Identity) -> list[str]:
    try:
        names = identity.parsed.extensions.get_extension_for_class(SubjectAlternativeName).value
    except ExtensionNotFound:
        return []
    return [name.lower() for name in names.get_values_for_type(DNSName)]
