"""The client's side of TLS: which servers are talked to; see `twisted_lab.net.tls`."""

from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from OpenSSL.SSL import VERIFY_FAIL_IF_NO_PEER_CERT, VERIFY_PEER, Connection
from service_identity import CertificateError as NoNameError
from service_identity import VerificationError
from service_identity.cryptography import verify_certificate_hostname, verify_certificate_ip_address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import optionsForClientTLS, trustRootFromCertificates
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_lab.net.certificate import fingerprint_of, parse_fingerprint
from twisted_lab.net.pem import read_certificates, read_identity
from twisted_lab.net.tls import CertificateError
from twisted_lab.net.tls_shared import SharedConnection

#: Gives why a certificate isn't one to trust, of its place in the chain (0: the server's own) and OpenSSL's verdict on
#: it (0: well); None if it is.
Judge = Callable[[x509.Certificate, int, int], str | None]

#: OpenSSL's verdicts, as x509_vfy.h numbers them.
_VERDICTS = {
    9: "it isn't valid yet",
    10: "it has expired",
    18: "it is signed by itself; its fingerprint, or it as a CA, would do",
    19: "nobody whom we trust has signed it",
    20: "nobody whom we trust has signed it",
    21: "nobody whom we trust has signed it",
}


@implementer(IOpenSSLClientConnectionCreator)
class JudgingClient:
    """Make connections on which `judge` is asked of the server's certificate and of those that lead to its CA."""

    def __init__(self, creator: IOpenSSLClientConnectionCreator, judge: Judge) -> None:
        self._creator = creator
        self._judge = judge

    def clientConnectionForTLS(self, tlsProtocol: Any) -> Any:
        """Make one."""
        connection = self._creator.clientConnectionForTLS(tlsProtocol)
        connection.set_verify(VERIFY_PEER | VERIFY_FAIL_IF_NO_PEER_CERT, self._verify)
        return SharedConnection(connection)

    def _verify(self, connection: Connection, certificate: Any, verdict: int, depth: int, ok: int) -> bool:
        # An exception here would end the handshake too, and be raised by it.
        why = self._judge(certificate.to_cryptography(), depth, 0 if ok else verdict)
        if why is None:
            return True
        error = CertificateError(f"the server's certificate can't be trusted: {why}")
        connection.get_app_data().failVerification(Failure(error))
        return False


def make_client_tls(
    hostname: str, *, ca: Path | None, fingerprint: str | None, certificate: Path | None
) -> IOpenSSLClientConnectionCreator:
    """See `twisted_lab.net.tls.client_tls`."""
    options: dict[str, Any] = {}
    if certificate is not None:
        identity = read_identity(certificate)
        options["clientCertificate"] = identity.certificate
        options["extraCertificateOptions"] = {"extraCertChain": [link.original for link in identity.chain]}
    if ca is not None:
        options["trustRoot"] = trustRootFromCertificates(read_certificates(ca))
    judge = judge_by_name(hostname) if fingerprint is None else judge_by_fingerprint(parse_fingerprint(fingerprint))
    return JudgingClient(optionsForClientTLS(hostname, **options), judge)


def judge_by_name(hostname: str) -> Judge:
    """Trust a certificate that someone trusted has signed, if it is for `hostname`."""
    verify: Callable[[x509.Certificate, str], object] = (
        verify_certificate_ip_address if _is_address(hostname) else verify_certificate_hostname
    )

    def judge(certificate: x509.Certificate, depth: int, verdict: int) -> str | None:
        if verdict:
            return _VERDICTS.get(verdict, f"OpenSSL's verdict {verdict}")
        if depth == 0:
            try:
                verify(certificate, hostname)
            except (VerificationError, NoNameError):
                return f"it isn't for {hostname}"
        return None

    return judge


def judge_by_fingerprint(fingerprint: str) -> Judge:
    """Trust the certificate of that fingerprint, whoever has signed it, for whom, and for how long."""

    def judge(certificate: x509.Certificate, depth: int, _: int) -> str | None:
        if depth > 0:
            return None
        shown = fingerprint_of(certificate)
        return None if shown == fingerprint else f"its fingerprint is {shown}, not {fingerprint}"

    return judge


def _is_address(hostname: str) -> bool:
    try:
        ip_address(hostname)
    except ValueError:
        return False
    return True
