"""The certificate that a TLS peer has shown."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twisted_lab.net.privacy import ends_in_tls

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

#: The object identifier of a subject's common name (RFC 5280, appendix A.1).
_COMMON_NAME = "2.5.4.3"


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """
    What a peer's certificate says: `fingerprint` is ``sha256:`` and 64 small hexadecimal digits.

    `common_name` is None unless the subject has exactly one: what two programs may read differently isn't a name.
    """

    fingerprint: str
    common_name: str | None


def certificate_of(transport: Any) -> PeerCertificate | None:
    """
    Give what the peer of `transport` has shown, once the handshake is over; None without TLS, or without a certificate.

    Whether it was verified is the endpoint's matter. Behind a proxy it is None: the certificate would be the proxy's.
    """
    shown = transport.getPeerCertificate() if ends_in_tls(transport) else None
    if shown is None:
        return None
    certificate: Certificate = shown.to_cryptography()
    names = [attribute.value for attribute in certificate.subject if attribute.oid.dotted_string == _COMMON_NAME]
    common_name = names[0] if len(names) == 1 and isinstance(names[0], str) else None
    return PeerCertificate(fingerprint_of(certificate), common_name)


def fingerprint_of(certificate: "Certificate") -> str:
    """Give ``sha256:`` and the digest of the certificate's DER, in 64 small hexadecimal digits."""
    # By their numbers: the module of cryptography that has the names comes with the TLS extra only.
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    return f"sha256:{hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()}"


def parse_fingerprint(text: str) -> str:
    """
    Read a fingerprint as people have it: ``sha256:`` and 64 hexadecimal digits, in pairs with colons or without.

    That is what `openssl x509 -fingerprint -sha256` prints, after ``sha256:``. `ValueError` for anything else.
    """
    kind, _, digits = text.partition(":")
    digits = digits.replace(":", "").lower()
    if kind.lower() not in {"sha256", "sha-256"} or len(digits) != 64 or not set(digits) <= set("0123456789abcdef"):
        raise ValueError(f"{text!r} isn't a fingerprint: sha256: and 64 hexadecimal digits")
    return f"sha256:{digits}"
