"""What one process has counted another one counts, too."""

from __future__ import annotations

import msgspec

from twisted_pulp.live import Metrics
from twisted_pulp.live._tally import Tally, add


def told(tally: Tally, metrics: Metrics) -> bool:
    """Tell *metrics* what is new, as another process would hear it; return whether anything was."""
    news = tally.news()
    add(metrics, msgspec.json.decode(msgspec.json.encode(news)))
    return bool(news)


def seen(metrics: Metrics) -> tuple[object, ...]:
    """Return everything that is told."""
    durations = {kind: (each.counts, each.count) for kind, each in metrics.job_durations.items()}
    numbers = metrics.attempts, metrics.bytes
    return (*numbers, metrics.downloads, metrics.errors, metrics.jobs, durations, metrics.durations.counts)


def test_told() -> None:
    """Everything is told once: numbers, words, pairs of words, and how long things took."""
    here, there = Metrics(), Metrics()
    tally = Tally(here)
    here.attempts, here.bytes = 3, 1000
    here.downloads["completed"] += 2
    here.errors["not_found"] += 1
    here.durations.observe(0.2)
    here.observe_job("sync", "failed", 7.0)
    assert told(tally, there)
    assert seen(here) == seen(there)
    assert not told(tally, there)
    here.bytes += 5
    here.observe_job("sync", "completed", 100_000.0)
    here.observe_job("verify", "completed", 0.001)
    assert told(tally, there)
    assert seen(here) == seen(there)


def test_several() -> None:
    """What several processes have counted comes together, with what was counted here."""
    one, other, here = Metrics(), Metrics(), Metrics()
    for each in (one, other, here):
        each.bytes, each.downloads["failed"] = 7, 1
        each.durations.observe(1.0)
    for each in (one, other):
        told(Tally(each), here)
    assert (21, 3, 3) == (here.bytes, here.downloads["failed"], here.durations.count)
    assert (21, 7) == (here.received, here.own)


def test_nothing() -> None:
    """A process that does nothing tells nothing."""
    assert {} == Tally(Metrics()).news()
