"""The catalog on real databases: transactions, threads, locks."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred
from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import SQLAlchemyError

from tests.servers.reactor import IReactor
from twisted_pulp.catalog import Catalog
from twisted_pulp.catalog._tables import artifact
from twisted_pulp.errors import CatalogError

pytestmark = pytest.mark.usefixtures("reactor")


def add(connection: Connection, *names: str) -> int:
    """Add artifacts, and return how many there are."""
    connection.execute(insert(artifact), [{"sha256": name, "size": 1, "touched": 0.0} for name in names])
    return count(connection)


def count(connection: Connection) -> int:
    """Return how many artifacts there are."""
    return connection.scalar(select(func.count()).select_from(artifact)) or 0


async def test_transaction(catalog: Catalog, reactor: IReactor, database: str) -> None:
    """What was written is there for those who read, and for those who open the database later."""
    assert 2 == await catalog.write(add, "a", "b")
    assert 2 == await catalog.read(count)
    again = await Catalog.open(reactor, database)
    try:
        assert 2 == await again.read(count)
    finally:
        await again.close()


async def test_error(catalog: Catalog) -> None:
    """What work raises reaches who asked, and nothing of the transaction stays."""

    def failing(connection: Connection) -> None:
        add(connection, "a")
        raise KeyError("own")

    with pytest.raises(KeyError, match="own"):
        await catalog.write(failing)
    assert 0 == await catalog.read(count)


async def test_read_only(catalog: Catalog) -> None:
    """Work that only reads cannot write."""
    with pytest.raises((SQLAlchemyError, CatalogError), match=r"read-?only"):
        await catalog.read(add, "a")
    assert 1 == await catalog.write(add, "a")


@pytest.mark.parametrize(("durable", "level"), [(True, 2), (False, 1)])
@ensureDeferred
async def test_durable(reactor: IReactor, tmp_path: Path, durable: bool, level: int) -> None:
    """SQLite brings transactions to the disk (FULL is 2), unless that is not wanted (NORMAL is 1)."""
    catalog = await Catalog.open(reactor, f"sqlite:///{tmp_path}/catalog.sqlite", durable=durable)
    try:
        found = await catalog.write(lambda connection: connection.exec_driver_sql("PRAGMA synchronous").scalar())
    finally:
        await catalog.close()
    assert level == found
