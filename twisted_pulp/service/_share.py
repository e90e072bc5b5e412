"""What a daemon shares with the others on its catalog, beside the catalog."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted_pulp.cluster import Claims, Shares
from twisted_pulp.jobs import Crew
from twisted_pulp.live import Running
from twisted_pulp.service._pulse import Pulse

__all__ = ["crew_of", "share"]

#: Roles of nodes that fetch files.
_FETCH = frozenset({"worker", "content"})


def share(running: Running, closing: Callable[[Callable[[], Any]], None]) -> None:
    """
    Share what is fetched, the connections to each host, and how much comes, with the others.

    :param closing: called with what gives them back.
    """
    nodes, lease, catalog = running.nodes, running.settings.limits.lease, running.data.catalog
    others: dict[str, Any] = {"lease": lease, "others": lambda: nodes.others, "dead": nodes.dead}
    running.claims = Claims(running.reactor, catalog, nodes.name, **others)
    closing(running.claims.close)
    if running.streamer is not None:
        running.streamer.share(running.claims)
    shares = Shares(running.reactor, catalog, running.context.pool, nodes.name, **others)
    closing(shares.close)
    shares.start()
    running.throughput.all = Pulse(running)


def crew_of(running: Running) -> Crew:
    """Return those that this daemon shares its syncs with."""
    nodes = running.nodes

    def rivals() -> bool:
        return any(not _FETCH.isdisjoint(each.roles) for each in nodes.others)

    return Crew(running.jobs, running.claims, lambda: nodes.count("worker") - 1, rivals)
