"""Digests that servers declare."""

from __future__ import annotations

import hashlib
from base64 import b64encode

import pytest

from twisted_pulp.headers import Fields
from twisted_pulp.http import declared_digests

BODY = b"hello"
MD5, SHA1, SHA256, SHA512 = (hashlib.new(name, BODY) for name in ("md5", "sha1", "sha256", "sha512"))


def in_base64(value: bytes) -> str:
    """Return *value* as headers have it."""
    return b64encode(value).decode()


MD5_64, SHA1_64, SHA256_64, SHA512_64 = (in_base64(each.digest()) for each in (MD5, SHA1, SHA256, SHA512))


def declared(*headers: tuple[str, str], whole: bool = True) -> dict[str, str]:
    """Return what *headers* declare."""
    return declared_digests(Fields([(name.encode(), value.encode()) for name, value in headers]), whole)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("Repr-Digest", f"sha-256=:{SHA256_64}:", {"sha256": SHA256.hexdigest()}),
        (
            "Repr-Digest",
            f"sha-512=:{SHA512_64}:, sha-256=:{SHA256_64}:",
            {"sha512": SHA512.hexdigest(), "sha256": SHA256.hexdigest()},
        ),
        ("Content-Digest", f"sha-512=:{SHA512_64}:", {"sha512": SHA512.hexdigest()}),
        ("Digest", f"SHA-256={SHA256_64},MD5={MD5_64}", {"sha256": SHA256.hexdigest(), "md5": MD5.hexdigest()}),
        ("Digest", f"SHA={SHA1_64}", {}),
        ("Content-MD5", MD5_64, {"md5": MD5.hexdigest()}),
        ("x-amz-checksum-sha256", SHA256_64, {"sha256": SHA256.hexdigest()}),
        ("x-amz-checksum-sha1", SHA1_64, {"sha1": SHA1.hexdigest()}),
        ("x-amz-checksum-sha256", f"{SHA256_64}-3", {}),
        ("x-goog-hash", f"crc32c=n03x6A==, md5={MD5_64}", {"md5": MD5.hexdigest()}),
        ("X-Checksum-Sha256", SHA256.hexdigest().upper(), {"sha256": SHA256.hexdigest()}),
        ("X-Checksum-Sha512", SHA512.hexdigest(), {"sha512": SHA512.hexdigest()}),
        ("X-Checksum-Sha1", SHA1.hexdigest(), {"sha1": SHA1.hexdigest()}),
        ("X-Checksum-Md5", MD5.hexdigest(), {"md5": MD5.hexdigest()}),
        ("Docker-Content-Digest", f"sha256:{SHA256.hexdigest()}", {"sha256": SHA256.hexdigest()}),
        ("Repr-Digest", "sha-256=:no base64!:", {}),
        ("Repr-Digest", "sha-256=:AAAA:", {}),
        ("Repr-Digest", "unixsum=:AAAA:", {}),
        ("Repr-Digest", "sha-256=:AAA:", {}),
        ("Repr-Digest", "", {}),
        ("ETag", f'"{MD5.hexdigest()}"', {}),
    ],
)
def test_declared(name: str, value: str, expected: dict[str, str]) -> None:
    """Each header is understood, or left out."""
    assert expected == declared((name, value))


def test_part() -> None:
    """What is about the content says nothing about a file of which a part is sent."""
    headers = [("Content-Digest", f"sha-512=:{SHA512_64}:"), ("Content-MD5", MD5_64)]
    assert {} == declared(*headers, whole=False)
    expected = {"sha256": SHA256.hexdigest()}
    assert expected == declared(*headers, ("Repr-Digest", f"sha-256=:{SHA256_64}:"), whole=False)


@pytest.mark.parametrize(
    ("stored", "sent", "expected"),
    [("gzip", None, {}), ("gzip", "gzip", {"md5": MD5.hexdigest()}), ("identity", None, {"md5": MD5.hexdigest()})],
)
def test_undone(stored: str, sent: str | None, expected: dict[str, str]) -> None:
    """A hash of what is stored says nothing about what is sent when a coding was undone in between."""
    headers = [("x-goog-hash", f"md5={MD5_64}"), ("x-goog-stored-content-encoding", stored)]
    if sent is not None:
        headers.append(("Content-Encoding", sent))
    assert expected == declared(*headers)


def test_first_counts() -> None:
    """The standard's header goes before others."""
    other = "0" * 64
    assert {"sha256": SHA256.hexdigest()} == declared(
        ("X-Checksum-Sha256", other), ("Repr-Digest", f"sha-256=:{SHA256_64}:")
    )
