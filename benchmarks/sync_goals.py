"""What syncs may take, and the tables that say what they took."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import asdict, field, frozen

from benchmarks.race import Run, median_wall
from benchmarks.table import table

PEER = "aiohttp"
LARGE, HUGE, LARGE_IMMEDIATE = "100,000 on_demand", "500,000 on_demand", "100,000 immediate"
_WORDS = {True: "yes", False: "NO", None: "-"}
_MIB = 1 << 20


@frozen
class Measure:
    """
    What the same process took, again and again.

    :ivar name: of what it did.
    :ivar units: that were synced, or fetched.
    :ivar runs: what each took.
    """

    name: str
    units: int
    runs: list[Run] = field(factory=list)

    @property
    def wall(self) -> float:
        """The median of its seconds."""
        return median_wall(self.runs)

    @property
    def cpu(self) -> float:
        """The median of its seconds of the processor."""
        return statistics.median(run.cpu for run in self.runs)

    @property
    def rss(self) -> int:
        """The most bytes it had."""
        return max(run.rss for run in self.runs)


_Named = Mapping[str, Measure]


@frozen
class Limit:
    """
    What is to be kept.

    :ivar of: the name of the measure that it is about.
    :ivar words: that say it.
    :ivar value: what was reached, of all measures.
    :ivar at_most: what it may be.
    """

    of: str
    words: str
    value: Callable[[_Named], float]
    at_most: float

    def found(self, measures: _Named) -> float | None:
        """Return what was reached; None when a measure is missing."""
        try:
            return self.value(measures)
        except KeyError:
            return None


def _ratio(name: str, at_most: float) -> Limit:
    return Limit(name, f"{at_most:g} x {PEER}", lambda named: named[name].wall / named[PEER].wall, at_most)


def _slower(kind: str, speed: float) -> Limit:
    """Return that PostgreSQL has at least this part of SQLite's speed."""
    there, here = f"{kind}, PostgreSQL", f"{kind}, SQLite"
    return Limit(there, f"{1 / speed:.2f} x SQLite", lambda named: named[there].wall / named[here].wall, 1 / speed)


def _seconds(name: str, at_most: float) -> Limit:
    return Limit(name, f"{at_most:g} s", lambda named: named[name].wall, at_most)


def _memory(name: str, at_most: float) -> Limit:
    return Limit(name, f"{at_most:g} MiB", lambda named: named[name].rss / _MIB, at_most)


def _more_memory(named: _Named) -> float:
    return (named[HUGE].rss - named[LARGE].rss) / _MIB


def _growth(named: _Named) -> float:
    huge, large = named[HUGE], named[LARGE]
    return (huge.wall / huge.units) / (large.wall / large.units)


LIMITS = (
    _ratio("immediate, SQLite", 2.0),
    _ratio("immediate, PostgreSQL", 2.8),
    *(_ratio(f"on_demand, {each}", 1.2) for each in ("SQLite", "PostgreSQL")),
    *(_ratio(f"forced again, {each}", 1.2) for each in ("SQLite", "PostgreSQL")),
    *(_ratio(f"skipped, {each}", 0.6) for each in ("SQLite", "PostgreSQL")),
    *(_slower(each, 0.6) for each in ("immediate", "on_demand", "forced again", "skipped")),
    _seconds(LARGE, 12),
    _memory(LARGE, 200),
    _seconds(LARGE_IMMEDIATE, 40),
    _memory(LARGE_IMMEDIATE, 200),
    Limit(HUGE, f"30 MiB above {LARGE}", _more_memory, 30),
    Limit(HUGE, f"1.15 x the time a unit of {LARGE}", _growth, 1.15),
)


def walls(measures: Sequence[Measure]) -> str:
    """Return the table of what was measured: medians of whole processes."""
    named = {each.name: each for each in measures}
    head = ["process", "seconds", "ratio", "cpu s", "ratio", "units/s", "peak RSS MiB"]
    rows = []
    for each in measures:
        peer = named.get(PEER)
        wall, cpu = (f"{each.wall / peer.wall:.2f}", f"{each.cpu / peer.cpu:.2f}") if peer else ("-", "-")
        rate = f"{each.units / each.wall:.0f}"
        rows.append([each.name, f"{each.wall:.3f}", wall, f"{each.cpu:.2f}", cpu, rate, f"{each.rss / _MIB:.0f}"])
    return table(head, rows)


def limits(measures: Sequence[Measure]) -> str:
    """Return the table of what had to be kept, as far as it was measured."""
    rows = [[each.of, each.words, f"{value:.2f}", _WORDS[value <= each.at_most]] for each, value in _judged(measures)]
    return table(["process", "at most", "is", "met"], rows)


def missed(measures: Sequence[Measure]) -> bool:
    """Return whether something was not kept."""
    return any(value > each.at_most for each, value in _judged(measures))


def _judged(measures: Sequence[Measure]) -> list[tuple[Limit, float]]:
    named = {each.name: each for each in measures}
    found = [(each, each.found(named)) for each in LIMITS]
    return [(each, value) for each, value in found if value is not None]


def figures(measures: Sequence[Measure]) -> dict[str, Any]:
    """Return everything as what JSON can hold."""
    judged = [{"process": each.of, "at_most": each.words, "is": value} for each, value in _judged(measures)]
    return {"measures": [asdict(each) for each in measures], "limits": judged}
