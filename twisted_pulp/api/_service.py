"""The daemon itself: whether it is there, ready and well, what it keeps, how it is set, and what happens."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import attrs
import msgspec
from sqlalchemy import func, select
from twisted.web.server import NOT_DONE_YET

from twisted_pulp.api._call import Call
from twisted_pulp.api._problems import Refused
from twisted_pulp.api._route import Answer, Parameter, Route
from twisted_pulp.catalog._tables import artifact
from twisted_pulp.documents import Health, Readiness, Status, Storage
from twisted_pulp.errors import shown

__all__ = ["ROUTES"]


async def _health(_: Call) -> Health:
    return Health(status="ok")


async def _ready(call: Call) -> Answer:
    health = call.running.health
    found = Readiness(ready=health.ready, state=health.state, degraded=health.degraded)
    return Answer(found, 200 if health.ready else 503, {"Cache-Control": "no-store"})


async def _status(call: Call) -> Status:
    running = call.running
    health = running.health
    return Status(
        version=running.version,
        started=running.started,
        uptime=max(0.0, call.now() - running.started),
        ready=health.ready,
        state=health.state,
        degraded=health.degraded,
        roles=tuple(running.settings.roles),
        jobs=await running.jobs.counts(),
        last=running.feed.last,
    )


async def _storage(call: Call) -> Storage:
    count, size, free, total = await call.catalog.read(_kept, call.running.data.path)
    reserve = call.running.settings.limits.reserve
    return Storage(
        artifacts=count, bytes=size, free=free, size=total, reserve=reserve, full=free is not None and free < reserve
    )


def _kept(connection: Any, path: str) -> tuple[int, int, int | None, int | None]:
    count, size = connection.execute(select(func.count(), func.coalesce(func.sum(artifact.c.size), 0))).one()
    try:
        disk = os.statvfs(path)
    except OSError:
        return count, int(size), None, None
    return count, int(size), disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize


async def _settings(call: Call) -> Any:
    return _redacted(call.running.settings)


def _redacted(settings: Any) -> Any:
    """Return *settings* as plain data, without what is secret."""
    from twisted_pulp.settings import Remote, write_settings

    if isinstance(settings, Remote):
        plain = msgspec.json.decode(write_settings(settings, "json"))
        return _shown(plain)
    if attrs.has(type(settings)):
        return {each.name: _redacted(getattr(settings, each.name)) for each in attrs.fields(type(settings))}
    if isinstance(settings, dict) or hasattr(settings, "items"):
        return {str(name): _redacted(value) for name, value in settings.items()}
    if isinstance(settings, list | tuple | frozenset | set):
        return [_redacted(each) for each in settings]
    return _shown(settings)


def _shown(value: Any) -> Any:
    """Return *value* with the secrets of its URLs hidden."""
    if isinstance(value, dict):
        return {name: _shown(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_shown(each) for each in value]
    if isinstance(value, str):
        return shown(value) if "://" in value else value
    return value if value is None or isinstance(value, bool | int | float) else str(value)


async def _events(call: Call) -> Any:
    streams = call.api.streams
    if streams.full:
        words = "Too many listen already."
        raise Refused(status=503, code="too_many_listeners", detail=words, headers={"Retry-After": "10"})
    principal = call.principal
    last = call.given.get("last")

    def wanted(event: Any) -> bool:
        return event.name == "health" or principal.scope == "admin" or principal.sees(event.data.get("owner"))

    lasts = None if principal.id is None else partial(call.api.doorkeeper.knows, principal.id)
    streams.serve(call.request, last, wanted=wanted, lasts=lasts)
    return NOT_DONE_YET


ROUTES = (
    Route(method="GET", path="/health", says="Say that the daemon is there.", run=_health, scope=None, gives=Health),
    Route(
        method="GET",
        path="/ready",
        says="Say whether the daemon takes work: 200, or 503.",
        run=_ready,
        scope=None,
        gives=Readiness,
    ),
    Route(method="GET", path="/status", says="Show what the daemon is and does.", run=_status, gives=Status),
    Route(method="GET", path="/storage", says="Show how much is kept.", run=_storage, gives=Storage),
    Route(
        method="GET",
        path="/settings",
        says="Show the settings in force, without what is secret.",
        run=_settings,
        scope="admin",
        gives=dict[str, Any],
    ),
    Route(
        method="GET",
        path="/events",
        says="Tell what happens, as server-sent events, from now on or from the event Last-Event-ID.",
        run=_events,
        parameters=(
            Parameter(name="last", most=64, pattern=r"^[!-~]+$", says="As the header Last-Event-ID."),
            Parameter(name="Last-Event-ID", header=True, most=64, pattern=r"^[!-~]+$", says="The last one heard of."),
        ),
        kind="text/event-stream",
    ),
)
