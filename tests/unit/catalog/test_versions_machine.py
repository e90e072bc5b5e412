"""Versions under everything that can be done to them, in any order, against sets."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Connection, Engine, select

from tests.unit.catalog.units import saved, unit
from twisted_pulp.catalog import repositories, versions
from twisted_pulp.catalog._tables import version_content, version_seen
from twisted_pulp.errors import DraftLost, NotInCatalog

#: Type and place of the units; the first are alone, the others compete.
_UNITS = [("file", None), ("other", None), *[("file", "x")] * 3, *[("file", "y")] * 2, *[("other", "x")] * 2]
_one = st.integers(0, len(_UNITS) - 1)
_some = st.lists(_one, max_size=6)
_which = st.integers(0, 1)


class Model:
    """What a repository has, in sets of the units' places in the list above."""

    def __init__(self) -> None:
        self.versions: dict[int, frozenset[int]] = {}
        self.rows: dict[int, tuple[int, int, int]] = {}
        self.next = 1
        self.retain: int | None = None
        self.draft: set[int] | None = None
        self.seen: set[int] = set()

    @property
    def latest(self) -> frozenset[int]:
        return self.versions[max(self.versions)] if self.versions else frozenset()

    def add(self, units: list[int]) -> int:
        assert self.draft is not None
        last = {_UNITS[each]: each for each in units if _UNITS[each][1] is not None}
        won = set(last.values()).union(each for each in units if _UNITS[each][1] is None)
        new = len(won - self.draft)
        self.draft = {each for each in self.draft if _UNITS[each] not in last} | won
        return new

    def finish(self) -> tuple[int, int, int] | None:
        assert self.draft is not None
        base, draft, self.draft, self.seen = self.latest, frozenset(self.draft), None, set()
        if base == draft:
            return None
        self.versions[self.next] = draft
        self.rows[self.next] = len(draft - base), len(base - draft), len(draft)
        self.next += 1
        if self.retain is not None:
            for number in sorted(self.versions)[: -self.retain]:
                del self.versions[number]
        return self.rows[self.next - 1]


class VersionsMachine(RuleBasedStateMachine):
    """Two repositories with the same content, and the drafts that were lost."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.connection: Connection = engine.connect()

    @initialize()
    def begin_all(self) -> None:
        units = [unit(str(number), place, kind) for number, (kind, place) in enumerate(_UNITS)]
        self.ids = saved(self.connection, *units)
        self.models = [Model(), Model()]
        self.repositories = [repositories.create(self.connection, name, "file", 1.0).id for name in ("0", "1")]
        self.drafts: list[versions.Draft | None] = [None, None]
        self.lost: list[versions.Draft] = []

    def lose(self, which: int) -> None:
        draft, self.drafts[which], self.models[which].draft = self.drafts[which], None, None
        self.models[which].seen = set()
        if draft is not None:
            self.lost.append(draft)

    def of(self, units: Iterable[int]) -> list[int]:
        return [self.ids[each] for each in units]

    @rule(which=_which)
    def begin(self, which: int) -> None:
        self.lose(which)
        draft = self.drafts[which] = versions.begin(self.connection, self.repositories[which], 1.0)
        model = self.models[which]
        model.draft = set(model.latest)
        assert (model.next, max(model.versions, default=0)) == (draft.number, draft.base)

    @rule(which=_which, units=_some)
    def add(self, which: int, units: list[int]) -> None:
        if draft := self.drafts[which]:
            assert self.models[which].add(units) == versions.add(self.connection, draft, self.of(units))

    @rule(which=_which, units=_some)
    def remove(self, which: int, units: list[int]) -> None:
        model = self.models[which]
        if (draft := self.drafts[which]) and model.draft is not None:
            assert len(model.draft & set(units)) == versions.remove(self.connection, draft, self.of(units))
            model.draft -= set(units)

    @rule(which=_which, units=_some)
    def see(self, which: int, units: list[int]) -> None:
        if draft := self.drafts[which]:
            versions.seen(self.connection, draft, self.of(units))
            self.models[which].seen |= set(units)

    @rule(which=_which)
    def remove_unseen(self, which: int) -> None:
        model = self.models[which]
        if (draft := self.drafts[which]) and model.draft is not None:
            unseen = (model.draft & model.latest) - model.seen
            assert len(unseen) == versions.remove_unseen(self.connection, draft)
            model.draft -= unseen

    @rule(which=_which, synced=st.none() | st.just({"etag": "x"}))
    def finish(self, which: int, synced: dict[str, str] | None) -> None:
        if draft := self.drafts[which]:
            row = versions.finish(self.connection, draft, 2.0, synced)
            found = None if row is None else (row.added, row.removed, row.present)
            assert self.models[which].finish() == found
            self.lose(which)

    @rule(which=_which)
    def abort(self, which: int) -> None:
        if draft := self.drafts[which]:
            versions.abort(self.connection, draft)
            self.lose(which)

    @rule(which=_which)
    def recover(self, which: int) -> None:
        expected = 0 if self.drafts[which] is None else 1
        assert expected == versions.recover(self.connection, self.repositories[which])
        self.lose(which)

    @rule(which=_which, retain=st.none() | st.integers(1, 3))
    def retain(self, which: int, retain: int | None) -> None:
        repositories.update(self.connection, str(which), retain=retain)
        self.models[which].retain = retain

    @rule(which=_which, number=st.integers(1, 9))
    def delete(self, which: int, number: int) -> None:
        model = self.models[which]
        if number in model.versions:
            versions.delete(self.connection, self.repositories[which], number)
            del model.versions[number]
            self.lose(which)

    @rule()
    def use_lost(self) -> None:
        for draft in self.lost:
            with pytest.raises(DraftLost):
                versions.add(self.connection, draft, self.ids[:1])
            versions.abort(self.connection, draft)
        self.lost.clear()

    @invariant()
    def same(self) -> None:
        """Every version has what its set has, and its counts; what is not complete is nowhere to be seen."""
        for repository, model in zip(self.repositories, self.models, strict=True):
            listed = {each.number: each for each in versions.list(self.connection, repository)}
            assert model.versions.keys() == listed.keys()
            for number, units in model.versions.items():
                found = versions.contents(self.connection, repository, number)
                assert sorted(self.of(units)) == [each.id for each in found]
                row = listed[number]
                assert model.rows[number] == (row.added, row.removed, row.present)
                assert len(units) == sum(versions.counts(self.connection, repository, number).values())
            with pytest.raises(NotInCatalog):
                versions.contents(self.connection, repository, model.next)
            self.no_row_too_many(repository, model)

    def no_row_too_many(self, repository: int, model: Model) -> None:
        """Every row belongs to a version or to the draft, and each unit of them to a row."""
        wanted = set().union(*model.versions.values(), model.draft or ())
        held = select(version_content.c.content_id).where(version_content.c.repository_id == repository)
        assert set(self.of(wanted)) == set(self.connection.scalars(held))
        if all(each is None for each in self.drafts):
            assert [] == self.connection.scalars(select(version_seen.c.content_id)).all()

    def teardown(self) -> None:
        self.connection.close()


def test_versions(engine: Engine) -> None:
    """Versions do what sets do."""
    quick = engine.dialect.name == "sqlite"
    run_state_machine_as_test(
        lambda: VersionsMachine(engine),
        settings=settings(
            max_examples=60 if quick else 8,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
