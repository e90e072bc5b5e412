"""Ranges of bytes, compared with sets of single bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_pulp.transfer._spans import Spans

LENGTH = 40
_offsets = st.integers(0, LENGTH)
_changes = st.lists(st.tuples(st.booleans(), _offsets, _offsets), max_size=12)


def after(changes: list[tuple[bool, int, int]]) -> tuple[Spans, set[int]]:
    """Return spans and a set that have undergone the same *changes*."""
    spans, model = Spans(), set[int]()
    for added, start, end in changes:
        if added:
            spans.add(start, end)
            model |= set(range(start, end))
        else:
            spans.remove(start, end)
            model -= set(range(start, end))
    return spans, model


@given(_changes)
def test_as_a_set(changes: list[tuple[bool, int, int]]) -> None:
    """Whatever is added and removed, the same bytes are there; the ranges are in order and apart."""
    spans, model = after(changes)
    ranges = list(spans)
    assert model == {byte for start, end in ranges for byte in range(start, end)}
    edges = [edge for pair in ranges for edge in pair]
    assert edges == sorted(set(edges))
    assert (len(model), bool(model)) == (spans.total, bool(spans))


@given(_changes, _offsets)
def test_reach_and_next(changes: list[tuple[bool, int, int]], offset: int) -> None:
    """The reach of an offset is where its bytes end; the next range is the first that begins behind it."""
    spans, model = after(changes)
    end = offset
    while end in model:
        end += 1
    assert end == spans.reach(offset)
    starts = [byte for byte in sorted(model) if byte - 1 not in model and byte > offset]
    assert (starts[0] if starts else None) == spans.next(offset)


@given(_changes)
def test_gaps(changes: list[tuple[bool, int, int]]) -> None:
    """What is missing is everything else."""
    spans, model = after(changes)
    missing = {byte for start, end in spans.gaps(LENGTH) for byte in range(start, end)}
    assert set(range(LENGTH)) - model == missing


@pytest.mark.parametrize(("start", "end"), [(3, 3), (4, 1)])
def test_no_bytes(start: int, end: int) -> None:
    """A range without bytes changes nothing, added or removed."""
    spans = Spans([(0, 7)])
    spans.remove(start, end)
    spans.add(start + 10, end + 10)
    assert [(0, 7)] == list(spans)


@pytest.mark.parametrize(("start", "end"), [(0, 2), (4, 6), (9, 12)])
def test_nothing_there(start: int, end: int) -> None:
    """To remove bytes that are not there, up to those that are, changes nothing."""
    spans = Spans([(2, 4), (6, 9)])
    spans.remove(start, end)
    assert [(2, 4), (6, 9)] == list(spans)


def test_shown() -> None:
    """Spans can be read."""
    assert "<Spans 0-3, 5-7>" == repr(Spans([(5, 7), (0, 2), (2, 3)]))
