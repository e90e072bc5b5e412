"""Rows 55 and 56 for syncs: kill -9 at random moments, and at each call that makes something durable."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import define, field
from pytest_twisted import ensureDeferred
from twisted.internet.task import deferLater

from tests.integration.faults.forks import Fork, Forks
from tests.integration.faults.kept import Kept, looked
from tests.integration.faults.upstream import Units, Upstream
from tests.servers.fixtures import StartScripted
from tests.servers.postgres import Postgres
from tests.servers.reactor import IReactor


@define(eq=False)
class Life:
    """
    One data directory, and what was said to be in it.

    :ivar kills: processes that were killed while they worked.
    :ivar versions: what is known of the versions that were made: number -> units.
    """

    _reactor: IReactor
    _rng: random.Random
    _forks: Forks
    _upstream: Upstream
    data: Path
    database: str | None = None
    kills: int = field(init=False, default=0)
    versions: dict[int, Units] = field(init=False, factory=dict)
    _stored: set[str] = field(init=False, factory=set)
    _typical: float = field(init=False, default=0.5)

    async def round(self, kills: int) -> None:
        """Change the upstream; begin to sync, and be killed, so many times; then sync to the end."""
        self._upstream.change(20)
        policy = self._rng.choice(["immediate", "immediate", "on_demand", "streamed"])
        options = ["--policy", policy, *(["--mirror"] if self._rng.random() < 0.5 else [])]
        expected = self._upstream.expected(self._latest(), "--mirror" in options)
        for _ in range(kills):
            process = await self._sync(options)
            await deferLater(self._reactor, self._rng.uniform(0, self._typical))
            process.kill()
            if await process.ended() >= 0:  # it had done everything, and the next one would have nothing to do
                break
            self.kills += 1
            if self._rng.random() < 0.5:  # else the next process finds everything as it was left
                self._look(expected)
        await self._complete(options, policy, expected)

    async def _complete(self, options: list[str], policy: str, expected: Units) -> None:
        began = self._reactor.seconds()
        process = await self._sync(options)
        await process.ended()
        said = process.result()
        self._typical = 0.7 * self._typical + 0.3 * (self._reactor.seconds() - began)
        assert ([], len(expected)) == (said["failed"], said["present"])
        kept = self._look(expected)
        assert expected == self._latest()
        assert [] == os.listdir(self.data / "storage" / "tmp")
        if policy == "immediate":
            assert {digest for _, digest in self._upstream.units} <= kept.have

    def _look(self, expected: Units) -> Kept:
        """Nothing that was there is lost, and what is new is complete."""
        kept = looked(self.data, self.database)
        new = {number: units for number, units in kept.versions.items() if number not in self.versions}
        assert self.versions == {number: kept.versions[number] for number in self.versions}
        assert {} == new or ([expected], [max(kept.versions)]) == (list(new.values()), list(new))
        assert self._stored <= kept.stored.keys()
        self.versions |= new
        self._stored |= kept.stored.keys()
        return kept

    def _latest(self) -> Units:
        return self.versions[max(self.versions)] if self.versions else frozenset()

    async def _sync(self, options: list[str]) -> Fork:
        return await self._command("sync", "file", self._upstream.url, "--repository", "one", *options)

    async def _command(self, *arguments: object) -> Fork:
        database = () if self.database is None else ("--database", self.database)
        return await self._forks.start("--json", "--data", self.data, *database, *arguments)

    async def end(self) -> None:
        """Nothing is damaged, and what is stored is what the catalog knows."""
        process = await self._command("verify")
        await process.ended()
        said = process.result()
        assert (len(self._stored), 0) == (said["checked"], said["damaged"])


@pytest.mark.limit(3000)
@ensureDeferred
async def test_row_55_killed(
    reactor: IReactor,
    tmp_path: Path,
    forks: Forks,
    start_scripted: StartScripted,
    rng: random.Random,
    campaign_count: Callable[[int, int], int],
) -> None:
    """Row 55: whenever a sync is killed, nothing partial shows, nothing is lost, and the same command completes."""
    wanted, kills = campaign_count(50, 1000), 0
    for number in range(1000):
        upstream = Upstream(await start_scripted(), rng, delay=0.002)
        life = Life(reactor, rng, forks, upstream, tmp_path / f"data-{number}")
        while life.kills < 25 and kills + life.kills < wanted:
            await life.round(rng.choice([2, 4, 8]))
        await life.end()
        kills += life.kills
        if kills >= wanted:
            return
    raise AssertionError(f"{kills} kills only")


@pytest.mark.limit(3000)
@ensureDeferred
async def test_row_55_killed_on_postgresql(
    reactor: IReactor,
    tmp_path: Path,
    forks: Forks,
    start_scripted: StartScripted,
    rng: random.Random,
    campaign_count: Callable[[int, int], int],
    postgres: Postgres,
) -> None:
    """Row 55: the same with a catalog that is in a server, which lives on."""
    wanted, name = campaign_count(5, 50), postgres.create()
    try:
        upstream = Upstream(await start_scripted(), rng)
        life = Life(reactor, rng, forks, upstream, tmp_path / "data", postgres.url(name))
        while life.kills < wanted:
            await life.round(rng.choice([2, 3]))
        await life.end()
    finally:
        postgres.drop(name)
