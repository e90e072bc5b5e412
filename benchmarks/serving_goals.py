"""What serving has to reach, and the tables that say what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import frozen

from benchmarks.contenders import OURS
from benchmarks.fronts import NGINX
from benchmarks.table import table

SMALLER, SMALL = "stored, 1,000 x 4 KiB, requests/s", "stored, 5,000 x 4 KiB, requests/s"
BIG = "stored, 1 GiB, MiB/s"
COLD = "cold, 5,000 x 1 KiB, files/s"
ONE, MANY = "cold, 100 MiB, 1 client, s", "cold, 100 MiB, 200 clients, s"
REQUESTS, RSS = "cold, 100 MiB, 200 clients, upstream requests", "cold, 100 MiB, 200 clients, RSS + MiB"
IDLE = "1,000 idle clients, RSS + MiB"
#: Behind the name of a figure: what it takes of the processor.
CPU = ": cpu ms each"
_ORDER = (SMALLER, SMALL, BIG, COLD, ONE, MANY, REQUESTS, RSS, IDLE)
#: Figures of which the worst counts, and not the median.
_WORST = {REQUESTS, RSS, IDLE}
_WORDS = {True: "yes", False: "NO"}
#: Of pulpcore's content app, and what it gave; not of this run, but of earlier ones, with 16 connections.
PULPCORE = "pulpcore 3.123.1 *"
KNOWN = (
    "\\* Not of this run: measured before, on another machine with 2 processors; the larger figures are of its Redis "
    "cache."
)
_EARLIER = {
    SMALLER: "45 to 95, or 760 to 1,550",
    SMALL: "45 to 95, or 760 to 1,550",
    COLD: "64 to 66",
    REQUESTS: "one each",
}

Found = Mapping[str, Mapping[str, Sequence[float]]]


@frozen
class Goal:
    """
    What is to be reached.

    :ivar of: the figures that it needs.
    :ivar words: that say it.
    :ivar value: what was reached.
    :ivar met: whether that is enough.
    """

    of: tuple[str, ...]
    words: str
    value: Callable[[Found], float]
    met: Callable[[float], bool]


def _of(found: Found, figure: str, name: str = OURS) -> float:
    values = found[figure][name]
    return max(values) if figure in _WORST else statistics.median(values)


def _rate(figure: str, least: float) -> Goal:
    return Goal((figure,), f"at least {least:,}", lambda found: _of(found, figure), lambda value: value >= least)


GOALS = (
    _rate(SMALLER, 5000),
    _rate(SMALL, 5000),
    Goal(
        (BIG,),
        f"at least 0.6 x {NGINX}",
        lambda found: _of(found, BIG) / _of(found, BIG, NGINX),
        lambda value: value >= 0.6,
    ),
    _rate(COLD, 1500),
    Goal(
        (MANY, ONE),
        "at most 1.5 x one client's",
        lambda found: _of(found, MANY) / _of(found, ONE),
        lambda value: value <= 1.5,
    ),
    Goal((REQUESTS,), "1", lambda found: _of(found, REQUESTS), lambda value: value == 1),
    Goal((RSS,), "at most 64", lambda found: _of(found, RSS), lambda value: value <= 64),
    Goal((IDLE,), "below 60", lambda found: _of(found, IDLE), lambda value: value < 60),
)


def measures(found: Found) -> str:
    """Return the table of what was measured, in Markdown; what was measured before stands beside it."""
    names = list(dict.fromkeys(name for values in found.values() for name in values))
    figures = [each for figure in _ORDER for each in (figure, f"{figure}{CPU}") if each in found]
    rows = [[each, *(_cell(found, each, name) for name in names), _EARLIER.get(each, "-")] for each in figures]
    return table(["figure", *names, PULPCORE], rows)


def _cell(found: Found, figure: str, name: str) -> str:
    if name not in found[figure]:
        return "-"
    value = _of(found, figure, name)
    return f"{value:,.0f}" if value >= 100 or figure == REQUESTS else f"{value:.2f}"


def _judged(found: Found) -> list[Goal]:
    """Return the goals of what was measured."""
    return [goal for goal in GOALS if all(each in found for each in goal.of)]


def goals(found: Found) -> str:
    """Return the table of what had to be reached, in Markdown."""
    judged = [(goal, goal.value(found)) for goal in _judged(found)]
    rows = [[goal.of[0], goal.words, f"{value:,.2f}", _WORDS[goal.met(value)]] for goal, value in judged]
    return table(["figure", "goal", "is", "met"], rows)


def missed(found: Found) -> bool:
    """Return whether something was not reached."""
    return not all(goal.met(goal.value(found)) for goal in _judged(found))


def figures(found: Found) -> dict[str, Any]:
    """Return everything as what JSON can hold."""
    judged = [{"figure": each.of[0], "goal": each.words, "is": each.value(found)} for each in _judged(found)]
    return {"measures": found, "goals": judged}
