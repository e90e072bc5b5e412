"""Jobs in memory, that do nothing by themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import define, evolve, field, frozen
from twisted.internet.defer import Deferred, fail, succeed

from twisted_pulp.catalog.reports import ReportRow
from twisted_pulp.errors import PulpError
from twisted_pulp.jobs import LocalBroker


@frozen(kw_only=True)
class Job:
    """What is known of a job."""

    uid: str
    kind: str = "download"
    state: str = "waiting"
    priority: int = 0
    remote: str | None = None
    owner: int | None = 1
    payload: Mapping[str, Any] = field(factory=dict)
    created: float = 1_000_000.0
    started: float | None = None
    finished: float | None = None
    attempts: int = 0
    total: int = 0
    done: int = 0
    failed: int = 0
    bytes: int = 0
    result: Mapping[str, Any] | None = None
    error: str | None = None
    parked: bool = False
    schedule: str | None = None


@frozen(kw_only=True)
class Item:
    """What is known of a file of a job."""

    number: int
    url: str
    path: str
    size: int | None = None
    digests: Mapping[str, str] = field(factory=dict)
    state: str = "waiting"
    bytes: int = 0
    sha256: str | None = None
    attempts: int = 0
    error: str | None = None
    finished: float | None = None


@frozen
class Page:
    """Some of many."""

    items: Sequence[Any]
    next: int | None


@frozen
class Submitted:
    """A job that was handed in."""

    job: Job
    fresh: bool = True


_LEADS = {"cancel": "cancelled", "pause": "paused", "resume": "waiting", "retry": "waiting"}


class Unlocked:
    """
    A catalog whose locks nobody else wants.

    :ivar reports: of runs in other processes, by the uids of their jobs.
    """

    def __init__(self) -> None:
        self.reports: dict[str, ReportRow] = {}

    def lock(self, name: str) -> Deferred[Unlocked]:
        return succeed(self)

    def read(self, look: Any, uids: Any) -> Deferred[dict[str, Any]]:
        return succeed({uid: row for uid, row in self.reports.items() if uid in uids})

    def release(self) -> Deferred[None]:
        return succeed(None)


@define(eq=False)
class Jobs:
    """A book of jobs, the newest last."""

    tell: Callable[[str, Mapping[str, Any]], object] = lambda event, data: None
    all: dict[str, Job] = field(factory=dict)
    files: dict[str, list[Item]] = field(factory=dict)
    asked: list[tuple[Any, ...]] = field(factory=list)
    error: PulpError | None = None
    broker: Any = field(factory=LocalBroker)
    catalog: Any = field(factory=Unlocked)
    runs: dict[str, Any] = field(factory=dict)

    def add(self, job: Job, items: Sequence[Item] = ()) -> Job:
        """Know *job*."""
        self.all[job.uid], self.files[job.uid] = job, list(items)
        return job

    def change(self, uid: str, **fields: Any) -> Job:
        """Let a job be otherwise, and tell of it."""
        job = self.all[uid] = evolve(self.all[uid], **fields)
        names = "uid", "kind", "state", "remote", "priority", "owner", "total", "done", "failed", "bytes", "error"
        self.tell("job", {name: getattr(job, name) for name in names})
        return job

    def get(self, uid: str) -> Deferred[Job]:
        return self._done(lambda: self.all[uid])

    def list(
        self,
        *,
        state: str | None = None,
        kind: str | None = None,
        remote: str | None = None,
        after: int | None = None,
        limit: int = 100,
        owner: int | None = None,
    ) -> Deferred[Page]:
        numbered = list(enumerate(self.all.values(), 1))[::-1]
        found = [
            (number, job)
            for number, job in numbered
            if state in (None, job.state)
            and kind in (None, job.kind)
            and owner in (None, job.owner)
            and (after is None or number < after)
        ]
        page = found[:limit]
        return succeed(Page([job for _, job in page], page[-1][0] if len(found) > limit else None))

    def items(
        self, uid: str, *, state: str | None = None, after: int | None = None, limit: int = 100
    ) -> Deferred[Page]:
        found = [
            item for item in self.files[uid] if state in (None, item.state) and (after is None or item.number > after)
        ]
        return succeed(Page(found[:limit], found[limit - 1].number if len(found) > limit else None))

    def counts(self) -> Deferred[dict[str, int]]:
        found: dict[str, int] = {}
        for job in self.all.values():
            found[job.state] = found.get(job.state, 0) + 1
        return succeed(found)

    def submit(self, kind: str, payload: Mapping[str, Any], items: Sequence[Any] = (), **given: Any) -> Any:
        self.asked.append(("submit", kind, dict(payload), list(items), given))
        job = Job(uid=f"new{len(self.all)}", kind=kind, payload=payload, total=len(items), owner=given.get("owner"))
        return self._done(lambda: Submitted(self.add(job)))

    def _done(self, do: Callable[[], Any]) -> Deferred[Any]:
        return succeed(do()) if self.error is None else fail(self.error)

    def _change(self, verb: str, uid: str) -> Deferred[Job]:
        self.asked.append((verb, uid))
        return self._done(lambda: self.change(uid, state=_LEADS[verb]))

    def cancel(self, uid: str) -> Deferred[Job]:
        return self._change("cancel", uid)

    def pause(self, uid: str) -> Deferred[Job]:
        return self._change("pause", uid)

    def resume(self, uid: str) -> Deferred[Job]:
        return self._change("resume", uid)

    def retry(self, uid: str) -> Deferred[Job]:
        return self._change("retry", uid)

    def prioritise(self, uid: str, priority: int) -> Deferred[Job]:
        self.asked.append(("prioritise", uid, priority))
        return self._done(lambda: self.change(uid, priority=priority))

    def delete(self, uid: str) -> Deferred[Job]:
        self.asked.append(("delete", uid))
        return self._done(lambda: self.all.pop(uid))
