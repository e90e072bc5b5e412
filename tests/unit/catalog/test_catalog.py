"""URLs of databases, what is imported, and what a catalog that is closed answers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.reactor import IReactor
from twisted_pulp.catalog import Catalog
from twisted_pulp.catalog._engine import address, database_at, visible
from twisted_pulp.errors import CatalogError, SettingsError

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "url", ["postgresql://u:S3CR3T@h/n", "postgres://h/n?password=S3CR3T", "postgresql+psycopg://h"]
)
def test_visible(url: str) -> None:
    """A URL is shown without its password, wherever that stands."""
    read = address(url)
    assert "postgresql+psycopg" == read.drivername
    assert "S3CR3T" not in visible(read)
    assert visible(read).startswith("postgresql://")
    assert "h" == read.host


def test_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where psycopg is missing, it is said what to install."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(SettingsError, match=r"pip install twisted_pulp\[postgres\]") as caught:
        database_at("postgresql://u:S3CR3T@h/n")
    assert "S3CR3T" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "mysql://u:S3CR3T@h/n",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite://u:S3CR3T@h/x",
        "postgresql+asyncpg://h/n",
    ],
)
def test_refused(url: str, reactor: IReactor) -> None:
    """Another database, or one that others could not open, is refused at once, and its password is not shown."""
    with pytest.raises(SettingsError, match="sqlite:////PATH") as caught:
        Catalog.open(reactor, url)
    assert "S3CR3T" not in str(caught.value)


def test_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path is of the directory in which it was said."""
    monkeypatch.chdir(tmp_path)
    database = database_at("sqlite:///c.sqlite")
    assert str(tmp_path / "c.sqlite") == database.path
    assert f"sqlite:///{tmp_path}/c.sqlite" == database.url


async def test_closed(reactor: IReactor, tmp_path: Path) -> None:
    """A catalog that was closed says so; closing it again is nothing."""
    catalog = await Catalog.open(reactor, f"sqlite:///{tmp_path}/c.sqlite")
    reading = catalog.read(lambda connection: 5)
    first, second = catalog.close(), catalog.close()
    await second
    await first
    await catalog.close()
    assert 5 == await reading
    with pytest.raises(CatalogError, match="closed"):
        catalog.read(lambda connection: 5)
    assert ["c.sqlite"] == os.listdir(tmp_path)


def test_imports(tmp_path: Path) -> None:
    """To open a database that is up to date needs neither alembic nor ciphers nor PostgreSQL."""
    program = """
import sys
from twisted.internet import reactor
from twisted_pulp.catalog import Catalog
Catalog.open(reactor, "sqlite:///c.sqlite").addCallback(lambda c: c.close()).addBoth(lambda _: reactor.stop())
reactor.run()
unwanted = {"alembic", "cryptography.fernet", "psycopg", "sqlalchemy.dialects.postgresql"}
print(sorted(unwanted & set(sys.modules)))
"""
    for _ in range(2):
        environ = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, env=environ, capture_output=True, check=True
        )
        assert b"[]\n" == done.stdout


def test_connections() -> None:
    """A server gets as many connections as are allowed, at most; at least one writes and one reads."""
    found = [database_at("postgresql://u@h/d", True, count) for count in (2, 3, 8)]
    assert [(1, 1), (1, 2), (4, 4)] == [(each.writers, each.readers) for each in found]
    assert [2, 3, 8] == [each.writing.pool.size() for each in found]  # type: ignore[attr-defined]
