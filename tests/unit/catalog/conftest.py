"""A transaction of the test's own, on each database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, NullPool, create_engine, event


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    """Whatever connects to `database`."""
    made = create_engine(database, poolclass=NullPool)
    if made.dialect.name == "sqlite":
        event.listen(made, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys = 1").close())
    yield made
    made.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """A transaction, rolled back at the end."""
    with engine.connect() as connection:
        yield connection
