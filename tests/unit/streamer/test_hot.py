"""Small artifacts in memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twisted_pulp.streamer._hot import SMALL, Hot


def test_kept() -> None:
    """What nobody asks for is forgotten first, for what is wanted again and again."""
    hot = Hot(20)
    for name in "abcde":
        hot.keep(name, name.encode() * 4)
    for _ in range(3):
        hot.get("a")
        hot.keep("f", b"ffff")
    assert [b"aaaa", None, b"ffff"] == [hot.get(name) for name in "abf"]
    assert 20 == hot.held


def test_round() -> None:
    """Who asks for somewhat more than fits, in turns, still finds most of it."""
    hot, found = Hot(80), 0
    for _ in range(10):
        for name in map(str, range(100)):
            if hot.get(name) is None:
                hot.keep(name, b"x")
            else:
                found += 1
    assert found > 600


def test_wanted_no_more() -> None:
    """What nobody asks for any more makes room for what is."""
    hot = Hot(10)
    for wanted in ("abcdefghij", "klmnopqrst"):
        for _ in range(20):
            for name in wanted:
                if hot.get(name) is None:
                    hot.keep(name, b"x")
    assert [b"x"] * 10 == [hot.get(name) for name in "klmnopqrst"]


def test_too_large() -> None:
    """What is not small, or fits nowhere, is not kept."""
    hot = Hot(1 << 20)
    hot.keep("a", bytes(SMALL + 1))
    Hot(3).keep("a", b"abcd")
    assert (None, 0) == (hot.get("a"), hot.held)


def test_twice() -> None:
    """What is here already is counted once."""
    hot = Hot(10)
    hot.keep("a", b"abc")
    hot.keep("a", b"abc")
    assert 3 == hot.held


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 30), st.booleans())), st.integers(0, 50))
def test_bounded(steps: list[tuple[str, int, bool]], limit: int) -> None:
    """Never more is held than may be, and the count is right."""
    hot, sizes = Hot(limit), {}
    for name, size, asks in steps:
        if asks:
            hot.get(name)
        else:
            size = sizes.setdefault(name, size)
            hot.keep(name, bytes(size))
        assert hot.held == sum(len(hot.get(each) or b"") for each in "abcdef") <= limit
