"""Pieces that were found bad."""

from __future__ import annotations

import pytest

from twisted_pulp.download import Pieces, Source
from twisted_pulp.errors import DigestMismatch
from twisted_pulp.transfer._repairs import Repairs, one

A, B = Source("http://a/f"), Source("http://b/f")
GOOD, BAD = "0" * 32, "1" * 32


@pytest.fixture
def repairs() -> Repairs:
    """Three pieces, all of which came from A."""
    made = Repairs(Pieces(10, "md5", [GOOD] * 3), 25)
    made.came(0, 25, A)
    made.came(25, 25, B)
    return made


def test_other_first(repairs: Repairs) -> None:
    """Who did not bring a piece is asked first, then the one who did; each once."""
    for source in (B, A):
        assert (20, 25) == repairs.add((2, BAD))
        assert repairs
        assert (2, 20, source) == repairs.take([A, B])
        assert not repairs
        repairs.came(20, 25, source)
    repairs.add((2, BAD))
    with pytest.raises(DigestMismatch, match="piece 3 of 3: wrong md5: expected 0") as caught:
        repairs.take([A, B])
    assert ("md5", GOOD, BAD) == (caught.value.algorithm, caught.value.expected, caught.value.actual)
    assert [A, B, A] == repairs.culprits(2)


def test_repair_failed(repairs: Repairs) -> None:
    """A repair that broke off is gone on with; who may, is asked again."""
    repairs.add((0, BAD))
    repairs.take([A, B])
    repairs.failed(0, 4, B)
    assert (0, 4, B) == repairs.take([A, B])
    repairs.failed(0, 6, None)
    assert (0, 6, A) == repairs.take([A, B])
    assert 2 == repairs.failures


def test_another_attempt(repairs: Repairs) -> None:
    """Another attempt knows who was asked, and, if it goes on, who brought what."""
    repairs.add((1, BAD))
    repairs.take([A, B])
    repairs.add((1, BAD))
    repairs.begin(10)
    assert (False, [A]) == (bool(repairs), repairs.culprits(1))
    repairs.begin(0)
    repairs.add((1, BAD))
    assert ([], (1, 10, A)) == (repairs.culprits(1), repairs.take([A, B]))


def test_one() -> None:
    """One is to blame only if nobody else may be."""
    assert [None, A, None] == [one([]), one([A, A]), one([A, B])]
