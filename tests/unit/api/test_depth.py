"""How deep JSON is nested, whatever pieces it comes in."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_pulp.api._depth import Depth

VALUES: Any = st.recursive(
    st.text(alphabet='a"\\[]{}\n') | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='a"\\[{'), inner, max_size=3),
    max_leaves=12,
)


def depth_of(value: Any) -> int:
    """Return how deep *value* is."""
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


def measured(data: bytes, *cuts: int) -> int:
    """Return what is measured of *data* in pieces."""
    depth = Depth()
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in pairwise(edges):
        depth.feed(data[start:end])
    return depth.most


@given(VALUES, st.lists(st.integers(0, 1000), max_size=5))
def test_depth(value: Any, cuts: list[int]) -> None:
    """It is that of the value; what stands in texts does not count, and where pieces end does not matter."""
    assert depth_of(value) == measured(json.dumps(value).encode(), *cuts)


@pytest.mark.parametrize(
    ("data", "depth"),
    [(b"[" * 100_000, 100_000), (b"[]" * 5, 1), (b'"[[[', 0), (b"\\\\\\", 0), (b"]]]][[[", 0), (b"", 0), (b'{"a', 1)],
)
def test_no_json(data: bytes, depth: int) -> None:
    """Of what is no JSON it is how many are open at once."""
    assert depth == measured(data)


def test_cost() -> None:
    """It costs little, also of a long text that does not end and is full of quotes."""
    data = b'"' + b'\\"' * (4 << 20)
    depth, began = Depth(), time.process_time()
    for start in range(0, len(data), 65536):
        depth.feed(data[start : start + 65536])
    assert time.process_time() - began < 5
    assert 0 == depth.most
