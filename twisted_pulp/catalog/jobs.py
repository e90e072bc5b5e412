"""Jobs: one row each, whose state only changes as its table of transitions says."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from attrs import frozen
from sqlalchemy import Connection, Select, func, null, select
from sqlalchemy import insert as insert_into
from sqlalchemy import update as update_of
from sqlalchemy.exc import IntegrityError

from twisted_pulp.catalog._backlog import waiting
from twisted_pulp.catalog._job_tables import job
from twisted_pulp.catalog._parts import WHOLE, cancel_parts
from twisted_pulp.errors import JobNotFound, JobStateError, KeyConflict

__all__ = [
    "STATES",
    "VERBS",
    "JobRow",
    "NewJob",
    "add",
    "change",
    "commit",
    "counts",
    "get",
    "list",
    "prioritise",
    "waiting",
]

#: What others see; a job that is still handed in, or being deleted, is in none of them.
STATES = "waiting", "running", "paused", "completed", "failed", "cancelled"
#: What can be asked for: the states it can be asked in, and the one that it leads to. Asked for in that one, nothing
#: changes.
VERBS: Mapping[str, tuple[frozenset[str], str]] = {
    "cancel": (frozenset({"waiting", "running", "paused"}), "cancelled"),
    "pause": (frozenset({"waiting", "running"}), "paused"),
    "resume": (frozenset({"paused"}), "waiting"),
    "retry": (frozenset({"failed", "cancelled"}), "waiting"),
    "delete": (frozenset({"completed", "failed", "cancelled"}), "deleted"),
}
_SEEN = job.c.state.in_(STATES)


@frozen(kw_only=True)
class NewJob:
    """
    A job that is to be kept.

    :ivar payload: plain data, without secrets.
    :ivar run_after: seconds since the epoch before which it is not begun; default None: at once.
    """

    uid: str
    kind: str
    payload: Mapping[str, Any]
    priority: int = 0
    remote: str | None = None
    owner: int | None = None
    key: str | None = None
    fingerprint: str | None = None
    schedule: str | None = None
    run_after: float | None = None


@frozen
class JobRow:
    """
    A job of the catalog. Times are seconds since the epoch.

    :ivar rank: minus the priority.
    :ivar remote: whose turn it takes; "" where there is none.
    :ivar owner: the token that it was handed in with; 0 where there was none.
    :ivar attempts: times it was begun.
    :ivar failures: runs in a row that failed, as *deaths*: that died with their process.
    :ivar total: items that it has, as *done* and *failed*; *bytes* of those done.
    """

    id: int
    uid: str
    kind: str
    state: str
    rank: int
    remote: str
    owner: int
    key: str | None
    fingerprint: str | None
    schedule: str | None
    payload: Mapping[str, Any]
    created: float
    run_after: float | None
    started: float | None
    finished: float | None
    attempts: int
    failures: int
    deaths: int
    holder: str | None
    fence: int
    beat: int
    total: int
    done: int
    failed: int
    bytes: int
    result: Mapping[str, Any] | None
    error: str | None
    parked: bool


def add(connection: Connection, new: NewJob, now: float, state: str = "waiting") -> tuple[JobRow, bool]:
    """
    Keep a job; return it, and whether it is new: the same key and fingerprint lead to the first one.

    :param state: "waiting" (default), or "draft" where items are still to come: it then has no key until `commit`.
    :raises KeyConflict: when the key belongs to a job with another fingerprint.
    """
    known = None if state == "draft" else _known(connection, new.key, new.owner, new.fingerprint)
    if known is not None:
        return known, False
    values = {
        "uid": new.uid,
        "kind": new.kind,
        "state": state,
        "rank": -new.priority,
        "remote": new.remote or "",
        "owner": new.owner or 0,
        "key": None if state == "draft" else new.key,
        "fingerprint": new.fingerprint,
        "schedule": new.schedule,
        "payload": dict(new.payload),
        "created": now,
        "run_after": new.run_after,
        "result": null(),
    }
    try:
        with connection.begin_nested():
            row = connection.execute(insert_into(job).values(values).returning(*job.c)).one()
    except IntegrityError:
        # Somebody else was quicker: with the same key, or, of the same schedule, at all.
        known = _known(connection, new.key, new.owner, new.fingerprint) or _scheduled(connection, new.schedule)
        if known is None:
            raise
        return known, False
    return JobRow(*row), True


def _known(connection: Connection, key: str | None, owner: int | None, fingerprint: str | None) -> JobRow | None:
    if key is None:
        return None
    row = connection.execute(select(job).where(job.c.key == key, job.c.owner == (owner or 0))).first()
    if row is None:
        return None
    if row.fingerprint != fingerprint:
        raise KeyConflict(key)
    return JobRow(*row)


def _scheduled(connection: Connection, name: str | None) -> JobRow | None:
    if name is None:
        return None
    unfinished = job.c.state.in_(("waiting", "running", "paused"))
    row = connection.execute(select(job).where(job.c.schedule == name, unfinished)).first()
    return None if row is None else JobRow(*row)


def commit(
    connection: Connection,
    id: int,
    key: str | None = None,
    fingerprint: str | None = None,
    more: Mapping[str, Any] | None = None,
) -> tuple[JobRow, bool]:
    """
    Let a draft be a job; return it, and whether it is new, as `add` does. A draft that is not needed stays one.

    :param more: what its payload gets; default None: nothing.
    :raises KeyConflict: when the key belongs to a job with another fingerprint.
    :raises JobNotFound: when the draft is not there any more.
    """
    draft = connection.execute(select(job).where(job.c.id == id, job.c.state == "draft")).first()
    if draft is None:
        raise JobNotFound(str(id))
    known = _known(connection, key, draft.owner, fingerprint)
    if known is not None:
        return known, False
    payload = {**draft.payload, **(more or {})}
    values = {"state": "waiting", "key": key, "fingerprint": fingerprint, "payload": payload}
    changed = update_of(job).where(job.c.id == id).values(values)
    try:
        with connection.begin_nested():
            return JobRow(*connection.execute(changed.returning(*job.c)).one()), True
    except IntegrityError:
        known = _known(connection, key, draft.owner, fingerprint)
        if known is None:
            raise
        return known, False


def get(connection: Connection, uid: str) -> JobRow:
    """
    Return a job.

    :raises JobNotFound: when there is none.
    """
    row = connection.execute(select(job).where(job.c.uid == uid, _SEEN)).first()
    if row is None:
        raise JobNotFound(uid)
    return JobRow(*row)


def list(  # noqa: A001 -- read with its module: jobs.list
    connection: Connection,
    *,
    states: Collection[str] | None = None,
    kind: str | None = None,
    remote: str | None = None,
    owner: int | None = None,
    after: int | None = None,
    limit: int = 100,
) -> Sequence[JobRow]:
    """
    Return jobs, the newest first: *limit* whose ids are less than *after*.

    :param states: those wanted; default all, as *kind*, *remote* and *owner*.
    """
    statement = select(job).order_by(job.c.id.desc()).limit(limit)
    wanted = {"kind": kind, "remote": remote, "owner": owner}
    if kind is None:
        statement = statement.where(WHOLE)
    for name, value in wanted.items():
        if value is not None:
            statement = statement.where(job.c[name] == value)
    if after is not None:
        statement = statement.where(job.c.id < after)
    if states is None or len(states) != 1:
        return _rows(connection, statement.where(_SEEN if states is None else job.c.state.in_(sorted(states))))
    return _rows(connection, statement.where(job.c.state == next(iter(states))))


def _rows(connection: Connection, statement: Select[Any]) -> Sequence[JobRow]:
    return [JobRow(*row) for row in connection.execute(statement)]


def counts(connection: Connection) -> dict[str, int]:
    """Return how many jobs each state has."""
    found: dict[str, int] = dict.fromkeys(STATES, 0)
    statement = select(job.c.state, func.count()).where(_SEEN, WHOLE).group_by(job.c.state)
    found.update((state, number) for state, number in connection.execute(statement))
    return found


def change(connection: Connection, uid: str, verb: str, now: float) -> tuple[JobRow, bool]:
    """
    Do what *verb*, one of `VERBS`, says; return the job, and whether that changed anything.

    Whoever runs it has lost it then.

    :raises JobNotFound: when there is none.
    :raises JobStateError: when its state does not allow it.
    """
    row = _locked(connection, uid)
    allowed, to = VERBS[verb]
    if row.state == to or (verb == "resume" and row.state == "running"):
        return JobRow(*row), False
    if row.state not in allowed:
        raise JobStateError(uid, row.state, verb)
    values: dict[str, Any] = {"state": to, "fence": row.fence + 1, "holder": None}
    if to in ("cancelled", "paused"):
        cancel_parts(connection, row.id, now)
    if verb == "cancel":
        values["finished"] = now
    elif verb == "retry":
        values.update(finished=None, run_after=None, failures=0, deaths=0, error=None, result=null(), parked=False)
    elif verb == "delete":
        values["key"] = None
    changed = update_of(job).where(job.c.id == row.id).values(values).returning(*job.c)
    return JobRow(*connection.execute(changed).one()), True


def prioritise(connection: Connection, uid: str, priority: int) -> JobRow:
    """
    Give a job another priority.

    :raises JobNotFound: when there is none.
    """
    row = _locked(connection, uid)
    changed = update_of(job).where(job.c.id == row.id).values(rank=-priority).returning(*job.c)
    return JobRow(*connection.execute(changed).one())


def _locked(connection: Connection, uid: str) -> Any:
    row = connection.execute(select(job).where(job.c.uid == uid, _SEEN).with_for_update()).first()
    if row is None:
        raise JobNotFound(uid)
    return row
