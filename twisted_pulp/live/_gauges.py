"""What is, as Prometheus knows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import field, frozen

from twisted_pulp.live._broker_gauges import broker_gauges
from twisted_pulp.live._counted import PREFIX
from twisted_pulp.live._node_gauges import node_gauges
from twisted_pulp.live._running import Running

__all__ = ["Facts", "gauges"]

#: Hosts whose connections are told one by one; the others are told together.
HOSTS = 50


@frozen(kw_only=True)
class Facts:
    """
    What had to be looked up.

    :ivar jobs: how many are in which state; None: it could not be looked up.
    :ivar queue: how many jobs wait for nothing but a worker; None: it could not be looked up.
    :ivar nodes: the processes that share the catalog, as `jobs.Node`; none where that could not be looked up.
    :ivar broker: that many processes share; None: there is none.
    :ivar depth: how many messages it has, as `jobs.Depth`; None: that could not be looked up.
    :ivar storage: numbers of the storage by name, as "free_bytes"; those that could not be looked up are missing.
    """

    jobs: Mapping[str, int] | None = None
    queue: int | None = None
    nodes: Sequence[Any] = ()
    storage: Mapping[str, int] = field(factory=dict)
    broker: Any = None
    depth: Any = None


def gauges(running: Running, facts: Facts) -> Iterator[Any]:
    """Give the families of what the parts of a daemon are doing."""
    yield _info(running)
    yield _gauge("start_time_seconds", "When it was started, in seconds since the epoch.", running.started)
    yield _gauge("ready", "Whether it takes work: 1 or 0.", running.health.ready)
    yield _gauges("degraded", "Parts that are not well.", ("part",), dict.fromkeys(running.health.degraded, 1))
    yield _gauge("event_listeners", "Who listens to events.", running.feed.listeners)
    if facts.jobs is not None:
        yield _gauges("jobs", "Jobs by state.", ("state",), {**dict.fromkeys(_STATES, 0), **facts.jobs})
    if facts.queue is not None:
        yield _gauge("queue_jobs", "Jobs that wait for nothing but a worker.", facts.queue)
    if facts.nodes:
        yield from node_gauges(facts.nodes)
    if facts.broker is not None:
        yield from broker_gauges(facts.broker, facts.depth)
    for name, value in facts.storage.items():
        yield _gauge(f"storage_{name}", _STORAGE[name], value)
    yield _gauge("downloads_running", "Downloads under way.", running.metrics.running)
    yield from _pool(running.context.pool)
    flights = getattr(running.streamer, "flights", None)
    if flights is not None:
        yield _gauge("content_transfers", "Transfers for clients that are under way.", flights.count)
        yield _gauge("content_readers", "Clients who read or wait for them.", flights.readers)


_STATES = "waiting", "running", "paused", "completed", "failed", "cancelled"
_STORAGE = {
    "bytes": "Bytes of stored files.",
    "files": "Stored files.",
    "free_bytes": "Bytes that are free where files are kept.",
    "size_bytes": "Bytes that there are where files are kept.",
}


def _info(running: Running) -> Any:
    from prometheus_client.core import InfoMetricFamily

    return InfoMetricFamily(PREFIX + "build", "What runs.", value={"version": running.version})


def _pool(pool: Any) -> Iterator[Any]:
    overall = pool.overall
    states = {"busy": overall.busy, "idle": max(overall.open - overall.busy, 0)}
    yield _gauges("connections", "Connections to upstreams.", ("state",), states)
    yield _gauge("connections_limit", "The most there may be.", overall.limit)
    yield _gauge("connections_waiting", "Requests that wait for one.", waiting(pool))
    words = "Connections to each of the busiest hosts; to all others under the name of other."
    yield _gauges("host_connections", words, ("host",), by_host(pool))
    words = "Requests at once that a host is asked, of those that bear fewer than the limit."
    yield _gauges("host_allowed", words, ("host",), allowed(pool))


def waiting(pool: Any) -> int:
    """Return how many requests wait for a connection."""
    return len(pool._waiting)


def by_host(pool: Any) -> dict[str, int]:
    """Return how many connections are open to which host, of so many hosts at most."""
    found: Counter[str] = Counter()
    for key, cap in pool._hosts.items():
        host, port = key if isinstance(key, tuple) and len(key) == 2 else ("other", 0)
        found[f"{host}:{port}" if port else str(host)] += cap.open
    told = dict(found.most_common(HOSTS))
    others = found.total() - sum(told.values())
    return told if len(found) <= HOSTS else {**told, "other": others}


def allowed(pool: Any) -> dict[str, int]:
    """Return how many requests at once are allowed to hosts that bear less, of so many hosts at most."""
    lowest = sorted((allowed, *key) for key, allowed, _ in pool.paces.known())[:HOSTS]
    return {f"{host}:{port}": allowed for allowed, host, port in lowest}


def _gauge(name: str, words: str, value: float) -> Any:
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily(PREFIX + name, words, value=value)


def _gauges(name: str, words: str, labels: tuple[str, ...], values: Mapping[str, float]) -> Any:
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(PREFIX + name, words, labels=labels)
    for key, value in values.items():
        family.add_metric([key], value)
    return family
