"""The catalog where its database is locked, damaged, full or gone."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from pytest_twisted import async_yield_fixture
from sqlalchemy import Connection, func, insert, select, text, update
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.task import LoopingCall, deferLater
from twisted.internet.threads import deferToThread

from tests.servers.postgres import Postgres
from tests.servers.reactor import IReactor
from twisted_pulp.catalog import Catalog
from twisted_pulp.catalog._doubt import mark_of, was_committed
from twisted_pulp.catalog._tables import artifact
from twisted_pulp.errors import CatalogDamaged, CatalogFull, CatalogLocked, CatalogUnavailable

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)
Open = Callable[..., Awaitable[Catalog]]

HOLD = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
connection.execute("COMMIT")
"""


@async_yield_fixture
async def opened(reactor: IReactor, database: str) -> AsyncIterator[Open]:
    """Open `database` any number of times: ``await opened(patience=...)``."""
    catalogs: list[Catalog] = []

    async def opening(url: str = database, **given: Any) -> Catalog:
        catalogs.append(await Catalog.open(reactor, url, **given))
        return catalogs[-1]

    yield opening
    for each in catalogs:
        await each.close()


@pytest.fixture
def hold() -> Iterator[Callable[[str, float], None]]:
    """Let another process lock an SQLite database for some seconds."""
    processes: list[subprocess.Popen[bytes]] = []

    def holding(database: str, seconds: float) -> None:
        command = [sys.executable, "-c", HOLD, database.removeprefix("sqlite:///"), str(seconds)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout is not None
        assert b"locked\n" == process.stdout.readline()

    yield holding
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


def add(connection: Connection, name: str) -> None:
    """Add an artifact."""
    connection.execute(insert(artifact).values(sha256=name, size=0, touched=0.0))


def count(connection: Connection) -> int:
    """Return how many artifacts there are."""
    return connection.scalar(select(func.count()).select_from(artifact)) or 0


def increase(connection: Connection, name: str = "a") -> None:
    """Count up in an artifact: once too often or too rarely would show."""
    size = connection.scalar(select(artifact.c.size).where(artifact.c.sha256 == name).with_for_update())
    assert size is not None
    connection.execute(update(artifact).where(artifact.c.sha256 == name).values(size=size + 1))


def counted(connection: Connection, name: str = "a") -> int | None:
    """Return how often it was counted up."""
    return connection.scalar(select(artifact.c.size).where(artifact.c.sha256 == name))


@contextlib.contextmanager
def counting(catalog: Catalog) -> Iterator[list[Deferred[int]]]:
    """Let four count up all the time; in the end each gives how often it did."""
    going = True

    async def count_up() -> int:
        number = 0
        while going:
            await catalog.write(increase)
            number += 1
        return number

    try:
        yield [Deferred.fromCoroutine(count_up()) for _ in range(4)]
    finally:
        going = False


def kill_itself(connection: Connection, server: Postgres) -> None:
    """End the server's side of *connection*, and wait until it has ended."""
    pid = connection.scalar(text("SELECT pg_backend_pid()"))
    server.run(f"SELECT pg_terminate_backend({pid}, 10000)")


# SQLite


@on_sqlite
async def test_locked(database: str, opened: Open, hold: Callable[[str, float], None], reactor: IReactor) -> None:
    """While another process has it locked for 10 s, who writes waits, who reads does not, and the reactor turns."""
    catalog = await opened()
    hold(database, 10)
    ticks: list[float] = []
    ticking = LoopingCall(lambda: ticks.append(reactor.seconds()))
    ticking.clock = reactor
    ticking.start(0.02)
    writing = catalog.write(add, "a")
    assert 0 == await catalog.read(count)
    assert not writing.called
    await writing
    ticking.stop()
    assert 1 == await catalog.read(count)
    assert 100 < len(ticks)  # of 500; those who wait for SQLite wait a quarter of a second each time


@on_sqlite
async def test_locked_at_the_start(
    tmp_path: Path, opened: Open, hold: Callable[[str, float], None], database: str
) -> None:
    """A database that is locked while it is to get its tables is waited for."""
    url = f"sqlite:///{tmp_path}/new.sqlite"
    hold(url, 1)
    assert 0 == await (await opened(url)).read(count)


@on_sqlite
async def test_locked_too_long(database: str, opened: Open, hold: Callable[[str, float], None]) -> None:
    """A lock that outlasts patience fails what was asked, typed and naming the database; later all is well."""
    catalog = await opened(patience=0.5)
    hold(database, 60)
    with pytest.raises(CatalogLocked, match=r"catalog\.sqlite: database is locked") as caught:
        await catalog.write(add, "a")
    assert caught.value.retryable
    assert 0 == await catalog.read(count)


@on_sqlite
async def test_locked_cancelled(database: str, opened: Open, hold: Callable[[str, float], None]) -> None:
    """Who waits for a lock may give up; nothing comes of what was asked, and the next waits on."""
    catalog = await opened()
    hold(database, 2)
    writing, next_one = catalog.write(add, "a"), catalog.write(add, "b")
    writing.cancel()
    with pytest.raises(CancelledError):
        await writing
    await next_one
    assert 1 == await catalog.read(count)


@on_sqlite
async def test_locked_closed(database: str, opened: Open, hold: Callable[[str, float], None]) -> None:
    """Closing does not wait for a lock: what waits for it fails."""
    catalog = await opened()
    hold(database, 60)
    writing = catalog.write(add, "a")
    assert 0 == await catalog.read(count)
    assert not writing.called
    closing = catalog.close()
    with pytest.raises(CatalogLocked):
        await writing
    await closing


@pytest.mark.parametrize("where", [0, 4096, 8192])
@on_sqlite
async def test_damaged(database: str, opened: Open, reactor: IReactor, where: int) -> None:
    """A damaged page is found when the database is opened, and the file is left as it is."""
    catalog = await opened()
    await catalog.write(add, "a")
    await catalog.close()
    path = Path(database.removeprefix("sqlite:///"))
    content = bytearray(path.read_bytes())
    content[where : where + 512] = b"\xa5" * 512
    path.write_bytes(content)
    with pytest.raises(CatalogDamaged, match=r"catalog\.sqlite"):
        await Catalog.open(reactor, database)
    assert content == path.read_bytes()


@on_sqlite
async def test_truncated(database: str, reactor: IReactor) -> None:
    """A database that lacks its end is damaged."""
    path = Path(database.removeprefix("sqlite:///"))
    path.write_bytes(path.read_bytes()[:-4096])
    with pytest.raises(CatalogDamaged):
        await Catalog.open(reactor, database)


@on_sqlite
async def test_full(opened: Open) -> None:
    """A full disk fails what was asked, and keeps what was there."""
    catalog = await opened()
    await catalog.write(add, "a")

    def too_much(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
        for number in range(100_000):
            add(connection, f"{number:064}")

    with pytest.raises(CatalogFull, match="full"):
        await catalog.write(too_much)
    assert 1 == await catalog.read(count)


@on_sqlite
async def test_unreachable(tmp_path: Path, reactor: IReactor, database: str) -> None:
    """A place where no file can be is told at once."""
    (tmp_path / "file").touch()
    with pytest.raises(CatalogUnavailable, match="file/c"):
        await Catalog.open(reactor, f"sqlite:///{tmp_path}/file/c.sqlite")


# Both


async def test_storm(opened: Open) -> None:
    """Many who write the same at once, from several processes' worth of catalogs, all get their turn, once."""
    catalogs = [await opened() for _ in range(4)]
    await catalogs[0].write(add, "a")
    await gatherResults([catalog.write(increase) for _ in range(25) for catalog in catalogs])
    assert 100 == await catalogs[0].read(counted)


# PostgreSQL


@on_postgresql
async def test_terminated(opened: Open, postgres: Postgres) -> None:
    """A transaction whose connection is lost in the middle is done again, whole."""
    catalog, calls = await opened(), []

    def work(connection: Connection) -> str:
        add(connection, "a")
        calls.append(1)
        if len(calls) == 1:
            kill_itself(connection, postgres)
        add(connection, "b")
        return "done"

    assert "done" == await catalog.write(work)
    assert 2 == len(calls) == await catalog.read(count)


@on_postgresql
async def test_stood_still(opened: Open) -> None:
    """A transaction that does nothing for long the server ends; when its process wakes it is done again, whole."""
    catalog, calls = await opened(), []

    def work(connection: Connection) -> None:
        allowed = connection.scalar(text("SHOW idle_in_transaction_session_timeout"))
        calls.append(allowed)
        add(connection, "a")
        if len(calls) == 1:
            connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 20"))
            threading.Event().wait(0.5)
        add(connection, "b")

    await catalog.write(work)
    assert ["1min", "1min"] == calls
    assert 2 == await catalog.read(count)


@on_postgresql
async def test_terminated_often(opened: Open, postgres: Postgres, reactor: IReactor) -> None:
    """Whatever is lost by ending all connections again and again, everything is counted once."""
    catalog = await opened()
    await catalog.write(add, "a")
    statement = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        f" WHERE datname = '{catalog.url.rpartition('/')[2]}'"
    )
    with counting(catalog) as counters:
        ended = 0
        while ended < 20:
            await deferLater(reactor, 0.05)
            ended += (await deferToThread(postgres.run, statement))[0][0]
    done = sum(await gatherResults(counters))
    assert done == await catalog.read(counted)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
@on_sqlite  # the database of this test is another
async def test_restarted(database: str, opened: Open, server: Postgres, reactor: IReactor, how: int) -> None:
    """While the server is stopped, or crashes, and comes back, transactions wait; none is lost, none done twice."""
    catalog = await opened(server.url(server.create()))
    await catalog.write(add, "a")
    lock = await catalog.lock("a")
    with counting(catalog) as counters:
        await catalog.write(increase)
        await deferToThread(server.stop, how)
        reading = catalog.read(counted)
        await deferToThread(server.start)
        assert await reading
        await catalog.write(increase)
    done = sum(await gatherResults(counters))
    assert done + 2 == await catalog.read(counted)
    assert not await lock.held()
    await lock.release()
    await (await catalog.lock("a")).release()


@pytest.mark.parametrize("committed", [True, False])
@on_postgresql
async def test_commit_in_doubt(
    opened: Open, postgres: Postgres, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    """When the connection is lost in a commit, the server is asked what became of it; nothing is done twice."""
    catalog = await opened()
    await catalog.write(add, "a")
    dialect = catalog._database.writing.dialect
    commit, lost = dialect.do_commit, []

    def losing(connection: Any) -> None:
        if lost:
            commit(connection)
            return
        lost.append(1)
        pid = connection.driver_connection.info.backend_pid
        if committed:
            commit(connection)
        postgres.run(f"SELECT pg_terminate_backend({pid}, 10000)")
        connection.driver_connection.execute("SELECT 1")  # as a commit fails whose answer does not come

    monkeypatch.setattr(dialect, "do_commit", losing)
    await catalog.write(increase)
    assert [1] == lost
    assert 1 == await catalog.read(counted)


@on_postgresql
async def test_marks(opened: Open) -> None:
    """A mark tells what became of its transaction: also when a server that has crashed gave its number to another."""
    engine = (await opened())._database.writing
    marks = []
    with engine.connect() as one, engine.connect() as other:
        for number, each in enumerate((one, other, one)):
            add(each, f"{number}")
            mark = mark_of(each)
            assert mark is not None
            assert was_committed(engine, mark) is None, "it is in progress"
            each.commit()
            marks.append(mark)
        assert mark_of(one) is None, "nothing was written"
        one.rollback()
        add(one, "never")
        undone = mark_of(one)
        one.rollback()
    assert undone is not None
    assert [was_committed(engine, mark) for mark in marks[1:]] == [True, True]
    assert was_committed(engine, undone) is False
    assert was_committed(engine, evolve(undone, transaction=marks[1].transaction)) is False, "that was another"
    assert was_committed(engine, evolve(undone, transaction=f"{int(undone.transaction) + 1000}")) is False, (
        "there is none yet"
    )


@on_postgresql
async def test_old_marks(opened: Open) -> None:
    """What a connection committed is forgotten a day later."""
    catalog = await opened()
    for name, age in (("old", 86_500), ("younger", 86_300)):
        row = text(f"INSERT INTO committed VALUES ('{name}', 1, EXTRACT(EPOCH FROM now()) - {age})")
        await catalog.write(Connection.execute, row)
    await (await opened()).write(add, "a")
    left = await catalog.read(lambda connection: connection.scalars(text("SELECT connection FROM committed")).all())
    assert "younger" in left
    assert "old" not in left


@on_postgresql
async def test_deadlock(opened: Open) -> None:
    """Of two transactions that wait for each other, one is begun again, and both are done."""
    catalog = await opened()
    for name in ("a", "b"):
        await catalog.write(add, name)

    def both(connection: Connection, *names: str) -> None:
        for name in names:
            increase(connection, name)
            connection.execute(text("SELECT pg_sleep(0.1)"))

    await gatherResults([catalog.write(both, "a", "b"), catalog.write(both, "b", "a")])
    assert (2, 2) == (await catalog.read(counted), await catalog.read(counted, "b"))


@on_postgresql
async def test_not_there(reactor: IReactor, database: str, postgres: Postgres) -> None:
    """A server or database that is not there is told at once, without the password."""
    for url in (
        f"postgresql://postgres:S3CR3T@127.0.0.1:{postgres.port}/no_such",
        "postgresql://postgres:S3CR3T@127.0.0.1:1/postgres",
    ):
        with pytest.raises(CatalogUnavailable) as caught:
            await Catalog.open(reactor, url)
        assert "S3CR3T" not in str(caught.value)
        assert "127.0.0.1" in str(caught.value)
