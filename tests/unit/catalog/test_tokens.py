"""Tokens in the catalog: found by what they are, which is nowhere to be seen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine, select

from twisted_pulp.catalog import tokens
from twisted_pulp.catalog._commit_tables import metadata
from twisted_pulp.catalog._job_tables import token
from twisted_pulp.errors import NameTaken, NotInCatalog


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A connection to a database in memory."""
    engine = create_engine("sqlite://")
    with engine.connect() as connected:
        metadata.create_all(connected)
        yield connected
    engine.dispose()


def test_create(connection: Connection) -> None:
    """A token has 256 random bits; it is found by its hash, and its text is not kept."""
    row, secret = tokens.create(connection, "ci", "write", 5.0, expires=9.0)
    assert secret.startswith(tokens.PREFIX)
    assert 43 == len(secret) - len(tokens.PREFIX)
    assert ("ci", "write", 5.0, None, 9.0) == (row.name, row.scope, row.created, row.used, row.expires)
    assert row == tokens.find(connection, hashlib.sha256(secret.encode()).hexdigest())
    assert secret not in repr(connection.execute(select(token)).all())
    assert row.hash not in repr(row)


def test_names(connection: Connection) -> None:
    """A name belongs to one token, and no two tokens are the same."""
    first, one = tokens.create(connection, "a", "read", 1.0)
    second, other = tokens.create(connection, "b", "admin", 1.0)
    assert one != other
    with pytest.raises(NameTaken):
        tokens.create(connection, "a", "read", 2.0)
    assert second == tokens.named(connection, "b")
    assert [first, second] == list(tokens.list(connection))
    assert [second] == list(tokens.list(connection, first.id))
    assert [first] == list(tokens.list(connection, limit=1))


def test_end(connection: Connection) -> None:
    """A token that was used is noted, and one that is revoked is there no more."""
    row, _ = tokens.create(connection, "a", "read", 1.0)
    tokens.note(connection, row.id, 7.0)
    assert 7.0 == tokens.get(connection, row.id).used
    tokens.delete(connection, row.id)
    tokens.note(connection, row.id, 8.0)
    assert tokens.find(connection, row.hash) is None
    for look in (
        lambda: tokens.get(connection, row.id),
        lambda: tokens.delete(connection, row.id),
        lambda: tokens.named(connection, "a"),
    ):
        with pytest.raises(NotInCatalog):
            look()
