"""PEM files: certificates and private keys."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from OpenSSL import crypto
from twisted.internet.ssl import Certificate, KeyPair, PrivateCertificate

from twisted_lab.net.tls import TLSError

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
#: Bytes: more than any chain needs; what is larger isn't meant.
_MAX_SIZE = 2**20


@dataclass
class Identity:
    """A certificate with its key, and the certificates that lead from it to its CA, which may be missing."""

    certificate: PrivateCertificate
    chain: list[Certificate]

    @property
    def parsed(self) -> x509.Certificate:
        """The certificate as cryptography has it."""
        return as_x509(self.certificate)


@dataclass
class PEM:
    """What PEM files hold, in their order."""

    certificates: list[Certificate] = field(default_factory=list)
    keys: list[KeyPair] = field(default_factory=list)

    def identities(self) -> list[Identity]:
        """Give the certificates that have a key; the others may be links of their chains."""
        keys = {key.keyHash(): key for key in self.keys}
        own, others = [], []
        for certificate in self.certificates:
            key = keys.get(certificate.getPublicKey().keyHash())
            if key is None:
                others.append(certificate)
            else:
                own.append(PrivateCertificate.fromCertificateAndKeyPair(certificate, key))
        return [Identity(certificate, _chain(certificate, others)) for certificate in own]


def read_pem(*paths: Path) -> PEM:
    """Read PEM files; `TLSError` if one can't be read, or a block in it can't be understood."""
    found = PEM()
    for path in paths:
        for match in _BLOCK.finditer(_read(path)):
            kind, block = match[1], match[0] + b"\n"
            try:
                if kind.endswith(b"CERTIFICATE"):
                    found.certificates.append(Certificate.loadPEM(block))
                elif b"ENCRYPTED" in block:  # OpenSSL would ask the terminal for the passphrase, and wait
                    raise TLSError(f"{path}: its private key is encrypted; a server or a script can't ask for the word")
                elif kind.endswith(b"PRIVATE KEY"):
                    found.keys.append(KeyPair.load(block, crypto.FILETYPE_PEM))
            except (crypto.Error, ValueError):
                raise TLSError(f"{path}: there is a broken {kind.decode().lower()} in it") from None
    return found


def read_certificates(path: Path) -> list[Certificate]:
    """Give the certificates in a PEM file; `TLSError` if there are none."""
    certificates = read_pem(path).certificates
    if not certificates:
        raise TLSError(f"{path}: there is no certificate in it")
    return certificates


def read_identity(path: Path) -> Identity:
    """Give the one certificate with its key in a PEM file; `TLSError` if there isn't one."""
    identities = read_pem(path).identities()
    if not identities:
        raise TLSError(f"{path}: there is no certificate with its private key in it")
    return identities[0]


def as_x509(certificate: Certificate) -> x509.Certificate:
    """Give a certificate as cryptography has it."""
    converted: x509.Certificate = certificate.original.to_cryptography()
    return converted


def _chain(leaf: Certificate, others: list[Certificate]) -> list[Certificate]:
    by_subject = {as_x509(certificate).subject: certificate for certificate in others}
    chain: list[Certificate] = []
    issuer = by_subject.pop(as_x509(leaf).issuer, None)
    while issuer is not None:  # each is taken once: they may sign each other
        chain.append(issuer)
        issuer = by_subject.pop(as_x509(issuer).issuer, None)
    return chain


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_SIZE)
    except OSError as error:
        raise TLSError(f"{path}: {error.strerror}") from None
