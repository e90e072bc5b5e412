"""Runs: syncs, verifications and the like, how far they have come, and what came of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve, frozen
from sqlalchemy import Connection, Select, insert, null, select, update

from twisted_pulp.catalog import _bulk
from twisted_pulp.catalog._tables import progress as progress_table
from twisted_pulp.catalog._tables import run
from twisted_pulp.errors import NotInCatalog

__all__ = ["ProgressRow", "RunRow", "abandon", "finish", "get", "latest", "list", "progress", "start"]


@frozen
class ProgressRow:
    """
    How far one part of a run has come.

    :ivar code: which part, such as `sync.downloading.artifacts`.
    :ivar message: the same for a person.
    :ivar state: such as `running`, `completed` or `failed`.
    :ivar total: how many there are, or None when nobody knows yet.
    :ivar done: how many are done.
    :ivar bytes: how many bytes; default 0.
    :ivar suffix: what the numbers count; default None.
    """

    code: str
    message: str
    state: str
    total: int | None
    done: int
    bytes: int = 0
    suffix: str | None = None


@frozen
class RunRow:
    """
    A run of the catalog.

    :ivar kind: such as `sync`.
    :ivar state: `running`, or what `finish` was told.
    :ivar started: seconds since the epoch.
    :ivar finished: the same, or None while it runs.
    :ivar result: what came of it.
    :ivar error: why it failed.
    :ivar progress: its parts by their codes; what `list` gives has none.
    """

    id: int
    kind: str
    repository_id: int | None
    state: str
    started: float
    finished: float | None
    result: Mapping[str, Any] | None
    error: str | None
    progress: tuple[ProgressRow, ...] = ()


def start(connection: Connection, kind: str, repository_id: int | None, now: float) -> int:
    """Note that a run starts, and return its number."""
    values = {"kind": kind, "repository_id": repository_id, "state": "running", "started": now, "result": null()}
    return int(connection.scalars(insert(run).values(values).returning(run.c.id)).one())


def progress(connection: Connection, run_id: int, rows: Sequence[ProgressRow]) -> None:
    """Note how far the parts of a run have come; the last row of a code is what counts."""
    latest = {each.code: each for each in rows}
    values = [
        (run_id, code, each.message, each.state, each.total, each.done, each.bytes, each.suffix)
        for code, each in sorted(latest.items())
    ]
    _bulk.insert(
        connection, progress_table, ("run_id", "code", *_PART), values, unique=("run_id", "code"), change=_PART
    )


_PART = "message", "state", "total", "done", "bytes", "suffix"


def finish(
    connection: Connection,
    run_id: int,
    state: str,
    now: float,
    *,
    result: Mapping[str, Any] | None = None,
    error: str | None = None,
) -> None:
    """
    Note what came of a run.

    :param state: such as `completed`, `failed` or `cancelled`.
    :raises NotInCatalog: when there is no such run.
    """
    values = {"state": state, "finished": now, "result": null() if result is None else dict(result), "error": error}
    if not connection.execute(update(run).where(run.c.id == run_id).values(values)).rowcount:
        raise NotInCatalog("run", run_id)


def abandon(connection: Connection, repository_id: int, now: float) -> int:
    """Note of a repository's runs that still run, whose processes died, that they failed; return how many they were."""
    dead = update(run).where(run.c.repository_id == repository_id, run.c.state == "running")
    return connection.execute(dead.values(state="failed", finished=now, error="its process died")).rowcount


def list(connection: Connection, repository_id: int | None = None, limit: int = 100) -> Sequence[RunRow]:  # noqa: A001 -- read with its module: runs.list
    """Return the latest *limit* runs, of one repository or (None, the default) of all, the latest first."""
    statement = select(run).order_by(run.c.id.desc()).limit(limit)
    return _rows(
        connection, statement if repository_id is None else statement.where(run.c.repository_id == repository_id)
    )


def get(connection: Connection, run_id: int) -> RunRow:
    """
    Return a run with its progress.

    :raises NotInCatalog: when there is no such run.
    """
    found = _rows(connection, select(run).where(run.c.id == run_id))
    if not found:
        raise NotInCatalog("run", run_id)
    return _with_progress(connection, found[0])


def latest(connection: Connection, repository_id: int) -> RunRow | None:
    """Return the latest run of a repository with its progress, or None when there was none."""
    found = list(connection, repository_id, 1)
    return _with_progress(connection, found[0]) if found else None


def _rows(connection: Connection, statement: Select[*tuple[Any, ...]]) -> Sequence[RunRow]:
    return [RunRow(*row) for row in connection.execute(statement)]


def _with_progress(connection: Connection, found: RunRow) -> RunRow:
    columns = [progress_table.c[name] for name in ("code", *_PART)]
    parts = select(*columns).where(progress_table.c.run_id == found.id).order_by(progress_table.c.code)
    rows = tuple(ProgressRow(*row) for row in connection.execute(parts))
    return evolve(found, progress=rows)
