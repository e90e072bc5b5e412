"""Digests: what may be asked for, and what they are."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_pulp.digests import ALGORITHMS, WEAK, Hashes, checked_digests, digests_of_file
from twisted_pulp.errors import SettingsError

SHA256 = hashlib.sha256(b"abc").hexdigest()


def test_algorithms() -> None:
    """Those of package metadata are supported, and nothing else."""
    assert {
        "blake2b": 128,
        "md5": 32,
        "sha1": 40,
        "sha224": 56,
        "sha256": 64,
        "sha384": 96,
        "sha512": 128,
    } == ALGORITHMS
    assert {"md5", "sha1"} == WEAK


def test_any_case() -> None:
    """Names and values may be given in any case and are kept in lower case."""
    assert {"sha256": SHA256} == checked_digests({"SHA256": SHA256.upper()})


@pytest.mark.parametrize(
    ("digests", "field"),
    [
        ({"crc32": "00"}, "digests"),
        ({"sha256": ""}, "digests.sha256"),
        ({"sha256": SHA256[:-1]}, "digests.sha256"),
        ({"sha256": SHA256 + "0"}, "digests.sha256"),
        ({"sha256": "g" + SHA256[1:]}, "digests.sha256"),
        ({"sha256": SHA256[:32] + "g" + SHA256[33:]}, "digests.sha256"),
        ({"sha256": " " + SHA256[1:]}, "digests.sha256"),
        ({"sha256": "\u0660" * 64}, "digests.sha256"),
        ({"md5": SHA256}, "digests.md5"),
    ],
)
def test_refused(digests: dict[str, str], field: str) -> None:
    """What is no digest is refused, with the name of what is wrong."""
    with pytest.raises(SettingsError) as caught:
        checked_digests(digests)
    assert field == caught.value.field


def test_refused_in_the_middle() -> None:
    """A character that is no digit is found wherever it stands."""
    assert [] == [n for n in range(64) if _accepted(SHA256[:n] + "x" + SHA256[n + 1 :])]


def _accepted(value: str) -> bool:
    try:
        checked_digests({"sha256": value})
    except SettingsError:
        return False
    return True


@pytest.mark.parametrize(
    "asked", [(), frozenset({"sha256"}), ["md5"], {"sha256", "blake2b", "sha512"}, tuple(ALGORITHMS)]
)
def test_values(asked: Iterable[str]) -> None:
    """Every algorithm asked for and sha256 come out of one pass, as hashlib has them."""
    hashes = Hashes(asked)
    for piece in (b"a", bytearray(b"b"), memoryview(b"c")):
        hashes.update(piece)
    assert {name: hashlib.new(name, b"abc").hexdigest() for name in {"sha256", *asked}} == hashes.values()


@given(st.lists(st.binary(max_size=100)))
def test_pieces(pieces: list[bytes]) -> None:
    """However the bytes come in pieces, the digests are those of the whole."""
    hashes = Hashes(["md5"])
    for piece in pieces:
        hashes.update(piece)
    whole = b"".join(pieces)
    assert {"sha256": hashlib.sha256(whole).hexdigest(), "md5": hashlib.md5(whole).hexdigest()} == hashes.values()


@pytest.mark.parametrize(
    ("length", "read"),
    [(None, 3_000_000), (0, 0), (1, 1), (1 << 20, 1 << 20), ((1 << 20) + 1, (1 << 20) + 1), (4_000_000, 3_000_000)],
)
def test_of_file(tmp_path: Path, length: int | None, read: int) -> None:
    """A file is read from its start, wherever its descriptor stands, and never further than asked."""
    body = b"0123456789" * 300_000
    path = tmp_path / "file"
    path.write_bytes(body)
    file = os.open(path, os.O_RDONLY)
    try:
        os.lseek(file, 5, os.SEEK_SET)
        hashes, size = digests_of_file(file, ["sha1"], length)
    finally:
        os.close(file)
    assert read == size
    assert hashlib.sha256(body[:read]).hexdigest() == hashes.values()["sha256"]
