"""
Jobs under everything that can be done to them, in any order, with crashes at every transaction, against a plain model.

What was acknowledged is never lost, what was noted counts once, and who has lost a job changes nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Connection, Engine

from twisted_pulp.catalog import items, jobs, leases, retention
from twisted_pulp.catalog.items import Ended, NewItem
from twisted_pulp.catalog.jobs import JobRow, NewJob
from twisted_pulp.errors import JobNotFound, JobStateError, KeyConflict, LeaseLost

_which = st.integers(0, 3)
_count = st.integers(1, 3)
_crash = st.sampled_from([False, False, False, True])


class Crash(Exception):
    """The process died before the transaction was committed."""


@define(eq=False)
class Model:
    """
    What a job should be.

    :ivar items: the state of each.
    :ivar held: whether somebody runs it.
    """

    uid: str
    state: str = "waiting"
    items: list[str] = field(factory=list)
    fence: int = 0
    key: str | None = None

    def move(self, state: str) -> None:
        """Be in another state, and in other hands."""
        self.state, self.fence = state, self.fence + 1


class JobsMachine(RuleBasedStateMachine):
    """Jobs, holders that live and that have lost theirs, and transactions that may not be committed."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.connection: Connection = engine.connect()
        if engine.dialect.name == "sqlite":
            self.connection.exec_driver_sql("BEGIN")  # else its first savepoint would be a transaction

    @initialize()
    def begin(self) -> None:
        self.models: dict[str, Model] = {}
        self.keys: dict[str, tuple[str, str]] = {}
        self.gone: set[str] = set()
        self.runs: list[JobRow] = []
        self.number = 0
        for count in (1, 3):
            self.submit(count, None, "f", False)
            self.run(False)

    def commit(self, crash: bool, work: Callable[[], Any]) -> Any:
        """Do *work* in a transaction of its own, unless the process dies before it is committed."""
        try:
            with self.connection.begin_nested():
                result = work()
                if crash:
                    raise Crash
        except Crash:
            return None
        return result

    def pick(self, which: int) -> Model | None:
        """Return one of the jobs."""
        known = list(self.models.values())
        return known[which % len(known)] if known else None

    @rule(count=_count, key=st.sampled_from([None, None, "k", "l"]), mark=st.sampled_from("fg"), crash=_crash)
    def submitted(self, count: int, key: str | None, mark: str, crash: bool) -> None:
        self.submit(count, key, mark, crash)

    def submit(self, count: int, key: str | None, mark: str, crash: bool) -> None:
        self.number += 1
        new = NewJob(uid=f"job {self.number}", kind="k", payload={}, key=key, fingerprint=mark)

        def work() -> tuple[JobRow, bool]:
            row, fresh = jobs.add(self.connection, new, 1.0)
            if fresh:
                items.add(self.connection, row.id, [NewItem("u", str(number)) for number in range(count)])
            return row, fresh

        known = self.keys.get(key or "")
        if known is not None and known[1] != mark:
            try:
                work()
            except KeyConflict:
                return
            raise AssertionError("the key is another request's")
        done = self.commit(crash, work)
        if done is None:
            return
        assert done[1] == (known is None)
        if known is not None:
            assert known[0] == done[0].uid
            return
        self.models[new.uid] = Model(new.uid, items=["waiting"] * count, key=key)
        if key is not None:
            self.keys[key] = new.uid, mark

    @rule(crash=_crash)
    def begun(self, crash: bool) -> None:
        self.run(crash)

    def run(self, crash: bool) -> None:
        def work() -> JobRow | None:
            found, _ = leases.candidates(self.connection)
            return leases.begin(self.connection, found[0].id, "holder", 1.0) if found else None

        waiting = [each for each in self.models.values() if each.state == "waiting"]
        row = self.commit(crash, work)
        if row is None:
            assert crash or not waiting
            return
        self.models[row.uid].move("running")
        self.runs.append(row)

    @rule(which=_which, at=_count, state=st.sampled_from(["completed", "failed", "waiting"]), crash=_crash)
    def note(self, which: int, at: int, state: str, crash: bool) -> None:
        """A holder, who may have lost its job, notes an item, which may have been noted before."""
        if not self.runs:
            return
        row = self.runs[which % len(self.runs)]
        model = self.models.get(row.uid)
        ours = model is not None and (model.state, model.fence) == ("running", row.fence)
        at %= 3 if model is None else len(model.items)

        def work() -> Any:
            return items.finish(self.connection, row.id, row.fence, row.uid, [Ended(at, state, 7)], 2.0)

        try:
            done = self.commit(crash, work)
        except LeaseLost:
            assert not ours
            return
        assert ours
        if done is not None and model is not None and model.items[at] == "waiting":
            model.items[at] = state

    @rule(which=_which, state=st.sampled_from(["completed", "failed", "waiting", "paused"]), crash=_crash)
    def end(self, which: int, state: str, crash: bool) -> None:
        """A holder, who may have lost its job, ends it."""
        if not self.runs:
            return
        row = self.runs[which % len(self.runs)]
        model = self.models.get(row.uid)
        ours = model is not None and (model.state, model.fence) == ("running", row.fence)
        try:
            done = self.commit(crash, lambda: leases.end(self.connection, row.id, row.fence, row.uid, state, now=3.0))
        except LeaseLost:
            assert not ours
            return
        assert ours
        if done is not None and model is not None:
            model.move(state)

    @rule(which=_which, crash=_crash)
    def die(self, which: int, crash: bool) -> None:
        """Holders die, or seem to; what they had is taken from them."""
        lost = leases.running(self.connection)[: which + 1]
        dropped = self.commit(
            crash, lambda: leases.drop(self.connection, lost, lambda row: leases.Lost("waiting"), 4.0)
        )
        for row in dropped or ():
            self.models[row.uid].move("waiting")

    @rule(which=_which, verb=st.sampled_from(sorted(jobs.VERBS)), crash=_crash)
    def ask(self, which: int, verb: str, crash: bool) -> None:
        model = self.pick(which)
        if model is None:
            return
        allowed, to = jobs.VERBS[verb]
        same = model.state == to or (verb == "resume" and model.state == "running")
        try:
            done = self.commit(crash, lambda: jobs.change(self.connection, model.uid, verb, 5.0))
        except JobStateError:
            assert model.state not in allowed
            return
        assert same or model.state in allowed
        if done is None or same:
            return
        assert done[1]
        model.move(to)
        if verb == "delete":
            del self.models[model.uid]
            self.gone.add(model.uid)
            self.keys.pop(model.key or "", None)

    @rule(which=_which, crash=_crash)
    def again(self, which: int, crash: bool) -> None:
        """Failed items of a job that is over wait again, some at a time."""
        model = self.pick(which)
        if model is None or model.state != "failed":
            return
        number = jobs.get(self.connection, model.uid).id
        if self.commit(crash, lambda: items.again(self.connection, number, 1)):
            model.items[model.items.index("failed")] = "waiting"

    @rule(limit=st.integers(1, 5), crash=_crash)
    def sweep(self, limit: int, crash: bool) -> None:
        self.commit(crash, lambda: retention.sweep(self.connection, limit))

    @invariant()
    def agree(self) -> None:
        """Every job that was acknowledged is there, and is what it should be."""
        if not hasattr(self, "models"):
            return
        for model in self.models.values():
            row = jobs.get(self.connection, model.uid)
            found = [each.state for each in items.list(self.connection, row.id)]
            assert (model.state, model.fence, model.items) == (row.state, row.fence, found)
            counted = model.items.count("completed"), model.items.count("failed")
            assert (len(model.items), *counted, 7 * counted[0]) == (row.total, row.done, row.failed, row.bytes)
            assert (row.holder is not None) == (row.state == "running")
            assert (row.finished is not None) == (row.state in {"completed", "failed", "cancelled"})
        for uid in self.gone:
            try:
                jobs.get(self.connection, uid)
            except JobNotFound:
                continue
            raise AssertionError(f"{uid} is still there")
        assert set(self.models) == {row.uid for row in jobs.list(self.connection)}

    def teardown(self) -> None:
        self.connection.rollback()
        self.connection.close()


def test_jobs(engine: Engine) -> None:
    """Jobs do what the model does."""
    quick = engine.dialect.name == "sqlite"
    run_state_machine_as_test(
        lambda: JobsMachine(engine),
        settings=settings(
            max_examples=40 if quick else 6,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
