"""What a daemon says of itself to the others that share its catalog."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from twisted_pulp.jobs import Nodes
from twisted_pulp.live import Running

__all__ = ["figures_of", "nodes_of"]

_PAGE = os.sysconf("SC_PAGE_SIZE")


def nodes_of(running: Running, name: str, roles: tuple[str, ...]) -> Nodes:
    """Return what tells the others of the daemon *running*, which is called *name* and has these *roles*."""
    settings, catalog = running.settings, running.data.catalog
    return Nodes(
        reactor=running.reactor,
        catalog=catalog,
        name=name,
        roles=roles,
        version=running.version,
        shared=catalog.dialect != "sqlite" or settings.workers > 0,
        lease=settings.limits.lease,
        figures=lambda: figures_of(running),
    )


def figures_of(running: Running) -> Mapping[str, float]:
    """Return the figures of a daemon."""
    worker: Any = running.worker
    return {
        "ready": int(running.health.ready),
        "jobs": 0 if worker is None else worker.running,
        "slots": 0 if worker is None else worker.concurrency,
        "downloads": running.metrics.running,
        "bytes_per_second": running.throughput.own,
        "connections": running.context.pool.overall.open,
        "memory": _memory(),
    }


def _memory() -> int:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return 0
