"""The book of jobs."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from twisted_pulp.catalog import Catalog, jobs, retention
from twisted_pulp.catalog.jobs import STATES, JobRow, NewJob
from twisted_pulp.errors import BrokerUnavailable, PulpError, SettingsError
from twisted_pulp.jobs._broker import IBroker
from twisted_pulp.jobs._draft import Draft
from twisted_pulp.jobs._intake import Quota, check_paths, submitted
from twisted_pulp.jobs._looking import again, item_at, items_of, listed
from twisted_pulp.jobs._telling import Tell, Telling
from twisted_pulp.jobs._values import Item, ItemSpec, Job, Page, Submitted, job_of

__all__ = ["Jobs"]

_PRIORITIES = 1_000_000
_LONGEST = 255
#: Items of one transaction, where many are changed.
_BATCH = 5_000
#: Seconds for which a running job's end is waited for, before it is ended all the same.
_PATIENCE = 5.0


@define(eq=False)
class Jobs:
    """
    Everything that is to be done, on the disk.

    :param reactor: its clock.
    :param catalog: where the jobs are.
    :param broker: tells workers that a job waits.
    :param now: seconds since the epoch; default `time.time`.
    :param tell: called with "job" and what is known of one, at each change of its state and four times a second at
        most while it runs; and with "item" for each that failed. Default: nobody is told.
    :param queued: items that may wait; default None: any number.
    :ivar carried: called for what the payload of a job gets beside what is asked for: where it comes from.
    :ivar runs: what runs in this process, by the jobs' uids.
    """

    _log = Logger()

    reactor: Any
    catalog: Catalog
    broker: IBroker = field(kw_only=True)
    now: Callable[[], float] = field(kw_only=True, default=time.time)
    _tell: Tell = field(kw_only=True, default=lambda event, data: None)
    _queued: int | None = field(kw_only=True, default=None)
    carried: Callable[[], Mapping[str, Any]] = field(init=False, default=dict)
    runs: dict[str, Any] = field(init=False, factory=dict)
    telling: Telling = field(init=False)
    quota: Quota = field(init=False)
    _drafts: set[str] = field(init=False, factory=set)

    def __attrs_post_init__(self) -> None:
        self.telling = Telling(self.reactor, self._tell)
        self.quota = Quota(self.reactor, self.catalog, self._queued)

    # handing in
    def submit(
        self,
        kind: str,
        payload: Mapping[str, Any],
        items: Sequence[ItemSpec] = (),
        *,
        priority: int = 0,
        remote: str | None = None,
        key: str | None = None,
        fingerprint: str | None = None,
        owner: int | None = None,
        after: float | None = None,
        schedule: str | None = None,
    ) -> Deferred[Submitted]:
        """
        Hand in a job.

        :param kind: one that the worker knows.
        :param payload: plain data, without secrets.
        :param priority: from -1,000,000 to 1,000,000: the higher is begun first; default 0.
        :param remote: whose turn it takes: those with few jobs are not kept waiting by those with many.
        :param key: idempotency key: another request of the same owner with it and the same *fingerprint* leads to this
            job again.
        :param fingerprint: of the request.
        :param owner: number of the token.
        :param after: seconds since the epoch before which it is not begun; default None: at once.
        :param schedule: name of the schedule that it is of: while one such job is unfinished, there is no other.
        :returns: a Deferred that fires when the job is on the disk. It fails with `KeyConflict`, `QueueFull`,
            `StorageFull`, `CatalogError`, or `SettingsError` naming an item that goes where another one goes.
        :raises SettingsError: naming what is not as it must be.
        """
        new = self._new(kind, payload, priority, remote, owner, key, fingerprint, schedule, after)
        return Deferred.fromCoroutine(self._submit(new, items))

    def _new(self, kind: str, payload: Mapping[str, Any], priority: int, *rest: Any) -> NewJob:
        remote, owner, key, fingerprint, schedule, after = rest
        if type(priority) is not int or abs(priority) > _PRIORITIES:
            raise SettingsError("priority", priority, f"a whole number from -{_PRIORITIES} to {_PRIORITIES}")
        for name, value in (("key", key), ("remote", remote), ("schedule", schedule)):
            if value is not None and (not 0 < len(value) <= _LONGEST or "\0" in value):
                raise SettingsError(name, value, f"a text of 1 to {_LONGEST} characters")
        return NewJob(
            uid=secrets.token_urlsafe(16),
            kind=kind,
            payload={**payload, **self.carried()},
            priority=priority,
            remote=remote,
            owner=owner,
            key=key,
            fingerprint=fingerprint,
            schedule=schedule,
            run_after=after,
        )

    async def _submit(self, new: NewJob, specs: Sequence[ItemSpec]) -> Submitted:
        check_paths(specs)
        await self.quota.admit(len(specs) or 1)
        row, fresh = await self.catalog.write(submitted, new, specs, self.catalog.key, self.now())
        return self._handed_in(row, fresh)

    def _handed_in(self, row: JobRow, fresh: bool) -> Submitted:
        job = job_of(row)
        if fresh:
            self.telling.changed(job)
            self.dispatch(job.uid)
        return Submitted(job, fresh)

    def draft(
        self,
        kind: str,
        payload: Mapping[str, Any],
        *,
        priority: int = 0,
        remote: str | None = None,
        owner: int | None = None,
        after: float | None = None,
    ) -> Deferred[Draft]:
        """
        Begin to hand in a job whose items come in batches; see `submit`.

        :returns: a Deferred of the draft.
        """
        new = self._new(kind, payload, priority, remote, owner, None, None, None, after)
        return Deferred.fromCoroutine(self._draft(new))

    async def _draft(self, new: NewJob) -> Draft:
        await self.quota.admit(0)
        self._drafts.add(new.uid)
        row, _ = await self.catalog.write(jobs.add, new, self.now(), "draft")
        return Draft(self.catalog, row, self.quota, self._handed_in, self._drafts.discard, self.carried)

    def recover(self, before: float | None = None) -> Deferred[int]:
        """
        Forget drafts that were begun before *before* (default: all that are not this process's own).

        :returns: a Deferred of how many they were.
        """
        own = sorted(self._drafts)
        return self.catalog.write(retention.discard_drafts, own, before)

    # looking
    def get(self, uid: str) -> Deferred[Job]:
        """Return a Deferred of a job; it fails with `JobNotFound`."""
        return self.catalog.read(jobs.get, uid).addCallback(self._live)

    def _live(self, row: JobRow) -> Job:
        run = self.runs.get(row.uid)
        job = job_of(row)
        return job if run is None else run.seen(job)

    def list(
        self,
        *,
        state: str | None = None,
        kind: str | None = None,
        remote: str | None = None,
        after: int | None = None,
        limit: int = 100,
        owner: int | None = None,
    ) -> Deferred[Page[Job]]:
        """
        Return a Deferred of jobs, the newest first.

        :param after: the `next` of the page before; default None: the first page.
        :param limit: jobs at most; default 100.
        :raises SettingsError: when there is no such *state*.
        """
        if state is not None and state not in STATES:
            raise SettingsError("state", state, "one of " + ", ".join(STATES))
        wanted = {"states": None if state is None else [state], "kind": kind, "remote": remote, "owner": owner}
        d = self.catalog.read(listed, wanted, after, limit)
        return d.addCallback(lambda rows: self._page(rows, limit))

    def _page(self, rows: Sequence[JobRow], limit: int) -> Page[Job]:
        found = rows[:limit]
        return Page([self._live(row) for row in found], found[-1].id if len(rows) > limit else None)

    def items(
        self, uid: str, *, state: str | None = None, after: int | None = None, limit: int = 100
    ) -> Deferred[Page[Item]]:
        """
        Return a Deferred of the items of a job, in their order; it fails with `JobNotFound`.

        :param state: "waiting", "completed", "failed" or "cancelled"; default None: all.
        """
        return self.catalog.read(items_of, uid, state, -1 if after is None else after, limit)

    def item(self, uid: str, number: int) -> Deferred[Item]:
        """Return a Deferred of one item; it fails with `JobNotFound`, also where the job has none of this number."""
        return self.catalog.read(item_at, uid, number)

    def counts(self) -> Deferred[dict[str, int]]:
        """Return a Deferred of how many jobs each state has."""
        return self.catalog.read(jobs.counts)

    # changing
    def cancel(self, uid: str) -> Deferred[Job]:
        """End a job: transfers are broken off, what is finished stays. See `pause`."""
        return Deferred.fromCoroutine(self._halt(uid, "cancel"))

    def pause(self, uid: str) -> Deferred[Job]:
        """
        Let a job rest: what is finished stays, and `resume` goes on with the rest.

        :returns: a Deferred of the job. It fails with `JobNotFound`, or `JobStateError` when its state forbids it.
        """
        return Deferred.fromCoroutine(self._halt(uid, "pause"))

    async def _halt(self, uid: str, verb: str) -> Job:
        run = self.runs.get(uid)
        if run is not None:
            # It writes what it has finished, which it may not any more afterwards.
            await run.halted(jobs.VERBS[verb][1], _PATIENCE)
        return await self._change(uid, verb)

    async def _change(self, uid: str, verb: str) -> Job:
        row, changed = await self.catalog.write(jobs.change, uid, verb, self.now())
        job = job_of(row)
        if changed:
            run = self.runs.get(uid)
            if run is not None:
                run.lose()
            self.telling.changed(job)
            if job.state == "waiting":
                self.dispatch(uid)
        return job

    def resume(self, uid: str) -> Deferred[Job]:
        """Let a paused job wait for its turn again. See `pause`."""
        return Deferred.fromCoroutine(self._change(uid, "resume"))

    def retry(self, uid: str) -> Deferred[Job]:
        """Let a job that failed or was cancelled wait again, with its items that are not there. See `pause`."""
        return Deferred.fromCoroutine(self._retry(uid))

    async def _retry(self, uid: str) -> Job:
        # In bounded transactions; if we die meanwhile, the job is still failed.
        while await self.catalog.write(again, uid, _BATCH):
            pass
        return await self._change(uid, "retry")

    def prioritise(self, uid: str, priority: int) -> Deferred[Job]:
        """Give a job another priority; the Deferred fails with `JobNotFound`."""
        if type(priority) is not int or abs(priority) > _PRIORITIES:
            raise SettingsError("priority", priority, f"a whole number from -{_PRIORITIES} to {_PRIORITIES}")
        return self.catalog.write(jobs.prioritise, uid, priority).addCallback(job_of)

    def delete(self, uid: str) -> Deferred[Job]:
        """Forget a job that is over, and its items; its files stay. See `pause`."""
        return Deferred.fromCoroutine(self._delete(uid))

    async def _delete(self, uid: str) -> Job:
        job = await self._change(uid, "delete")
        while await self.catalog.write(retention.sweep, _BATCH):
            pass
        return job

    def dispatch(self, uid: str) -> None:
        """Tell workers of a job; those that are not told find it when they look."""
        told = self.broker.publish(uid)
        told.addErrback(lambda why: why.trap(BrokerUnavailable) and None)
        told.addErrback(lambda why: self._log.failure("job {uid} was not dispatched", failure=why, uid=uid))

    def refuse(self, why: PulpError | None) -> None:
        """Let everything that is handed in fail with *why*; None: accept it again."""
        self.quota.refusal = why

    def close(self) -> None:
        """Tell nothing any more."""
        self.telling.close()
