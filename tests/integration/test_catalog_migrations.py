"""Migrations lead to the tables that the code knows, on both databases; what cannot be migrated is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, inspect, text
from twisted.internet.defer import gatherResults

from tests.servers.postgres import Postgres
from tests.servers.reactor import IReactor
from twisted_pulp.catalog import Catalog
from twisted_pulp.catalog._commit_tables import metadata
from twisted_pulp.catalog._engine import address
from twisted_pulp.catalog._migrate import migrate, scripts
from twisted_pulp.catalog._migrations import HEAD
from twisted_pulp.catalog._schema import revision_of
from twisted_pulp.errors import CatalogDamaged, CatalogNewer

ALEMBIC = "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """The URL of a database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.sqlite"
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = server.create()
    yield server.url(name)
    server.drop(name)


def described(connection: Connection) -> dict[str, Any]:
    """Describe all tables as the database itself does."""
    found: dict[str, Any] = {}
    inspected = inspect(connection)
    for table in sorted(set(inspected.get_table_names()) - {"alembic_version"}):
        found[table] = {
            "columns": {
                each["name"]: (str(each["type"]), each["nullable"], each["default"])
                for each in inspected.get_columns(table)
            },
            "primary key": inspected.get_pk_constraint(table),
            "foreign keys": sorted(map(repr, inspected.get_foreign_keys(table))),
            "unique": sorted(map(repr, inspected.get_unique_constraints(table))),
        }
    statement = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename != 'alembic_version' ORDER BY 1"
    if connection.dialect.name == "sqlite":  # AUTOINCREMENT, WITHOUT ROWID and conditions are seen here only
        statement = "SELECT name, sql FROM sqlite_master WHERE tbl_name != 'alembic_version' ORDER BY 1"
    lines = {
        name: sorted(line.strip("\t, ") for line in (sql or "").splitlines())
        for name, sql in connection.execute(text(statement))
    }
    return found | {"sql": lines}


def executed(url: str, *work: Any) -> Any:
    """Do *work* in one transaction each, and return what the last returned."""
    engine = create_engine(address(url))
    try:
        for each in work:
            with engine.begin() as connection:
                result = each(connection)
        return result
    finally:
        engine.dispose()


def say(statement: str) -> Any:
    """Return work that executes *statement*."""
    return lambda connection: connection.execute(text(statement)) and None


async def opened(reactor: IReactor, url: str) -> None:
    """Open the catalog, and close it."""
    await (await Catalog.open(reactor, url)).close()


async def test_equal(empty: str, reactor: IReactor) -> None:
    """Migrations make the very tables that a new database gets, and alembic sees no difference either."""
    await opened(reactor, empty)
    made = executed(empty, described)
    executed(empty, metadata.drop_all, say("DROP TABLE alembic_version"))
    executed(empty, lambda connection: migrate(connection, None))
    assert len(metadata.tables) <= len(made)
    assert made == executed(empty, described)
    assert [] == executed(empty, lambda it: compare_metadata(MigrationContext.configure(it), metadata))
    assert HEAD == executed(empty, revision_of)


def test_head() -> None:
    """The head that the start compares with is the migrations' own, and there is one only."""
    assert [HEAD] == scripts().get_heads()


async def test_migrated(empty: str, reactor: IReactor) -> None:
    """A database at the revision before any is migrated when it is opened."""
    executed(empty, say(ALEMBIC))
    await opened(reactor, empty)
    assert HEAD == executed(empty, revision_of)
    assert "artifact" in executed(empty, described)


async def test_newer(empty: str, reactor: IReactor) -> None:
    """A database of a newer version is refused, and left as it was."""
    executed(empty, say(ALEMBIC), say("INSERT INTO alembic_version VALUES ('9999')"))
    with pytest.raises(CatalogNewer, match="9999"):
        await Catalog.open(reactor, empty)
    assert "9999" == executed(empty, revision_of)


async def test_foreign(empty: str, reactor: IReactor) -> None:
    """A database of something else is refused, and left as it was."""
    executed(empty, say("CREATE TABLE songs (id INTEGER)"))
    with pytest.raises(CatalogDamaged, match="songs"):
        await Catalog.open(reactor, empty)
    assert ["songs"] == executed(empty, lambda connection: inspect(connection).get_table_names())


async def test_at_once(empty: str, reactor: IReactor) -> None:
    """Several who open an empty database at once get one set of tables."""
    catalogs = await gatherResults([Catalog.open(reactor, empty) for _ in range(4)])
    for each in catalogs:
        await each.close()
    assert HEAD == executed(empty, revision_of)
