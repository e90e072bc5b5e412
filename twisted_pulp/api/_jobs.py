"""Jobs of every kind."""

from __future__ import annotations

from typing import Any

from twisted_pulp.api._call import Call
from twisted_pulp.api._problems import Refused
from twisted_pulp.api._route import LIMIT, Answer, Parameter, Route, after
from twisted_pulp.documents import Item, Job, Page, Priority

__all__ = ["ROUTES", "accepted", "check_open", "document_of", "getting", "items", "listing", "verbs", "visible"]

STATES = "waiting", "running", "paused", "completed", "failed", "cancelled"
ITEM_STATES = "waiting", "completed", "failed", "cancelled"
STATE = Parameter(name="state", among=STATES, says="Only those in this state.")
_NAMED = r"^[A-Za-z0-9_.+~-]+$"
_KIND = Parameter(name="kind", most=32, pattern=r"^[a-z_]+$", says="Only those of this kind.")
REMOTE = Parameter(name="remote", most=255, pattern=_NAMED, says="Only those of this remote.")


def document_of(job: Any) -> Job:
    """Return what is answered of *job*."""
    return Job(
        id=job.uid,
        kind=job.kind,
        state=job.state,
        priority=job.priority,
        remote=job.remote,
        repository=job.payload.get("repository"),
        schedule=job.schedule,
        created=job.created,
        started=job.started,
        finished=job.finished,
        attempts=job.attempts,
        total=job.total,
        done=job.done,
        failed=job.failed,
        bytes=job.bytes,
        result=job.result,
        error=job.error,
        parked=job.parked,
    )


def accepted(call: Call, submitted: Any, noun: str) -> Answer:
    """Return what is answered to who handed a job in."""
    job = submitted.job
    headers = {"Location": f"{call.root}/{noun}/{job.uid}"}
    if not submitted.fresh:
        headers["Idempotent-Replayed"] = "true"
    return Answer(document_of(job), 202, headers)


def check_open(running: Any) -> None:
    """:raises Refused: when the daemon takes no more work."""
    if running.health.state == "stopping":
        words = "The daemon stops, and takes no more work."
        raise Refused(status=503, code="stopping", detail=words, headers={"Retry-After": "10"})


async def visible(call: Call, uid: str, kind: str | None = None) -> Any:
    """
    Return the job *uid*.

    :raises Refused: 404 also when it is somebody else's, or of another kind.
    """
    job = await call.running.jobs.get(uid)
    if not call.principal.sees(job.owner) or (kind is not None and job.kind != kind):
        raise Refused(status=404, code="not_found", detail=f"there is no job {uid}")
    return job


async def page_of(call: Call, kind: str | None) -> Page[Job]:
    """Return a page of the jobs that who asks may know of."""
    given = call.given
    page = await call.running.jobs.list(
        state=given.get("state"),
        kind=kind or given.get("kind"),
        remote=given.get("remote"),
        after=given.get("after"),
        limit=given.get("limit", 100),
        owner=call.principal.only,
    )
    following = None if page.next is None else call.next(page.next)
    return Page(items=[document_of(each) for each in page.items], next=following)


def listing(noun: str, kind: str | None, says: str) -> Route:
    """Return the route that lists jobs of *kind*, or of any."""

    async def run(call: Call) -> Page[Job]:
        return await page_of(call, kind)

    parameters = (STATE, *(() if kind else (_KIND,)), REMOTE, after("integer"), LIMIT)
    return Route(method="GET", path=f"/{noun}", says=says, run=run, gives=Page[Job], parameters=parameters)


def getting(noun: str, kind: str | None, says: str) -> Route:
    """Return the route that shows a job of *kind*, or of any."""

    async def run(call: Call, uid: str) -> Job:
        return document_of(await visible(call, uid, kind))

    return Route(method="GET", path=f"/{noun}/<uid>", says=says, run=run, gives=Job)


def items(noun: str, kind: str | None) -> Route:
    """Return the route that lists the files of a job."""

    async def run(call: Call, uid: str) -> Page[Item]:
        await visible(call, uid, kind)
        given = call.given
        page = await call.running.jobs.items(
            uid, state=given.get("state"), after=given.get("after"), limit=given.get("limit", 100)
        )
        following = None if page.next is None else call.next(page.next)
        return Page(items=[_item(each) for each in page.items], next=following)

    parameters = Parameter(name="state", among=ITEM_STATES, says="Only those in this state."), after("integer"), LIMIT
    says = "List the files of a job."
    return Route(method="GET", path=f"/{noun}/<uid>/items", says=says, run=run, gives=Page[Item], parameters=parameters)


def _item(item: Any) -> Item:
    return Item(
        number=item.number,
        url=item.url,
        path=item.path,
        size=item.size,
        digests=dict(item.digests or {}),
        state=item.state,
        bytes=item.bytes,
        sha256=item.sha256,
        attempts=item.attempts,
        error=item.error,
        finished=item.finished,
    )


def changing(noun: str, kind: str | None, verb: str, says: str) -> Route:
    """Return the route that lets *verb* be done to a job."""

    async def run(call: Call, uid: str) -> Job:
        await visible(call, uid, kind)
        return document_of(await getattr(call.running.jobs, verb)(uid))

    return Route(method="POST", path=f"/{noun}/<uid>/{verb}", says=says, run=run, scope="write", gives=Job)


def deleting(noun: str, kind: str | None) -> Route:
    """Return the route that forgets a job."""

    async def run(call: Call, uid: str) -> Answer:
        await visible(call, uid, kind)
        await call.running.jobs.delete(uid)
        return Answer(b"", 204)

    says = "Forget a job that has ended; its files stay."
    return Route(method="DELETE", path=f"/{noun}/<uid>", says=says, run=run, scope="write", status=204)


def verbs(noun: str, kind: str | None) -> tuple[Route, ...]:
    """Return the routes that change a job."""
    return (
        changing(noun, kind, "cancel", "End a job; what is finished stays."),
        changing(noun, kind, "pause", "Let a job rest."),
        changing(noun, kind, "resume", "Let a job that rests go on."),
        changing(noun, kind, "retry", "Try again what failed or was cancelled."),
        deleting(noun, kind),
    )


async def _prioritise(call: Call, uid: str) -> Job:
    wanted = call.document(Priority)
    await visible(call, uid)
    return document_of(await call.running.jobs.prioritise(uid, wanted.priority))


ROUTES = (
    listing("jobs", None, "List jobs of every kind, the latest first."),
    getting("jobs", None, "Show a job."),
    items("jobs", None),
    *verbs("jobs", None),
    Route(
        method="POST",
        path="/jobs/<uid>/priority",
        says="Give a job another place among those that wait.",
        run=_prioritise,
        scope="write",
        takes=Priority,
        gives=Job,
    ),
)
