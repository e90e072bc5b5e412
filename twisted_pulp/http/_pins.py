"""Pins: what a server's certificate must be, whoever signed it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from twisted_pulp.errors import TLSError

__all__ = ["check_pins", "pins_of"]

_CONTEXT_0 = 0xA0


def check_pins(certificate: Any, pins: Sequence[str]) -> None:
    """
    Check that *certificate*, as cryptography has it, is one of *pins*.

    :raises TLSError: when it is none of them.
    """
    found = pins_of(certificate)
    wanted = {pin.lower() if pin.startswith("cert-") else pin for pin in pins}
    if wanted.isdisjoint(found):
        raise TLSError(detail=f"the certificate is none of the pinned ones: its key is {found[0]}")


def pins_of(certificate: Any) -> tuple[str, str]:
    """Return the pin of the public key of *certificate*, and that of itself."""
    key = b64encode(sha256(_public_key(certificate.tbs_certificate_bytes)).digest()).decode("ascii")
    whole = sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
    return f"sha256/{key}", f"cert-sha256/{whole}"


def _public_key(tbs: bytes) -> bytes:
    """Return SubjectPublicKeyInfo as it stands in *tbs* (RFC 5280 section 4.1): not every kind of key can be read."""
    _, at, _ = _element(tbs, 0)
    if tbs[at] == _CONTEXT_0:  # the version
        at = _element(tbs, at)[2]
    for _ in ("serial number", "signature", "issuer", "validity", "subject"):
        at = _element(tbs, at)[2]
    return tbs[at : _element(tbs, at)[2]]


def _element(der: bytes, at: int) -> tuple[int, int, int]:
    """Return where the element at *at* begins, where its content does, and where it ends."""
    size, content = der[at + 1], at + 2
    if size & 0x80:
        many = size & 0x7F
        size, content = int.from_bytes(der[content : content + many]), content + many
    return at, content, content + size
