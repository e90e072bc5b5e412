"""What is known of the processes that share a catalog, as Prometheus knows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from twisted_pulp.live._counted import PREFIX

__all__ = ["node_gauges"]

_FIGURES = {
    "ready": "Whether it takes work: 1 or 0.",
    "jobs": "Jobs that it runs.",
    "slots": "Jobs that it may run at once.",
    "downloads": "Downloads under way.",
    "bytes_per_second": "Bytes a second that come of late.",
    "connections": "Connections to upstreams.",
    "memory": "Bytes of memory.",
}


def node_gauges(nodes: Sequence[Any]) -> Iterator[Any]:
    """Give the families of *nodes*, as each said itself last."""
    from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

    info = InfoMetricFamily(PREFIX + "node", "A process that shares the catalog.", labels=("node",))
    alive = GaugeMetricFamily(PREFIX + "node_alive", "Whether it lives: 1 or 0.", labels=("node",))
    for each in nodes:
        words = {"host": each.host, "version": each.version, "roles": " ".join(each.roles)}
        info.add_metric([each.name], words)
        alive.add_metric([each.name], int(each.alive))
    yield info
    yield alive
    for name, says in _FIGURES.items():
        family = GaugeMetricFamily(f"{PREFIX}node_{name}", says, labels=("node",))
        for each in nodes:
            if name in each.figures:
                family.add_metric([each.name], each.figures[name])
        yield family
