"""Schedules: work again and again."""

from __future__ import annotations

from typing import Any

from twisted_pulp.api._call import Call
from twisted_pulp.api._problems import Refused, wrong
from twisted_pulp.api._route import LIMIT, Answer, Route, after
from twisted_pulp.catalog import remotes, repositories
from twisted_pulp.documents import NewSchedule, Page, Schedule
from twisted_pulp.errors import NotInCatalog

__all__ = ["ROUTES"]


def _document(schedule: Any) -> Schedule:
    return Schedule(
        name=schedule.name,
        kind=schedule.kind,
        repository=schedule.payload.get("repository"),
        every=schedule.every,
        jitter=schedule.jitter,
        next=schedule.next_at,
        last=schedule.last,
    )


def _scheduler(call: Call) -> Any:
    """Return what keeps schedules: that of the daemon, or one that only writes them down."""
    from twisted_pulp.jobs import Scheduler

    running = call.running
    return running.scheduler or Scheduler(running.jobs, running.reactor)


async def _create(call: Call) -> Answer:
    from twisted_pulp.jobs import Schedule as Kept

    wanted = call.document(NewSchedule)
    payload: dict[str, Any] = {}
    remote = None
    if wanted.kind == "sync":
        if wanted.repository is None:
            raise wrong("/repository", "must be given: what is synced")
        remote = await call.catalog.read(_remote_of, wanted.repository)
        payload = {"repository": wanted.repository, "mirror": wanted.mirror}
    elif wanted.repository is not None or wanted.mirror:
        raise wrong("/repository", f"must be left out of a {wanted.kind}")
    if wanted.name in call.running.settings.schedules:
        raise Refused(status=409, code="name_taken", detail=f"the settings have a schedule {wanted.name}")
    schedule = Kept(
        name=wanted.name, kind=wanted.kind, payload=payload, every=wanted.every, jitter=wanted.jitter, remote=remote
    )
    made = await _scheduler(call).put(schedule)
    return Answer(_document(made), 201, {"Location": f"{call.root}/schedules/{made.name}"})


def _remote_of(connection: Any, name: str) -> str:
    """
    Return the name of the remote of the repository *name*.

    :raises Refused: when there is none.
    """
    try:
        repository = repositories.get(connection, name)
    except NotInCatalog as error:
        raise wrong("/repository", str(error)) from error
    if repository.remote_id is None:
        raise wrong("/repository", f"the repository {name} has no remote")
    return remotes.by_id(connection, repository.remote_id).name


async def _list(call: Call) -> Page[Schedule]:
    limit = call.given.get("limit", 100)
    found = await _scheduler(call).list(call.given.get("after", ""), limit + 1)
    return call.page(found, limit, _document, lambda each: each.name)


async def _get(call: Call, name: str) -> Schedule:
    return _document(await _scheduler(call).get(name))


async def _delete(call: Call, name: str) -> Answer:
    if name in call.running.settings.schedules:
        raise Refused(
            status=409, code="wrong_state", detail="It is in the settings file; the operator removes it there."
        )
    await _scheduler(call).remove(name)
    return Answer(b"", 204)


ROUTES = (
    Route(
        method="GET",
        path="/schedules",
        says="List schedules by name.",
        run=_list,
        gives=Page[Schedule],
        parameters=(after(), LIMIT),
    ),
    Route(
        method="POST",
        path="/schedules",
        says="Let work be done again and again; it is due at once.",
        run=_create,
        scope="write",
        takes=NewSchedule,
        gives=Schedule,
        status=201,
    ),
    Route(method="GET", path="/schedules/<name>", says="Show a schedule.", run=_get, gives=Schedule),
    Route(
        method="DELETE",
        path="/schedules/<name>",
        says="Forget a schedule; its jobs stay.",
        run=_delete,
        scope="write",
        status=204,
    ),
)
