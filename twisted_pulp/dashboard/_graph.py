"""A line through the latest numbers, as the path of an SVG."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

__all__ = ["Graph", "graph"]

#: How large the drawing is, in its own units; static/live.js draws the same.
WIDTH, HEIGHT = 600, 120


@frozen
class Graph:
    """
    A drawing.

    :ivar line: the path of its line.
    :ivar area: the path of what is below.
    :ivar top: the number that its upper edge stands for.
    """

    line: str
    area: str
    top: int


def graph(samples: Sequence[int], kept: int) -> Graph:
    """Return the drawing of *samples*, the newest at the right; *kept* of them are as wide as it is."""
    top = ceiling(max(samples, default=0))
    if not samples:
        return Graph("", "", top)
    step = WIDTH / (kept - 1)
    left = WIDTH - step * (len(samples) - 1)
    points = [f"{left + step * n:.1f} {HEIGHT - HEIGHT * each / top:.1f}" for n, each in enumerate(samples)]
    line = "M" + "L".join(points)
    return Graph(line, f"{line}V{HEIGHT}H{left:.1f}Z", top)


def ceiling(value: int) -> int:
    """Return a round number of bytes that *value* fits below: 1, 2 or 5 times a power of ten of some unit."""
    unit = 1024
    while value > 1000 * unit:
        unit *= 1024
    for factor in (1, 2, 5, 10, 20, 50, 100, 200, 500):
        if value <= factor * unit:
            return factor * unit
    return 1024 * unit
