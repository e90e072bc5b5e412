"""Databases and catalogs as fixtures; tests/conftest.py gives them to every test, which runs once on each database."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_twisted

from tests.servers.postgres import Postgres
from tests.servers.reactor import IReactor
from twisted_pulp.catalog import Catalog

__all__ = ["catalog", "database", "database_templates", "postgres"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL; without it the test skips, or fails when ``CI=true``."""
    server = Postgres.made()
    try:
        server.start()
        yield server
    finally:
        server.stop()
        server.remove()


@pytest.fixture(scope="session")
def database_templates() -> dict[str, object]:
    """Databases with tables and without rows, by dialect, made when first needed; copies are made faster."""
    return {}


@pytest_twisted.async_yield_fixture(params=["sqlite", "postgresql"])
async def database(
    request: pytest.FixtureRequest,
    reactor: IReactor,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    database_templates: dict[str, object],
) -> AsyncIterator[str]:
    """The URL of a database of the test's own, with tables and without rows: one on SQLite, one on PostgreSQL."""
    if request.param == "sqlite":
        if "sqlite" not in database_templates:
            template = tmp_path_factory.mktemp("catalog") / "catalog.sqlite"
            await (await Catalog.open(reactor, f"sqlite:///{template}")).close()
            database_templates["sqlite"] = template
        path = tmp_path / "catalog.sqlite"
        shutil.copy(str(database_templates["sqlite"]), path)
        yield f"sqlite:///{path}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    if "postgresql" not in database_templates:
        template_name = server.create()
        await (await Catalog.open(reactor, server.url(template_name))).close()
        database_templates["postgresql"] = template_name
    name = server.create(str(database_templates["postgresql"]))
    yield server.url(name).replace("postgresql:", "postgresql+psycopg:")
    server.drop(name)


@pytest_twisted.async_yield_fixture
async def catalog(reactor: IReactor, database: str) -> AsyncIterator[Catalog]:
    """An open catalog on `database`, closed at the end."""
    opened = await Catalog.open(reactor, database)
    yield opened
    await opened.close()
