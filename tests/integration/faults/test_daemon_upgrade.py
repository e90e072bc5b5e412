"""Row 77: the daemon of a new version is killed while it brings the catalog of an old one up to date."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred
from sqlalchemy import create_engine, text
from twisted.internet.task import deferLater

from tests.integration.daemon import Daemon
from tests.integration.process import Start
from tests.integration.test_catalog_migrations import described
from tests.servers.reactor import IReactor
from twisted_pulp.catalog._migrate import migrate
from twisted_pulp.catalog._migrations import HEAD
from twisted_pulp.catalog._schema import bring_up_to_date

_OLD = "0001"
_ROWS = 100_000
_NUMBERS = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {_ROWS}) "
_CONTENT = "INSERT INTO content (id, type, key, place, data, touched) "
_FILES = "INSERT INTO content_artifact (id, content_id, path, digests) "


def old(path: Path) -> None:
    """Make a catalog of the first version, with very many files."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
        migrate(connection, None, _OLD)
        connection.execute(text(f"{_CONTENT}{_NUMBERS}SELECT i, 'file', 'key-' || i, NULL, '{{}}', 1.0 FROM n"))
        connection.execute(text(f"{_FILES}{_NUMBERS}SELECT i, i, 'some/directory/file-' || i, '{{}}' FROM n"))
    engine.dispose()


def revision(path: Path) -> str:
    """Return the revision of the catalog, in which nothing is broken, and every row is."""
    with closing(sqlite3.connect(path)) as database:
        assert [("ok",)] == database.execute("PRAGMA quick_check").fetchall()
        for table in ("content", "content_artifact"):
            assert (_ROWS, _ROWS * (_ROWS + 1) // 2) == database.execute(
                f"SELECT count(*), sum(id) FROM {table}"
            ).fetchone()
        return str(database.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def tables(path: Path) -> object:
    """Describe the tables."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        found = described(connection)
    engine.dispose()
    return found


@pytest.mark.limit(1000)
@ensureDeferred
async def test_row_77_killed(
    reactor: IReactor,
    tmp_path: Path,
    start_command: Start,
    rng: random.Random,
    request: pytest.FixtureRequest,
    campaign_count: Callable[[int, int], int],
) -> None:
    """Row 77: a migration that is killed has happened as a whole or not at all, and the next start completes it."""
    old(tmp_path / "old.sqlite")
    before = tables(tmp_path / "old.sqlite")
    new = create_engine(f"sqlite:///{tmp_path}/new.sqlite")
    with new.begin() as connection:
        bring_up_to_date(connection)
    new.dispose()
    expected = tables(tmp_path / "new.sqlite")
    daemon = Daemon(start_command, reactor, tmp_path / "data")
    daemon.data.mkdir(mode=0o700)
    catalog, log = daemon.data / "catalog.sqlite", daemon.data / "catalog.sqlite-wal"

    async def begun() -> float:
        """Start one that has everything to do; return when it has the catalog, before it has changed anything."""
        for path in daemon.data.glob("catalog.sqlite*"):
            path.unlink()
        shutil.copy(tmp_path / "old.sqlite", catalog)
        daemon.begin("--quiet")
        await daemon.process.until(log.exists)
        return reactor.seconds()

    since = await begun()
    await daemon.process.until(lambda: "using" in daemon.process.out)
    typical = reactor.seconds() - since
    assert -signal.SIGKILL == await daemon.end(signal.SIGKILL), daemon.process.out
    found = []
    for _ in range(campaign_count(6, 20)):
        await begun()
        await deferLater(reactor, rng.uniform(0, 1.2 * typical))
        assert -signal.SIGKILL == await daemon.end(signal.SIGKILL), daemon.process.out
        found.append(revision(catalog))
        assert {_OLD: before, HEAD: expected}[found[-1]] == tables(catalog)
    request.node.add_report_section("call", "figures", f"{typical:.2f} s, killed at {found}")
    port = await daemon.start("--quiet")
    assert 200 == (await daemon.get(port, "/api/v1/ready")).status
    assert 0 == await daemon.end(signal.SIGTERM)
    assert HEAD == revision(catalog)
    assert expected == tables(catalog)
