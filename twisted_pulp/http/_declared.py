"""Digests that servers declare about what they send."""

from __future__ import annotations

import re
from binascii import Error, a2b_base64
from collections.abc import Iterator

from twisted_pulp.digests import ALGORITHMS
from twisted_pulp.headers import Fields

__all__ = ["declared_digests"]

# RFC 9530 section 2 and 3: a dictionary of byte sequences (RFC 8941 section 3.3.5).
_members = re.compile(r"([A-Za-z0-9*_.-]+)\s*=\s*:([A-Za-z0-9+/=\s]*):").findall
# RFC 3230 section 4.3.2, and what Google writes: name=base64, separated by commas.
_instances = re.compile(r"([A-Za-z0-9-]+)\s*=\s*([A-Za-z0-9+/=]+)").findall
_docker = re.compile(r"(\w+):([0-9A-Fa-f]+)").fullmatch
# Vendor's header -> algorithm; in base64, and in hex.
_BASE64 = {"content-md5": "md5", "x-amz-checksum-sha256": "sha256", "x-amz-checksum-sha1": "sha1"}
_HEX = {f"x-checksum-{name}": name for name in ("sha512", "sha256", "sha1", "md5")}
_NAMES = {"repr-digest", "content-digest", "digest", "x-goog-hash", "docker-content-digest", *_BASE64, *_HEX}
# Of the bytes of this message, and not of the whole file.
_OF_CONTENT = frozenset({"content-digest", "content-md5"})


def declared_digests(fields: Fields, whole: bool) -> dict[str, str]:
    """
    Return what *fields* declare about the file, algorithm -> hex; what cannot be understood is left out.

    Read are Repr-Digest and Content-Digest (RFC 9530), Digest (RFC 3230), Content-MD5 (RFC 1864), and the headers of
    S3, Google's storage, container registries and artifact repositories. Where headers disagree, the first counts.

    :param fields: headers of a response.
    :param whole: whether the response has all of the file.
    """
    found: dict[str, str] = {}
    if _NAMES.isdisjoint(fields):  # most declare none
        return found
    for algorithm, value in _all(fields, whole):
        name = algorithm.lower().replace("-", "")
        if len(value) == ALGORITHMS.get(name):
            found.setdefault(name, value)
    return found


def _all(fields: Fields, whole: bool) -> Iterator[tuple[str, str]]:
    for name in ("repr-digest", "content-digest"):
        if name in fields and (whole or name not in _OF_CONTENT):
            yield from _decoded(_members(fields[name]))
    if "digest" in fields:
        yield from _decoded(_instances(fields["digest"]))
    for name, algorithm in _BASE64.items():
        # S3 hashes the hashes of parts: those end with their number.
        if name in fields and "-" not in fields[name] and (whole or name not in _OF_CONTENT):
            yield from _decoded([(algorithm, fields[name])])
    for name, algorithm in _HEX.items():
        if name in fields:
            yield algorithm, fields[name].strip().lower()
    if "x-goog-hash" in fields and _as_stored(fields):
        yield from _decoded(_instances(fields["x-goog-hash"]))
    match = _docker(fields.get("docker-content-digest", ""))
    if match is not None:
        yield match[1], match[2].lower()


def _as_stored(fields: Fields) -> bool:
    """Return whether what is sent is what is stored: Google's storage undoes codings, and sends the hash of before."""
    stored = fields.get("x-goog-stored-content-encoding", "identity")
    return stored == fields.get("content-encoding", "identity")


def _decoded(pairs: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for name, value in pairs:
        try:
            yield name, a2b_base64(value.strip(), strict_mode=True).hex()
        except (Error, ValueError):
            continue
