"""What was counted, as plain data: so that one process can count for another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from attrs import define, field

from twisted_pulp.live._histogram import BOUNDS, Histogram
from twisted_pulp.live._metrics import Metrics

__all__ = ["Tally", "add"]

_NUMBERS = "attempts", "bytes"
_COUNTERS = "downloads", "errors", "jobs"
_HISTOGRAMS = "job_durations"


@define(eq=False)
class Tally:
    """
    What a worker process has counted since it was last told.

    :param metrics: that count.
    """

    _metrics: Metrics
    _told: dict[str, Any] = field(init=False, factory=dict)

    def news(self) -> dict[str, Any]:
        """Return what has come to be counted since the last call, as plain data; `add` takes it."""
        now = _seen(self._metrics)
        news = {name: _more(value, self._told.get(name)) for name, value in now.items()}
        self._told = now
        return {name: value for name, value in news.items() if value}


def add(metrics: Metrics, news: Mapping[str, Any]) -> None:
    """Count in *metrics* what another process has counted."""
    for name in _NUMBERS:
        setattr(metrics, name, getattr(metrics, name) + news.get(name, 0))
    metrics.elsewhere += news.get("bytes", 0)
    for name in _COUNTERS:
        counter: Counter[Any] = getattr(metrics, name)
        for key, value in news.get(name, ()):
            counter[tuple(key) if isinstance(key, list) else key] += value
    metrics.durations.add(*news.get("durations", ((), 0.0)))
    for kind, observed in news.get(_HISTOGRAMS, ()):
        metrics.job_durations.setdefault(kind, Histogram()).add(*observed)


def _seen(metrics: Metrics) -> dict[str, Any]:
    return {
        **{name: getattr(metrics, name) for name in _NUMBERS},
        **{name: dict(getattr(metrics, name)) for name in _COUNTERS},
        "durations": metrics.durations.counts,
        _HISTOGRAMS: {kind: each.counts for kind, each in metrics.job_durations.items()},
    }


def _more(value: Any, before: Any) -> Any:
    """Return by how much *value* is more than *before*: a number, pairs of a key and such, or counts and their sum."""
    if isinstance(value, dict):
        known = before or {}
        return [(key, more) for key, each in value.items() if (more := _more(each, known.get(key)))]
    if isinstance(value, tuple):
        counts, total = value
        old, less = before or ((0,) * (len(BOUNDS) + 1), 0.0)
        if counts == old:
            return None
        return [now - then for now, then in zip(counts, old, strict=True)], total - less
    return value - (before or 0)
