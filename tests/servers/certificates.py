"""Certificates with whatever is wrong with them."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path
from typing import Any

from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["DAY", "Issued", "issue", "now"]

DAY = datetime.timedelta(days=1)


def now() -> datetime.datetime:
    """Give the time of day."""
    return datetime.datetime.now(datetime.UTC)


@frozen(kw_only=True)
class Issued:
    """
    A certificate, its key and those above it.

    :ivar above: its issuer and the issuer's, the root last; none for a root.
    """

    certificate: x509.Certificate
    key: Any
    above: tuple[Issued, ...] = ()

    @property
    def pem(self) -> str:
        """The certificate alone."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def chain(self) -> str:
        """The certificate and those between it and the root."""
        return self.pem + "".join(each.pem for each in self.above[:-1])

    def key_pem(self, password: str | None = None) -> str:
        """Give the key, encrypted with *password*."""
        encryption = NoEncryption() if password is None else BestAvailableEncryption(password.encode())
        return str(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode())

    def files(self, directory: Path, chain: str | None = None) -> tuple[Path, Path]:
        """Write *chain*, by default the whole one, and the key into *directory*."""
        paths = directory / f"{self.certificate.serial_number:x}.pem", directory / "key.pem"
        paths[0].write_text(self.chain if chain is None else chain)
        paths[1].write_text(self.key_pem())
        return paths


def key_of(kind: str) -> Any:
    """Make a key: "ec" or a number of bits of RSA."""
    return ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa.generate_private_key(65537, int(kind))


def issue(
    issuer: Issued | None = None,
    *names: str,
    authority: bool = False,
    common: str = "test",
    begin: datetime.timedelta = -DAY,
    end: datetime.timedelta = DAY,
    kind: str = "ec",
    algorithm: HashAlgorithm | None = None,
    usage: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.SERVER_AUTH,
    permitted: str | None = None,
) -> Issued:
    """
    Issue a certificate.

    :param issuer: None: itself.
    :param names: host names and addresses.
    :param authority: whether it may issue others.
    :param begin: when it begins to be valid, and *end*, from now.
    :param permitted: the domain that it may issue for, and no other.
    """
    key, subject = key_of(kind), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() + begin)
        .not_valid_after(now() + end)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_name(each) for each in names]), critical=False)
    if usage is not None and not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if permitted is not None:
        constraint = x509.NameConstraints([x509.DNSName(permitted)], None)
        builder = builder.add_extension(constraint, critical=True)
    certificate = builder.sign(key if issuer is None else issuer.key, algorithm or SHA256())
    return Issued(certificate=certificate, key=key, above=() if issuer is None else (issuer, *issuer.above))


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
