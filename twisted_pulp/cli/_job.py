"""`pulpdownloader job` and `pulpdownloader status`: the work of a daemon."""

from __future__ import annotations

from typing import Any

from msgspec import to_builtins

from twisted_pulp.cli._desk import Desk, worked
from twisted_pulp.cli._place import Place
from twisted_pulp.cli._table import facts, moment, table
from twisted_pulp.cli._words import amount
from twisted_pulp.client import Client, JobEnded
from twisted_pulp.documents import Job
from twisted_pulp.errors import shown as visible

__all__ = ["changed", "deleted", "items", "listed", "shown", "status", "waited"]


def listed(place: Place, state: str | None, kind: str | None) -> int:
    """List jobs."""

    async def act(desk: Desk) -> None:
        found = [each async for each in _server(desk).jobs.list(state=state, kind=kind)]
        rows = [(each.id, each.kind, each.state, _far(each), each.failed, moment(each.created)) for each in found]
        desk.answer(
            to_builtins(found), table(("ID", "KIND", "STATE", "DONE", "FAILED", "CREATED"), rows) if rows else []
        )

    return worked(place, act)


def shown(place: Place, uid: str) -> int:
    """Show the job *uid*."""

    async def act(desk: Desk) -> None:
        _answer(desk, await _server(desk).jobs.get(uid))

    return worked(place, act)


def items(place: Place, uid: str, state: str | None) -> int:
    """List the files of the job *uid*."""

    async def act(desk: Desk) -> None:
        found = desk.list()
        async for each in _server(desk).jobs.items(uid, state=state):
            words = f"{each.state:9}  {each.path}  {visible(each.url)}"
            found.add(to_builtins(each), words if each.error is None else f"{words}  {each.error}")

    return worked(place, act)


def waited(place: Place, uid: str) -> int:
    """Wait for the end of the job *uid*."""

    async def act(desk: Desk) -> None:
        from twisted_pulp.cli._waiting import ended

        job = await _server(desk).jobs.get(uid)
        job = await ended(desk, job, job.kind, job.kind.capitalize(), False)
        _answer(desk, job)
        if job.state != "completed":
            raise JobEnded(job)

    return worked(place, act)


def changed(place: Place, uid: str, verb: str) -> int:
    """Let *verb* be done to the job *uid*."""

    async def act(desk: Desk) -> None:
        _answer(desk, await getattr(_server(desk).jobs, verb)(uid))

    return worked(place, act)


def deleted(place: Place, uid: str) -> int:
    """Forget the job *uid*."""

    async def act(desk: Desk) -> None:
        await _server(desk).jobs.delete(uid)
        desk.answer({"deleted": uid}, [f"deleted job {uid}"])

    return worked(place, act)


def status(place: Place) -> int:
    """Say what the daemon is and does."""

    async def act(desk: Desk) -> None:
        found = to_builtins(await _server(desk).status())
        said = {**found, "started": moment(found["started"]), "uptime": f"{found['uptime']:.0f} s"}
        said |= {"roles": ", ".join(found["roles"]), "jobs": _counts(found["jobs"])}
        said["degraded"] = _counts(found["degraded"]) or "nothing"
        del said["last"]
        desk.answer(found, facts(said.items()))

    return worked(place, act)


def _server(desk: Desk) -> Client:
    assert desk.server is not None
    return desk.server


def _far(job: Job) -> str:
    return f"{job.done}/{'?' if job.total is None else job.total}"


def _counts(found: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in found.items())


def _answer(desk: Desk, job: Job) -> None:
    said = to_builtins(job)
    moments = {name: moment(said[name]) for name in ("created", "started", "finished")}
    result = said["result"] or {}
    told = {name: value for name, value in result.items() if not isinstance(value, list | dict)}
    lines = {**said, **moments, "bytes": amount(job.bytes), "result": _counts(told) or None}
    desk.answer(said, facts((name, value) for name, value in lines.items() if value not in (None, "", False)))
