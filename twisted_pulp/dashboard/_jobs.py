"""Jobs: all of them, one of them, and what is done with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted_pulp.dashboard._underway import under_way
from twisted_pulp.dashboard._visit import LIMIT, Elsewhere, Page, Route, Unfit, Visit

__all__ = ["ROUTES", "job_of"]

STATES = "running", "waiting", "paused", "failed", "completed", "cancelled"
KINDS = "download", "sync", "verify", "cleanup"
_ITEM_STATES = "failed", "waiting", "completed", "cancelled"
#: What can be done with a job, and what is said then.
_VERBS = {
    "cancel": "The job is cancelled; what is finished stays.",
    "pause": "The job rests.",
    "resume": "The job waits for its turn.",
    "retry": "The job waits for its turn, with what is not there.",
}


def _one_of(name: str, value: str, known: tuple[str, ...]) -> str | None:
    if value and value not in known:
        raise Unfit(400, f"{name} is one of {', '.join(known)}")
    return value or None


async def _list(visit: Visit) -> Page:
    state = _one_of("state", visit.text("state"), STATES)
    kind = _one_of("kind", visit.text("kind"), KINDS)
    after, jobs = visit.number("after"), visit.running.jobs
    page = await jobs.list(state=state, kind=kind, after=after, limit=LIMIT, owner=visit.session.only)
    shown, _ = await under_way(visit, page.items)
    values = {"jobs": shown, "counts": await jobs.counts(), "state": state, "kind": kind}
    values |= {"states": STATES, "kinds": KINDS, "first": after is None, "link": visit.link, "next": page.next}
    return Page("jobs.html", values)


async def job_of(visit: Visit, uid: str) -> Any:
    """
    Return the job *uid*.

    :raises Unfit: when there is none, or none that the visitor may know of.
    """
    job = await visit.running.jobs.get(uid)
    if not visit.session.sees(job.owner):
        raise Unfit(404, "There is no such job.")
    return job


async def _show(visit: Visit, uid: str) -> Page:
    (job,), reports = await under_way(visit, [await job_of(visit, uid)])
    known = reports.get(uid)
    state = _one_of("state", visit.text("state"), _ITEM_STATES)
    after = visit.number("after")
    page = await visit.running.jobs.items(uid, state=state, after=after, limit=LIMIT)
    values = {"job": job, "items": page.items, "state": state, "states": _ITEM_STATES, "first": after is None}
    values["steps"] = () if known is None else known.parts
    return Page("job.html", {**values, "link": visit.link, "next": page.next})


def _doing(verb: str) -> Callable[..., Any]:
    async def do(visit: Visit, uid: str) -> Elsewhere:
        await job_of(visit, uid)
        await getattr(visit.running.jobs, verb)(uid)
        return Elsewhere(_back(visit, f"/jobs/{uid}"), _VERBS[verb])

    return do


def _back(visit: Visit, otherwise: str) -> str:
    """Return the page that the form was on."""
    given = visit.text("back")
    return given if given.startswith("/") and given[1:2] not in ("/", "\\") and given.isprintable() else otherwise


async def _delete(visit: Visit, uid: str) -> Elsewhere:
    await job_of(visit, uid)
    await visit.running.jobs.delete(uid)
    return Elsewhere("/jobs", "The job is forgotten; its files stay.")


async def _prioritise(visit: Visit, uid: str) -> Elsewhere:
    await job_of(visit, uid)
    priority = visit.number("priority")
    if priority is None:
        raise Unfit(400, "priority is a whole number")
    await visit.running.jobs.prioritise(uid, priority)
    return Elsewhere(f"/jobs/{uid}", f"The priority is {priority}.")


ROUTES = (
    Route("GET", ("jobs",), _list),
    Route("GET", ("jobs", "*"), _show),
    *(Route("POST", ("jobs", "*", verb), _doing(verb), "write") for verb in _VERBS),
    Route("POST", ("jobs", "*", "delete"), _delete, "write"),
    Route("POST", ("jobs", "*", "priority"), _prioritise, "write"),
)
