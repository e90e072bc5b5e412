"""What a daemon shares with the others on its catalog, beside the catalog."""

from __future__ import annotations

from twisted_pulp.cluster import Claims, Shares
from twisted_pulp.jobs import Crew
from twisted_pulp.live import Running

__all__ = ["claims_of", "crew_of", "shares_of"]


def claims_of(running: Running) -> Claims:
    """Return what this daemon fetches, and the others do."""
    nodes, lease = running.nodes, running.settings.limits.lease
    return Claims(running.reactor, running.data.catalog, nodes.name, lease=lease, others=lambda: nodes.others)


def shares_of(running: Running) -> Shares:
    """Return this daemon's part of the connections to each host."""
    nodes, lease, pool = running.nodes, running.settings.limits.lease, running.context.pool
    catalog = running.data.catalog
    return Shares(running.reactor, catalog, pool, nodes.name, lease=lease, others=lambda: nodes.others)


def crew_of(running: Running) -> Crew:
    """Return those that this daemon shares its syncs with."""
    return Crew(running.jobs, running.claims, lambda: running.nodes.count("worker") - 1)
