"""Row 55 for the daemon: kill -9 at random moments, while it works and is given more."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pytest
from attrs import define, field
from pytest_twisted import ensureDeferred
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.task import deferLater

from tests.integration.daemon import Daemon
from tests.integration.faults.kept import looked
from tests.integration.faults.ledger import Ledger
from tests.integration.process import Start
from tests.servers.corpus import Corpus
from tests.servers.fixtures import StartNginx
from tests.servers.reactor import IReactor
from twisted_pulp.client import Client, ServerUnreachable
from twisted_pulp.context import Context
from twisted_pulp.documents import NewSync
from twisted_pulp.names import PARTIAL
from twisted_pulp.settings import Remote, Retry, Timeouts

T = TypeVar("T")
SETTINGS = """
[ssrf]
allow = ["127.0.0.0/8"]
[limits]
attempts = 1
reserve = 0
"""
# Seconds for a start: two, and what a busy machine may add. One that waits for a lease would need a minute.
_START = 2.0 + 13.0
#: Seconds in which one job at least ends: one whose process died very often waits for a minute, by design.
_PATIENCE = 120.0
_USERS = 8


@define(eq=False)
class Lives:
    """
    A daemon that lives again and again.

    :ivar starts: seconds from each start to being ready.
    """

    _reactor: IReactor
    _rng: random.Random
    _daemon: Daemon
    _client: Client
    _ledger: Ledger
    _arguments: tuple[object, ...]
    kills: int = field(init=False, default=0)
    starts: list[float] = field(init=False, factory=list)
    _over: bool = field(init=False, default=False)

    @property
    def downloads(self) -> Path:
        """Where files appear."""
        return self._daemon.data / "downloads"

    async def begin(self, url: str) -> None:
        """Start for the first time."""
        await self._start()
        await self._ledger.pool.begin(self._client, url)

    async def _start(self) -> None:
        began = self._reactor.seconds()
        self._begin()
        await self._daemon.listening()
        self.starts.append(self._reactor.seconds() - began)

    def _begin(self) -> None:
        socket = f"unix:{self._daemon.data.parent}/socket"
        self._daemon.begin("--quiet", *self._arguments, listen=(socket,))

    async def killed(self, wanted: int, longest: float) -> None:
        """Be killed so many times, after *longest* seconds at most, while work is handed in."""
        users = [Deferred.fromCoroutine(self._use(wanted)) for _ in range(_USERS)]
        try:
            await self._kill(self._rng.uniform(0, 2))
            while self.kills < wanted:
                if self._rng.random() < 0.2:  # as it comes up
                    self._begin()
                    await self._kill(self._rng.uniform(0, 1))
                else:
                    await self._start()
                    await self._kill(self._rng.uniform(0.05, longest))
            self._over = True
            await self._start()
            await gatherResults(users)
        finally:
            for user in users:
                user.addErrback(lambda why: why.trap(CancelledError))
                user.cancel()

    async def _kill(self, seconds: float) -> None:
        await deferLater(self._reactor, seconds)
        assert -signal.SIGKILL == await self._daemon.end(signal.SIGKILL), self._daemon.process.out
        self.kills += 1
        self._ledger.look(self.downloads)
        # What is left by one that is killed just before a small file gets its name; it happens, but not every time.
        orphan = self.downloads / f".0123456789ab-{self.kills:x}{PARTIAL}"
        orphan.parent.mkdir(parents=True, exist_ok=True)
        orphan.touch()
        if self._rng.random() < 0.3:  # else the next one finds the catalog as it was left
            looked(self._daemon.data)

    # Users

    async def _use(self, wanted: int) -> None:
        """Hand in work, about three jobs for each life; some of it twice, and some is cancelled."""
        while not self._over:
            if len(self._ledger.orders) > 3 * self.kills + 3:
                await deferLater(self._reactor, 0.05)
                continue
            order = self._ledger.order()
            job = await self._answered(lambda order=order: order.hand_in(self._client))
            self._ledger.acknowledged[order.key] = job.id
            if self._rng.random() < 0.3:
                await deferLater(self._reactor, self._rng.uniform(0, 0.5))
                again = await self._answered(lambda order=order: order.hand_in(self._client))
                assert job.id == again.id
            if self._rng.random() < 0.1:
                await self._answered(lambda order=order: self._ledger.cancel(self._client, order.key))
            await deferLater(self._reactor, self._rng.uniform(0, 0.5))

    async def _answered(self, ask: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await ask()
            except ServerUnreachable:
                await deferLater(self._reactor, 0.02)

    # The end

    async def audited(self) -> str:
        """Let everything come to its end, and look at all of it; return what there was."""
        deadline, before = 0.0, len(self._ledger.orders) + 1
        while left := await self._ledger.left(self._client):
            if len(left) < before:
                deadline, before = self._reactor.seconds() + _PATIENCE, len(left)
            assert self._reactor.seconds() < deadline, f"{self._waiting()} do not end\n{self._daemon.process.out}"
            await deferLater(self._reactor, 0.2 + len(left) / 100)
        states = await self._ledger.audit(self._client, self.downloads)
        assert 0 == await self._daemon.end(signal.SIGTERM)
        self._stored()
        assert [] == self._ledger.orphans(self.downloads)
        assert max(self.starts) <= _START
        slowest, typical = max(self.starts), sorted(self.starts)[len(self.starts) // 2]
        return f"{self.kills} kills, {states}, {len(self._ledger.paths)} files; starts {typical:.2f} s, {slowest:.2f} s"

    def _waiting(self) -> list[object]:
        """What is known of jobs that have not ended: those that died or failed too often wait for a minute or more."""
        columns = "uid, kind, state, run_after, failures, deaths, error"
        with closing(sqlite3.connect(self._daemon.data / "catalog.sqlite")) as database:
            return database.execute(f"SELECT {columns} FROM job WHERE finished IS NULL").fetchall()

    def _stored(self) -> None:
        """Each sync that was asked for has made one version at most, and nothing is lost or damaged."""
        kept, syncs = looked(self._daemon.data), self._ledger.orders.values()
        if any(isinstance(order.document, NewSync) for order in syncs):
            assert self._ledger.units() == kept.versions[max(kept.versions)]
        assert len(kept.versions) <= sum(isinstance(order.document, NewSync) for order in syncs)
        assert len(kept.versions) == len(set(kept.versions.values()))
        assert {digest for _, digest in self._ledger.units()} >= kept.have
        assert [] == os.listdir(self._daemon.data / "storage" / "tmp")
        with closing(sqlite3.connect(self._daemon.data / "catalog.sqlite")) as database:
            assert [("ok",)] == database.execute("PRAGMA integrity_check").fetchall()
            assert [] == database.execute("PRAGMA foreign_key_check").fetchall()


@pytest.mark.limit(5000)
@pytest.mark.leaves_partials
@ensureDeferred
async def test_row_55_killed(
    reactor: IReactor,
    tmp_path: Path,
    start_command: Start,
    start_nginx: StartNginx,
    context: Context,
    rng: random.Random,
    campaign_count: Callable[[int, int], int],
    request: pytest.FixtureRequest,
    seed: int,
) -> None:
    """Row 55: whenever the daemon is killed, what it has acknowledged is done, once, and nothing else shows."""
    (tmp_path / "site").mkdir()
    (tmp_path / "settings.toml").write_text(SETTINGS)
    site = await start_nginx(tmp_path / "site", lines=("limit_rate 4m;",))
    ledger = Ledger(Corpus(tmp_path / "site", rng.randrange(1 << 32)), rng, site.url(""))
    client = Client(
        context,
        f"unix:{tmp_path}/socket",
        reach=Remote(timeouts=Timeouts(connect=30), retry=Retry(retries=0)),
    )
    daemon = Daemon(start_command, reactor, tmp_path / "data")
    lives = Lives(reactor, rng, daemon, client, ledger, ("--config", tmp_path / "settings.toml"))
    await lives.begin(site.url("/pool/PULP_MANIFEST"))
    # Many short lives would do: a job that finishes nothing in 30 of them is taken to be what kills.
    kills = campaign_count(20, 1000)
    await lives.killed(kills, 0.9 if kills < 30 else 3.0)
    request.node.add_report_section("call", "figures", f"{await lives.audited()}; seed {seed}")
