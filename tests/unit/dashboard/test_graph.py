"""A line through the latest numbers."""

import pytest

from twisted_pulp.dashboard._graph import ceiling, graph

K = 1024


def test_line() -> None:
    """The newest number is at the right, the largest below the upper edge, and nothing at the bottom."""
    drawn = graph([0, 512, 1024], 5)
    assert ("M300.0 120.0L450.0 60.0L600.0 0.0", 1024) == (drawn.line, drawn.top)
    assert "M300.0 120.0L450.0 60.0L600.0 0.0V120H300.0Z" == drawn.area


def test_nothing() -> None:
    """Without numbers there is no line."""
    assert ("", "", 1024) == (graph([], 5).line, graph([], 5).area, graph([], 5).top)


@pytest.mark.parametrize(
    ("value", "top"),
    [(0, K), (K, K), (K + 1, 2 * K), (6 * K, 10 * K), (501 * K, K * K), (999 * K, K * K), (3 * K * K, 5 * K * K)],
)
def test_ceiling(value: int, top: int) -> None:
    """The upper edge is a round number."""
    assert top == ceiling(value)
