"""Digest access authentication (RFC 7616), without the requests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from urllib.parse import quote_from_bytes

from twisted_pulp.http._challenges import Challenge

__all__ = ["DigestSession", "strongest"]

# From the weakest up; the session variants count as what they are made of.
_HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}
_STRENGTH = {name: number for number, name in enumerate(_HASHES) if _HASHES[name] in hashlib.algorithms_available}


def _algorithm(challenge: Challenge) -> tuple[str, bool]:
    name = challenge.parameters.get("algorithm", "MD5").upper()
    return name.removesuffix("-SESS"), name.endswith("-SESS")


def _understood(challenge: Challenge) -> bool:
    given = challenge.parameters
    qop = given.get("qop")
    return (
        challenge.scheme == "digest"
        and "nonce" in given
        and "realm" in given
        and _algorithm(challenge)[0] in _STRENGTH
        and (qop is None or "auth" in _options(qop))
    )


def _options(qop: str) -> list[str]:
    return [each.strip(" \t").lower() for each in qop.split(",")]


def strongest(challenges: Iterable[Challenge]) -> Challenge | None:
    """Return the Digest challenge of the best algorithm we have, or None; among equals the first."""
    ours = [each for each in challenges if _understood(each)]
    return max(ours, key=lambda each: _STRENGTH[_algorithm(each)[0]], default=None)


class DigestSession:
    """
    What is said to a server under one nonce.

    :param user: the name, as bytes in UTF-8.
    :param password: likewise.
    :param challenge: that is answered: one that `strongest` chose.
    :param cnonce: our own nonce, which nobody can guess.
    """

    def __init__(self, user: bytes, password: bytes, challenge: Challenge, cnonce: str) -> None:
        given = {name: value.encode("latin-1") for name, value in challenge.parameters.items()}
        self._given, self._cnonce, self._count = given, cnonce.encode("ascii"), 0
        self._name, self._session = _algorithm(challenge)
        self._named = self._username(user)
        self._secret = self._hash(b"%b:%b:%b" % (user, given["realm"], password))
        self._begin(given["nonce"])

    def _begin(self, nonce: bytes) -> None:
        self._nonce, self._count, self._key = nonce, 0, self._secret
        if self._session:
            self._key = self._hash(b"%b:%b:%b" % (self._secret, nonce, self._cnonce))

    def _hash(self, data: bytes) -> bytes:
        return hashlib.new(_HASHES[self._name], data, usedforsecurity=False).hexdigest().encode("ascii")

    def _username(self, user: bytes) -> bytes:
        if self._given.get("userhash", b"").lower() == b"true":
            return b'username="%b", userhash=true' % self._hash(b"%b:%b" % (user, self._given["realm"]))
        if user.isascii() and user.decode("ascii").isprintable():
            return b"username=%b" % _quoted(user)
        return b"username*=UTF-8''" + quote_from_bytes(user, safe="").encode("ascii")

    def renewed(self, nonce: bytes) -> None:
        """Go on under *nonce*: the server has said that it is the next."""
        if nonce != self._nonce:
            self._begin(nonce)

    def authorization(self, method: bytes, target: bytes) -> bytes:
        """Return the value of Authorization for a request; each counts."""
        self._count += 1
        given, proof = self._given, self._hash(b"%b:%b" % (method, target))
        parts = [self._named, b"realm=%b" % _quoted(given["realm"]), b"nonce=%b" % _quoted(self._nonce)]
        parts.append(b"uri=%b" % _quoted(target))
        if "qop" in given:
            count = b"%08x" % self._count
            between = b"%b:%b:%b:auth" % (self._nonce, count, self._cnonce)
            parts += [b"qop=auth", b"nc=%b" % count, b'cnonce="%b"' % self._cnonce]
        else:
            between = self._nonce
            if self._session:
                parts.append(b'cnonce="%b"' % self._cnonce)
        parts.append(b'response="%b"' % self._hash(b"%b:%b:%b" % (self._key, between, proof)))
        if "algorithm" in given:
            parts.append(b"algorithm=%b" % (self._name + "-sess" * self._session).encode("ascii"))
        if "opaque" in given:
            parts.append(b"opaque=%b" % _quoted(given["opaque"]))
        return b"Digest " + b", ".join(parts)


def _quoted(text: bytes) -> bytes:
    return b'"%b"' % text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
