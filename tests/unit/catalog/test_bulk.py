"""Statements about many rows, on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import ColumnElement, Connection, Select, create_engine, func, select
from sqlalchemy.exc import DataError

from twisted_pulp.catalog import contents
from twisted_pulp.catalog._bulk import among, rows_of
from twisted_pulp.catalog._tables import content, metadata
from twisted_pulp.catalog.contents import NewContent

KEYS = ['["it\'s"]', '["\\"a\\\\b\\""]', '["%s :name ?"]', '["ü €"]', '["{}"]', "[]"]


def saved(connection: Connection) -> dict[str, int]:
    """Save a unit of each key, and return their numbers."""
    ids = contents.save(connection, [NewContent("file", key, key, {}) for key in KEYS], 1.0)
    return {key: ids["file", key] for key in KEYS}


def found(connection: Connection, statement: Select[str], values: object) -> list[str]:
    """Return what *statement* finds."""
    return sorted(connection.scalars(statement, {"values": values}))


def test_texts(connection: Connection) -> None:
    """A list of texts finds the rows that have one of them, whatever characters are in it."""
    saved(connection)
    statement = select(content.c.key).where(among(content.c.key, "values"))
    assert sorted(KEYS) == found(connection, statement, KEYS)
    assert [KEYS[0]] == found(connection, statement, [KEYS[0], "another"])


def test_numbers(connection: Connection) -> None:
    """A list of numbers does so too, those that no row has and those of 63 bits among them."""
    ids = saved(connection)
    statement = select(content.c.key).where(among(content.c.id, "values"))
    assert sorted(KEYS[:2]) == found(connection, statement, [ids[KEYS[0]], ids[KEYS[1]], (1 << 63) - 1])


@pytest.mark.parametrize("column", [content.c.key, content.c.id])
def test_nothing(connection: Connection, column: ColumnElement[object]) -> None:
    """An empty list finds nothing."""
    saved(connection)
    assert [] == found(connection, select(content.c.key).where(among(column, "values")), [])


def test_thousands(connection: Connection) -> None:
    """However long the list is, it is one parameter."""
    ids = saved(connection)
    statement = select(content.c.key).where(among(content.c.id, "values"))
    assert sorted(KEYS) == found(connection, statement, range(min(ids.values()), min(ids.values()) + 100_000))


def test_anew(connection: Connection) -> None:
    """A statement is the same for every list, of whichever column."""
    ids = saved(connection)
    for key, number in ids.items():
        both = among(content.c.id, "values") & among(content.c.key, "keys")
        assert [key] == [*connection.scalars(select(content.c.key).where(both), {"values": [number], "keys": KEYS})]


def test_rows(connection: Connection) -> None:
    """Rows come whole, whatever characters are in them; none are no rows."""
    ids = saved(connection)
    places = ["a\U0001f600\u2028\n\t\x7f\"'\\", "", None]
    more = contents.save(connection, [NewContent("t", str(n), place, {}) for n, place in enumerate(places)], 1.0)
    statement = select(content.c.id, content.c.key, content.c.place, (content.c.touched < 1.0).label("old"))
    statement = statement.where(among(content.c.key, "values"))
    rows = sorted([*row] for row in rows_of(connection, statement, {"values": [*KEYS, "0", "1", "2"]}))
    expected = [[number, key, key, False] for key, number in ids.items()]
    expected += [[more["t", str(n)], str(n), place, False] for n, place in enumerate(places)]
    assert sorted(expected) == rows
    assert [] == [*rows_of(connection, statement, {"values": []})]


def test_given(connection: Connection) -> None:
    """What is inserted comes back as it was, whatever characters are in it; what is not there, too."""
    places = ["", "NULL", "a,b", " {c} ", '"', "\\", '\\"', "\n\r\t", "ü €\U0001f600", "{}", None]
    new = [NewContent("t", f"{n:02}", place, {"of": place}) for n, place in enumerate(places)]
    contents.save(connection, new, 0.1)
    statement = select(content.c.place, content.c.data, content.c.touched).where(content.c.type == "t")
    assert [(place, {"of": place}, 0.1) for place in places] == [
        (*row,) for row in connection.execute(statement.order_by(content.c.id))
    ]


def test_nul(connection: Connection) -> None:
    """A NUL, which PostgreSQL has in no text, never makes two texts out of one."""
    new = [NewContent("t", "a\0b", None, {}), NewContent("t", "c", None, {})]
    if connection.dialect.name == "sqlite":
        contents.save(connection, new, 1.0)
        assert 2 == connection.scalar(select(func.count()).select_from(content))
    else:
        with pytest.raises(DataError, match="NUL"):
            contents.save(connection, new, 1.0)


@pytest.mark.parametrize("column", [content.c.key, content.c.id])
def test_index(column: ColumnElement[object]) -> None:
    """SQLite finds the rows by an index; it does not look at each row of the table."""
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    condition = among(column, "values") & (content.c.type == "file")
    statement = str(select(content.c.place).where(condition).compile(engine))
    with engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", ("[]", "file")).all()
    engine.dispose()
    assert " SEARCH " in f" {plan[0][-1]} "
