"""What processes fetch for each other, and of what they say that they do."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection

from twisted_pulp.catalog import claims, fetches, jobs, leases
from twisted_pulp.catalog.fetches import Fetched, Fetching
from twisted_pulp.catalog.jobs import JobRow, NewJob
from twisted_pulp.errors import LeaseLost

FILE = Fetching((("http://site/a", 1, None),), "a", 1, {"sha256": "a" * 64})


def parent(connection: Connection) -> JobRow:
    """Return a sync that runs."""
    row, _ = jobs.add(connection, NewJob(uid="parent", kind="sync", payload={}), 1.0)
    begun = leases.begin(connection, row.id, "one", 1.0)
    assert begun is not None
    return begun


def part(connection: Connection, of: JobRow, *files: Fetching) -> JobRow:
    """Return a job that fetches for it, and runs."""
    row = fetches.add(connection, NewJob(uid="part", kind="fetch", payload={}), of, files or (FILE,), 7, None, 1.0)
    begun = leases.begin(connection, row.id, "two", 1.0)
    assert begun is not None
    return begun


def ended(number: int, **fields: Any) -> Fetched:
    """Return an outcome."""
    stock = {"artifact_id": None, "sha256": None, "size": None, "bytes": 0, "error": None}
    return Fetched(number, **{**stock, **fields})


def test_outcomes(connection: Connection) -> None:
    """What came of files is read once, in the order in which it was noted; failures with their reasons."""
    row = part(connection, parent(connection), FILE, FILE)
    assert fetches.get(connection, row.id, None) == ([FILE, FILE], 7, True)
    lost = ended(1, error=("download", True, "no"))
    fetches.note(connection, row.id, row.fence, row.uid, [lost])
    assert ([lost], {1}) == (fetches.look(connection, {row.id: 0})[1][row.id], fetches.numbers(connection, row.id))
    came = ended(0, artifact_id=3, sha256="a" * 64, size=1, bytes=None, error=None)
    fetches.note(connection, row.id, row.fence, row.uid, [came])
    states, news = fetches.look(connection, {row.id: 1})
    assert ([2], {row.id: [came]}) == ([each.turns for each in states], news)
    fetches.remove(connection, [row.id])
    assert ([], {}) == fetches.look(connection, {row.id: 0})


def test_ended_with_its_parent(connection: Connection) -> None:
    """Whoever fetches for a job that is cancelled has lost it, and notes nothing more."""
    of = parent(connection)
    row = part(connection, of)
    jobs.change(connection, of.uid, "cancel", 2.0)
    assert "cancelled" == jobs.get(connection, row.uid).state
    with pytest.raises(LeaseLost):
        fetches.note(connection, row.id, row.fence, row.uid, [ended(0)])
    found = fetches.get(connection, row.id, None)
    assert found is not None
    assert not found[2]


def test_only_for_who_runs_it(connection: Connection) -> None:
    """A run that has lost its job hands nothing out."""
    of = parent(connection)
    jobs.change(connection, of.uid, "cancel", 2.0)
    with pytest.raises(LeaseLost):
        part(connection, of)


def test_hidden(connection: Connection) -> None:
    """Such jobs are listed and counted only where they are asked for."""
    part(connection, parent(connection))
    assert ["parent"] == [row.uid for row in jobs.list(connection)]
    assert ["part"] == [row.uid for row in jobs.list(connection, kind="fetch")]
    assert (1, 1) == (jobs.counts(connection)["running"], jobs.waiting(connection))


def test_withdrawn(connection: Connection) -> None:
    """What nobody has begun is taken back; what somebody has is not."""
    of = parent(connection)
    begun = part(connection, of)
    waits = fetches.add(connection, NewJob(uid="other", kind="fetch", payload={}), of, (FILE,), 7, None, 1.0)
    assert [waits.id] == fetches.withdraw(connection, [begun.id, waits.id], 2.0)


def test_claims(connection: Connection) -> None:
    """A claim is one's; it changes hands only as it was when its holder was seen to be dead."""
    assert {"a": 0, "b": 0} == claims.take(connection, "one", ["b", "a"])
    assert {"c": 0} == claims.take(connection, "two", ["a", "c"])
    seen = claims.look(connection, ["a", "b"])
    assert {"a", "b"} == claims.beat(connection, "one")
    assert {} == claims.take(connection, "two", ["a"], list(seen.values()))
    seen = claims.look(connection, ["a"])
    assert {"a": 1} == claims.take(connection, "two", ["a"], list(seen.values()))
    claims.give(connection, "one", ["a", "b"])
    assert {"a": "two"} == {name: each.holder for name, each in claims.look(connection, ["a", "b"]).items()}
    assert (2, {}) == (claims.forget(connection, "two"), claims.look(connection, ["a", "c"]))
