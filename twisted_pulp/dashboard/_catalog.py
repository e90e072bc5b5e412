"""Remotes and how they are; distributions and where they are."""

from __future__ import annotations

from typing import Any

from attrs import frozen
from sqlalchemy import Connection

from twisted_pulp.catalog import distributions, remotes, repositories
from twisted_pulp.dashboard._visit import LIMIT, Page, Route, Visit
from twisted_pulp.live._troubles import Trouble, host_of

__all__ = ["ROUTES"]


@frozen
class _Remote:
    """
    A remote, and how it is.

    :ivar resting: seconds for which it is asked only if nothing else is left, and why that is; None: it is well.
    """

    row: Any
    url: str
    policy: str
    verified: bool
    connections: int
    trouble: Trouble | None
    resting: tuple[float, str] | None


async def _remotes(visit: Visit) -> Page:
    after = visit.text("after")
    found = await visit.catalog.read(remotes.list, after, LIMIT + 1)
    following = found[LIMIT - 1].name if len(found) > LIMIT else None
    shown = [_seen(visit, row) for row in found[:LIMIT]]
    return Page("remotes.html", {"remotes": shown, "first": not after, "next": following, "link": visit.link})


def _seen(visit: Visit, row: Any) -> _Remote:
    from twisted_pulp.live._gauges import by_host

    running, settings = visit.running, row.settings
    url = str(settings.get("url") or "")
    host = host_of(url)
    tls = settings.get("tls") or {}
    open_to = {name.removesuffix(":80").removesuffix(":443"): number for name, number in by_host(_pool(visit)).items()}
    return _Remote(
        row,
        url,
        str(settings.get("policy") or "immediate"),
        tls.get("verify", True) is not False,
        open_to.get(host, 0),
        running.troubles.with_host(url) if host else None,
        _resting(running, url) if host else None,
    )


def _pool(visit: Visit) -> Any:
    return visit.running.context.pool


def _resting(running: Any, url: str) -> tuple[float, str] | None:
    """Return for how long the host of *url* is left alone, and why."""
    flights = getattr(running.streamer, "flights", None)
    refused = None if flights is None else flights.refused(url)
    if refused is not None:
        return refused[0], f"clients are refused: {refused[1]}"
    seconds = running.context.health.resting(url)
    return (seconds, "it failed, or asked for a rest") if seconds > 0 else None


@frozen
class _Distribution:
    """A distribution, and the names of what it serves."""

    row: Any
    repository: str | None
    remote: str | None


def _served(connection: Connection, after: str) -> list[_Distribution]:
    found = []
    for row in distributions.list(connection, after, LIMIT + 1):
        repository = None if row.repository_id is None else repositories.by_id(connection, row.repository_id).name
        remote = None if row.remote_id is None else remotes.by_id(connection, row.remote_id).name
        found.append(_Distribution(row, repository, remote))
    return found


async def _distributions(visit: Visit) -> Page:
    after = visit.text("after")
    found = await visit.catalog.read(_served, after)
    following = found[LIMIT - 1].row.name if len(found) > LIMIT else None
    here = visit.running.streamer is not None and not visit.running.settings.content_listen
    values = {"distributions": found[:LIMIT], "here": here, "first": not after, "next": following}
    return Page("distributions.html", {**values, "link": visit.link})


ROUTES = (Route("GET", ("remotes",), _remotes), Route("GET", ("distributions",), _distributions))
