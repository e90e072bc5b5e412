"""What goes on, at a glance."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from twisted_pulp.dashboard._underway import under_way
from twisted_pulp.dashboard._visit import Page, Route, Visit
from twisted_pulp.live._throughput import EVERY, KEPT

__all__ = ["ROUTES"]

#: Jobs of each table.
_FEW = 10


async def _overview(visit: Visit) -> Page:
    running, only = visit.running, visit.session.only
    counts = await running.jobs.counts()
    active, _ = await under_way(visit, (await running.jobs.list(state="running", limit=_FEW, owner=only)).items)
    latest = (await running.jobs.list(limit=_FEW + len(active), owner=only)).items
    overall = running.context.pool.overall
    nodes = _nodes(running)
    together = running.nodes.sums() if nodes else {}
    return Page(
        "overview.html",
        {
            "counts": counts,
            "active": active,
            "latest": [job for job in latest if job.state != "running"][:_FEW],
            "samples": list(running.throughput.samples),
            "kept": KEPT,
            "span": EVERY * KEPT,
            "rate": running.throughput.now,
            "downloads": int(together.get("downloads", running.metrics.running)),
            "nodes": nodes,
            "node": running.nodes.me if nodes else None,
            "received": running.metrics.received,
            "uptime": running.context.now() - running.started,
            "open": overall.open,
            "limit": overall.limit,
            "disk": _disk(running.data.path),
            "reserve": running.settings.limits.reserve,
        },
    )


def _nodes(running: Any) -> Sequence[Any]:
    """Return the nodes that live, in the same order whichever is asked; none where this one is alone."""
    if running.nodes is None or not running.nodes.others:
        return ()
    return sorted((running.nodes.me, *running.nodes.others), key=lambda node: (node.host, node.pid))


def _disk(path: str) -> tuple[int, int] | None:
    """Return the bytes that are free, and those there are; None when nobody knows."""
    try:
        found = os.statvfs(path)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize


ROUTES = (Route("GET", ("",), _overview),)
