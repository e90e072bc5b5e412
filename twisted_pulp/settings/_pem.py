"""PEM: certificates and keys, read and checked where they are given."""

from __future__ import annotations

import datetime
import re
from typing import Any

from attrs import field, frozen
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509 import Certificate, load_pem_x509_certificate

from twisted_pulp.errors import SettingsError

__all__ = ["Loaded", "loaded"]

_BEGIN = "-----BEGIN "
# What stands between blocks is comment (RFC 7468 section 2).
_BLOCK = re.compile(r"-----BEGIN ([^-\r\n]+)-----[^\n]*\n(.*?)-----END \1-----", re.S)
_CERTIFICATE = "CERTIFICATE"
_KEY = "PRIVATE KEY"
# openssl writes these before keys; they say nothing that the key does not.
_PARAMETERS = ("EC PARAMETERS", "DH PARAMETERS")


@frozen(kw_only=True)
class Loaded:
    """
    What PEM held.

    :ivar authorities: of `ca_cert`.
    :ivar chain: of `client_cert`, ours first.
    :ivar key: ours.
    """

    authorities: tuple[Certificate, ...] = ()
    chain: tuple[Certificate, ...] = ()
    key: Any = field(default=None, repr=False, eq=False)  # there is but one for a certificate


def loaded(ca_cert: str | None, client_cert: str | None, client_key: str | None, password: str | None) -> Loaded:
    """
    Return what the PEM, or the files of PEM, hold.

    :raises SettingsError: when one cannot be read, is damaged or out of date, or does not go with the others.
    """
    authorities = () if ca_cert is None else _certificates("ca_cert", ca_cert, _blocks("ca_cert", ca_cert, ()))
    if client_cert is None:
        return Loaded(authorities=authorities)
    found = _blocks("client_cert", client_cert, (_KEY,))
    chain = _certificates("client_cert", client_cert, [each for each in found if each[0] == _CERTIFICATE])
    _check_time(chain[0])
    keys = [each for each in found if each[0] != _CERTIFICATE]
    name = "client_cert" if client_key is None else "client_key"
    if client_key is not None:
        keys = [each for each in _blocks("client_key", client_key, (_KEY,)) if each[0] != _CERTIFICATE]
    if len(keys) != 1:
        raise SettingsError("client_key", f"{len(keys) or 'no'} keys in {name}", "PEM with the key of client_cert")
    key = _key(name, keys[0][1], password)
    _check_pair(chain[0], key)
    return Loaded(authorities=authorities, chain=chain, key=key)


def _blocks(name: str, given: str, kinds: tuple[str, ...]) -> list[tuple[str, bytes]]:
    """Return the blocks of certificates, and those of further *kinds*, in *given*: what each is, and its text."""
    text = _text(name, given)
    found = []
    for match in _BLOCK.finditer(text):
        kind = _CERTIFICATE if match[1] in (_CERTIFICATE, f"X509 {_CERTIFICATE}") else match[1]
        if kind in _PARAMETERS:
            continue
        if kind != _CERTIFICATE and not (kinds and kind.endswith(kinds)):
            raise SettingsError(name, f"PEM with a block of {match[1]!r}", "PEM of certificates")
        head = f"{_BEGIN}{kind}-----\n{match[2]}-----END {kind}-----\n"
        found.append((kind, head.encode("latin-1", "replace")))
    if len(_BLOCK.findall(text)) != text.count(_BEGIN):
        raise SettingsError(name, "PEM with a block that does not end", "PEM that is whole")
    return found


def _text(name: str, given: str) -> str:
    if _BEGIN in given:
        return given.replace("\r\n", "\n") + "\n"
    allowed = "PEM text, or the path of a file that can be read"
    if not given.isprintable():
        raise SettingsError(name, "text without PEM", allowed)
    try:
        with open(given, encoding="latin-1") as file:
            return file.read() + "\n"
    except (OSError, ValueError) as error:
        # What should be the path of a key may be a key.
        raise SettingsError(name, "no such file" if name == "client_key" else given, allowed) from error


def _certificates(name: str, given: str, blocks: list[tuple[str, bytes]]) -> tuple[Certificate, ...]:
    found: list[Certificate] = []
    for _, block in blocks:
        try:
            found.append(load_pem_x509_certificate(block))
        except (ValueError, TypeError) as error:
            raise SettingsError(name, f"certificate {len(found) + 1}, which is damaged", "valid PEM") from error
    if not found:
        what = "text without a certificate" if _BEGIN in given else given
        raise SettingsError(name, what, "PEM with at least one certificate")
    return tuple(found)


def _check_time(certificate: Certificate) -> None:
    now = datetime.datetime.now(datetime.UTC)
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not begin <= now <= end:
        when = f"expired {end:%Y-%m-%d %H:%M} UTC" if end < now else f"not valid before {begin:%Y-%m-%d %H:%M} UTC"
        raise SettingsError("client_cert", when, "a certificate that is valid now")


def _key(name: str, block: bytes, password: str | None) -> Any:
    encrypted = b"ENCRYPTED" in block
    if encrypted and password is None:
        raise SettingsError("client_key_password", None, f"the passphrase of the key in {name}, which is encrypted")
    if password is not None and not encrypted:
        raise SettingsError("client_key_password", "***", f"left out, for the key in {name} is not encrypted")
    try:
        return load_pem_private_key(block, None if password is None else password.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if encrypted:
            raise SettingsError("client_key_password", "***", f"the passphrase of the key in {name}") from error
        raise SettingsError(name, "a key that is damaged or of an unknown kind", "PEM with a key") from error


def _check_pair(certificate: Certificate, key: Any) -> None:
    try:
        theirs = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SettingsError("client_cert", "a certificate with a key of an unknown kind", "one with a key") from error
    if _public(theirs) != _public(key.public_key()):
        what = "the key of the certificate that stands first in client_cert"
        raise SettingsError("client_key", "the key of another certificate", what)


def _public(key: Any) -> bytes:
    return bytes(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
