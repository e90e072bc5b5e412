"""Rows 67 and 68 for syncs: a database that is locked, fought for, restarted, or loses its connections."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_twisted import async_fixture, ensureDeferred
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from tests.integration.faults.forks import Fork, Forks
from tests.integration.faults.kept import looked
from tests.integration.faults.upstream import Upstream
from tests.servers.postgres import Postgres
from tests.servers.reactor import IReactor
from tests.servers.scripted import Scripted, Until, ok

HOLD = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("begun", flush=True)
time.sleep(10)
connection.execute("COMMIT")
"""
STORM = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute("CREATE TABLE IF NOT EXISTS storm (number)")
print("begun", flush=True)
while True:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO storm VALUES (1)")
    time.sleep(0.01)
    connection.execute("COMMIT")
    time.sleep(0.005)
"""
Disturb = Callable[[str, Path], None]


@pytest.fixture
def disturb() -> Iterator[Disturb]:
    """Start programs that use an SQLite database, until the end of the test."""
    processes: list[subprocess.Popen[bytes]] = []

    def disturbing(program: str, database: Path) -> None:
        process = subprocess.Popen([sys.executable, "-c", program, database], stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout is not None
        assert b"begun\n" == process.stdout.readline()

    yield disturbing
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def server() -> Iterator[Postgres]:
    """A PostgreSQL of the test's own, which it may stop."""
    made = Postgres.made()
    try:
        made.start()
        yield made
    finally:
        made.stop()
        made.remove()


class Halted(Upstream):
    """Sixty files, of which the last ones come only when they are let go."""

    def halt(self) -> Deferred[None]:
        """Hold the last ten back; return what lets them go."""
        gate: Deferred[None] = Deferred()
        for path in list(self.files)[-10:]:
            self.broken[path] = (Until(gate), *ok(self.files[path]))
        return gate


@async_fixture
async def upstream(scripted: Scripted, rng: random.Random) -> Halted:
    """Sixty files."""
    made = Halted(scripted, rng)
    made.add(60)
    return made


async def halted(forks: Forks, upstream: Halted, *options: object) -> tuple[Fork, Deferred[None]]:
    """Begin a sync, which is in the middle now: files came, and others are wanted; return what lets it go on."""
    gate = upstream.halt()
    process = await forks.start("--json", *options, "sync", "file", upstream.url, "--repository", "one", "--mirror")
    await forks.until(lambda: len(upstream.server.requests) >= 52 and process.running())
    return process, gate


def synced(process: Fork, upstream: Upstream) -> None:
    """Look that everything came."""
    said = process.result()
    assert ([], 1, 60, 60) == tuple(said[key] for key in ("failed", "version", "present", "downloaded"))
    assert "" == process.err


async def complete(forks: Forks, upstream: Upstream, data: Path, database: str | None = None) -> None:
    """Look that the version is there, and that another sync and a verification find nothing wrong."""
    assert {1: upstream.units} == looked(data, database).versions
    options = ("--json", "--data", data, *(() if database is None else ("--database", database)))
    said = await forks.run(*options, "sync", "file", upstream.url, "--repository", "one", "--force")
    assert (None, 60, 0) == tuple(said.result()[key] for key in ("version", "present", "downloaded"))
    verified = await forks.run(*options, "verify")
    assert (61, 0) == (verified.result()["checked"], verified.result()["damaged"])


# SQLite


@ensureDeferred
async def test_row_67_locked(
    forks: Forks, upstream: Halted, tmp_path: Path, disturb: Disturb, reactor: IReactor
) -> None:
    """Row 67: a sync whose catalog another process locks for 10 s in the middle waits, and completes."""
    data = tmp_path / "data"
    process, gate = await halted(forks, upstream, "--data", data)
    disturb(HOLD, data / "catalog.sqlite")
    began = reactor.seconds()
    gate.callback(None)
    await process.ended()
    assert reactor.seconds() - began > 9
    synced(process, upstream)
    await complete(forks, upstream, data)


@ensureDeferred
async def test_row_67_storm(forks: Forks, upstream: Halted, tmp_path: Path, disturb: Disturb) -> None:
    """Row 67: a sync that has to fight for each transaction with three others gets all of them."""
    data = tmp_path / "data"
    await forks.run("--data", data, "repository", "list")
    for _ in range(3):
        disturb(STORM, data / "catalog.sqlite")
    process, gate = await halted(forks, upstream, "--data", data)
    gate.callback(None)
    await process.ended()
    synced(process, upstream)
    await complete(forks, upstream, data)


# PostgreSQL


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
@ensureDeferred
async def test_row_68_restarted(
    forks: Forks, upstream: Halted, tmp_path: Path, server: Postgres, how: signal.Signals
) -> None:
    """Row 68: a server that is stopped, or crashes, in the middle of a sync, and comes back, is waited for."""
    database, data = server.url(server.create()), tmp_path / "data"
    process, gate = await halted(forks, upstream, "--data", data, "--database", database)
    await deferToThread(server.stop, how)
    gate.callback(None)
    await forks.until(lambda: len(upstream.server.requests) == 61)
    await deferToThread(server.start)
    await process.ended()
    synced(process, upstream)
    await complete(forks, upstream, data, database)


@ensureDeferred
async def test_row_68_terminated(
    forks: Forks, upstream: Halted, tmp_path: Path, postgres: Postgres, reactor: IReactor
) -> None:
    """Row 68: a sync all of whose connections are ended again and again completes."""
    name, data, ended = postgres.create(), tmp_path / "data", 0
    terminate = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}'"
    try:
        process, gate = await halted(forks, upstream, "--data", data, "--database", postgres.url(name))
        reactor.callLater(1.0, gate.callback, None)
        while process.running():
            ended += (await deferToThread(postgres.run, terminate))[0][0]
            await deferLater(reactor, 0.2)
        assert ended >= 2  # the lock, and what the stages use
        synced(process, upstream)
        await complete(forks, upstream, data, postgres.url(name))
    finally:
        with contextlib.suppress(Exception):
            postgres.drop(name)


@ensureDeferred
async def test_row_68_gone(forks: Forks, upstream: Halted, tmp_path: Path, server: Postgres) -> None:
    """Row 68: interrupted while its server is gone, a sync ends soon; when that is back, the same command completes."""
    database, data = server.url(server.create()), tmp_path / "data"
    process, gate = await halted(forks, upstream, "--data", data, "--database", database)
    await deferToThread(server.stop)
    gate.callback(None)
    process.send(signal.SIGINT)
    assert 130 == await process.ended()
    refused = await forks.run("--data", data, "--database", database, "repository", "list")
    assert (1, True) == (refused.status, refused.err.startswith("failed: postgresql"))
    await deferToThread(server.start)
    options = ("--json", "--data", data, "--database", database)
    said = await forks.run(*options, "sync", "file", upstream.url, "--repository", "one", "--mirror")
    assert ([], 1, 60) == tuple(said.result()[key] for key in ("failed", "version", "present"))
    await complete(forks, upstream, data, database)
