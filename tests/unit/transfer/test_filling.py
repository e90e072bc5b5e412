"""A file that is filled at several places, and hashed in order."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from twisted_pulp.digests import Hashes
from twisted_pulp.download import Pieces
from twisted_pulp.transfer import _filling
from twisted_pulp.transfer._filling import Filling

BODY = bytes(range(256)) * 4
PIECE = 100
PIECES = Pieces(PIECE, "md5", [hashlib.md5(BODY[at : at + PIECE]).hexdigest() for at in range(0, len(BODY), PIECE)])
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    """A file to be filled."""
    opened = os.open(tmp_path / "f", os.O_RDWR | os.O_CREAT)
    yield opened
    os.close(opened)


def put(filling: Filling, file: int, offset: int, data: bytes) -> tuple[bool, list[tuple[int, str]]]:
    """Let *data* come to *offset*, in two blocks."""
    os.pwrite(file, data, offset)
    half = len(data) // 2
    return filling.came(file, [data[:half], data[half:]], offset, len(data))


@pytest.mark.parametrize("pieces", [None, PIECES], ids=["no pieces", "pieces"])
def test_any_order(file: int, pieces: Pieces | None, rng: random.Random) -> None:
    """In whatever order the parts come, the digest is that of the file."""
    filling = Filling(Hashes(["sha1"]), 0, [], len(BODY), pieces)
    cuts = sorted({0, len(BODY), *(rng.randrange(len(BODY)) for _ in range(9))})
    parts = list(pairwise(cuts))
    rng.shuffle(parts)
    for start, end in parts:
        behind, bad = put(filling, file, start, BODY[start:end])
        while behind:
            behind, more = filling.catch_up(file)
            bad += more
        assert [] == bad
    assert {"sha256": SHA256, "sha1": hashlib.sha1(BODY).hexdigest()} == filling.hashes.values()
    assert [(0, len(BODY))] == list(filling.ranges)


def test_bad_piece(file: int) -> None:
    """A bad piece is not there any more; what is behind it waits until it has come again."""
    filling = Filling(Hashes(), 0, [], len(BODY), PIECES)
    wrong = BODY[:250] + b"?" + BODY[251:]
    behind, bad = put(filling, file, 0, wrong)
    assert (False, [(2, hashlib.md5(wrong[200:300]).hexdigest())]) == (behind, bad)
    assert [(0, 200), (300, len(BODY))] == list(filling.ranges)
    assert (True, []) == put(filling, file, 200, BODY[200:300])
    assert (False, []) == filling.catch_up(file)
    assert SHA256 == filling.hashes.values()["sha256"]


def test_bad_last_piece(file: int) -> None:
    """The last piece, which is shorter, is checked at the end of the file; also when it is read back."""
    filling = Filling(Hashes(), 0, [], len(BODY), PIECES)
    assert (False, []) == put(filling, file, 500, BODY[500:-1] + b"?")
    behind, bad = put(filling, file, 0, BODY[:500])
    assert (True, []) == (behind, bad)
    behind, bad = filling.catch_up(file)
    assert (False, [10]) == (behind, [number for number, _ in bad])
    assert (False, []) == put(filling, file, 1000, BODY[1000:])
    assert SHA256 == filling.hashes.values()["sha256"]


def test_from_the_middle(file: int) -> None:
    """What was there before counts."""
    hashes = Hashes()
    hashes.update(BODY[:300])
    os.pwrite(file, BODY, 0)
    filling = Filling(hashes, 300, [(0, 300), (600, len(BODY))], len(BODY), None)
    assert (True, []) == put(filling, file, 300, BODY[300:600])
    assert (False, []) == filling.catch_up(file)
    assert SHA256 == filling.hashes.values()["sha256"]


def test_steps(file: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not too much is read back at a time."""
    monkeypatch.setattr(_filling, "_STEP", 400)
    monkeypatch.setattr(_filling, "_BLOCK", 150)
    os.pwrite(file, BODY, 0)
    filling = Filling(Hashes(), 0, [(0, len(BODY))], len(BODY), PIECES)
    assert [True, True, False] == [filling.catch_up(file)[0] for _ in range(3)]
    assert SHA256 == filling.hashes.values()["sha256"]


def test_file_too_short(file: int) -> None:
    """A file that has lost its end is an error, not an endless look."""
    filling = Filling(Hashes(), 0, [(0, 10)], 10, None)
    with pytest.raises(OSError, match="ends at 0"):
        filling.catch_up(file)
