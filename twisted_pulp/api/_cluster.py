"""The nodes that share the catalog."""

from __future__ import annotations

from typing import Any

from attrs import asdict

from twisted_pulp.api._call import Call
from twisted_pulp.api._jobs import document_of
from twisted_pulp.api._route import LIMIT, Route
from twisted_pulp.documents import Cluster, Engine, Job, Node, Page, PutAside
from twisted_pulp.errors import shown
from twisted_pulp.jobs import DeadLetters, Parked

__all__ = ["ROUTES"]

_ROLES = "api", "worker", "content"


async def _cluster(call: Call) -> Cluster:
    running = call.running
    settings = running.settings
    nodes = [] if running.nodes is None else await running.nodes.all()
    living = [role for each in nodes if each.alive for role in each.roles]
    return Cluster(
        nodes=tuple(Node(**asdict(each, recurse=False)) for each in nodes),
        roles={role: living.count(role) for role in _ROLES},
        figures={} if running.nodes is None else running.nodes.sums(),
        jobs=await running.jobs.counts(),
        database=_engine(settings.database, running.data.catalog.dialect, True),
        broker=_engine(settings.broker, "local", getattr(running.jobs.broker, "connected", True)),
        storage=_engine(settings.storage, "directory", "storage" not in running.health.degraded),
    )


def _engine(url: Any, kind: str, connected: bool) -> Engine:
    """Return what is told of an engine at *url*; *kind* is that of one without."""
    scheme, mark, _ = (url or "").partition("://")
    return Engine(kind=scheme if mark else kind, url=shown(url) if mark else url, connected=connected)


async def _dead_letters(call: Call) -> Page[PutAside]:
    found = await DeadLetters(call.running.jobs).list(call.given.get("limit", 100))
    return Page(items=[_letter(each) for each in found], next=None)


def _letter(parked: Parked) -> PutAside:
    letter, job = parked.letter, parked.job
    return PutAside(
        id=letter.uid,
        count=letter.count,
        state=None if job is None else job.state,
        error=None if job is None else job.error,
    )


async def _replay(call: Call, uid: str) -> Job:
    return document_of(await DeadLetters(call.running.jobs).replay(uid))


ROUTES = (
    Route(
        method="GET",
        path="/dead-letters",
        says="List messages that the broker has put aside, the oldest first.",
        run=_dead_letters,
        scope="admin",
        gives=Page[PutAside],
        parameters=(LIMIT,),
    ),
    Route(
        method="POST",
        path="/dead-letters/<uid>/replay",
        says="Let a job whose message was put aside wait again.",
        run=_replay,
        scope="admin",
        gives=Job,
    ),
    Route(
        method="GET",
        path="/cluster",
        says="Show the nodes that share the catalog, and what they share.",
        run=_cluster,
        gives=Cluster,
        prompt=True,
    ),
)
