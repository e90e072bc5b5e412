"""Small artifacts in memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twisted_pulp.streamer._hot import SMALL, Hot


def test_kept() -> None:
    """What nobody asked for longest is forgotten first."""
    hot = Hot(10)
    for name in "abc":
        hot.keep(name, name.encode() * 4)
        hot.get("a")
    assert [b"aaaa", None, b"cccc"] == [hot.get(name) for name in "abc"]
    assert 8 == hot.held


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
