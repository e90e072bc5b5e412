"""
Many rows at once, as fast as each database takes them.

SQLAlchemy prepares each row of an `executemany` in Python, which costs more than SQLite itself. So SQLite gets the
compiled statement and bare tuples from here; PostgreSQL gets one statement with an array for each column.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any, TypeVar

import msgspec
from sqlalchemy import (
    ARRAY,
    JSON,
    Boolean,
    ColumnElement,
    Connection,
    Dialect,
    Executable,
    Select,
    String,
    Table,
    Text,
    TypeDecorator,
    bindparam,
    func,
    or_,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from twisted_pulp.catalog._arrays import array_text

__all__ = ["among", "chunks", "insert", "json_text", "rows_of"]

T = TypeVar("T")

# Rows of one statement for SQLite, which lets other threads run at each statement: they take turns, which costs more
# than the row. Few sizes, so that it knows the statements.
_SIZES = 500, 50, 5, 1
# SQLite takes 32,766 parameters, PostgreSQL 65,535; the gain ends long before.
_KEYS = 500


def chunks(keys: Collection[T]) -> Iterator[Sequence[T]]:
    """Give *keys* in parts that one statement takes."""
    ordered = keys if isinstance(keys, list) else list(keys)
    if len(ordered) <= _KEYS:
        if ordered:
            yield ordered
        return
    for start in range(0, len(ordered), _KEYS):
        yield ordered[start : start + _KEYS]


class _List(TypeDecorator[Sequence[Any]]):
    """A list as one parameter: an array for PostgreSQL, JSON for SQLite."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: TypeEngine[Any]) -> None:
        super().__init__()
        self.kind = kind

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return what the database has for it."""
        return dialect.type_descriptor(ARRAY(self.kind) if dialect.name == "postgresql" else Text())

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        """Return what makes of a list what its driver takes."""
        return array_text if dialect.name == "postgresql" else lambda value: json_text(list(value))


class _Among(FunctionElement[bool]):
    type = Boolean()
    inherit_cache = True

    def self_group(self, against: Any = None) -> Any:
        # Else it would become `... = 1` where booleans are numbers, for which no index is used.
        return self


def among(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """
    Return the condition that *column* is one of a list, which the statement is given under *name*.

    The list is one parameter. SQLAlchemy's own `in_` writes a statement anew for each list, with a parameter for each
    item, which all have a price.
    """
    kind = Text() if isinstance(column.type, String) else column.type
    return _Among(column, bindparam(name, type_=_List(kind)))


@compiles(_Among, "sqlite")
def _in_json(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, values = (compiler.process(each, **options) for each in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 -- both by SQLAlchemy


@compiles(_Among, "postgresql")
def _in_array(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, values = (compiler.process(each, **options) for each in element.clauses)
    return f"{column} = ANY ({values})"


def rows_of(connection: Connection, statement: Select[*tuple[Any, ...]], values: Mapping[str, Any]) -> Iterable[Any]:
    """
    Return the rows of *statement*, which is made once; in no order.

    SQLite lets other threads run at each row, and to take turns costs more than the row: it gives all as one text.
    Columns are numbers that are whole, truth values (perhaps as 0 and 1) and texts.
    """
    if connection.dialect.name == "sqlite":
        return _decode(connection.execute(_packed(statement), values).scalar_one())  # type: ignore[no-any-return]
    return connection.execute(statement, values).all()


@cache
def _packed(statement: Select[*tuple[Any, ...]]) -> Select[str]:
    return select(func.json_group_array(func.json_array(*statement.subquery().c)))


_decode = msgspec.json.Decoder().decode


def json_text(value: Any) -> str:
    """Return *value* as the JSON text that a JSON column holds."""
    return msgspec.json.encode(value).decode()


def insert(
    connection: Connection,
    table: Table,
    columns: tuple[str, ...],
    rows: Sequence[tuple[Any, ...]],
    *,
    unique: tuple[str, ...] = (),
    change: tuple[str, ...] = (),
    giving: tuple[str, ...] = (),
) -> Sequence[Any]:
    """
    Insert *rows*, which should be sorted: two writers that lock rows in the same order never wait for each other.

    :param columns: of *table* and in its order; those with JSON get text.
    :param unique: what tells a row that is there already.
    :param change: what such a row takes over from the new one, where it differs; by default such a row stays as it is.
    :param giving: columns of those rows that were not there, which are returned, if this costs less than to look for
        them later: SQLite returns nothing.
    """
    if not rows:
        return ()
    if connection.dialect.name == "sqlite":
        start = 0
        for size in _SIZES:
            while len(rows) - start >= size:
                some = rows[start : start + size]
                connection.exec_driver_sql(_sqlite(table, columns, unique, change, size), (*chain.from_iterable(some),))
                start += size
        return ()
    arrays = dict(zip(columns, zip(*rows, strict=True), strict=True))
    done = connection.execute(_postgresql(table, columns, unique, change, giving), arrays)
    return done.all() if giving else ()


@cache
def _sqlite(table: Table, columns: tuple[str, ...], unique: tuple[str, ...], change: tuple[str, ...], size: int) -> str:
    from sqlalchemy.dialects import sqlite

    statement = _on_conflict(sqlite.insert(table), table, unique, change)
    compiled = statement.compile(dialect=sqlite.dialect(), column_keys=columns)
    assert tuple(compiled.positiontup or ()) == columns, "the columns are not in the table's order"
    row = f"({', '.join('?' * len(columns))})"
    head, values, tail = str(compiled).partition(f"VALUES {row}")
    assert values, "the rows have no place in the statement"
    return f"{head}VALUES {', '.join([row] * size)}{tail}"


@cache
def _postgresql(
    table: Table, columns: tuple[str, ...], unique: tuple[str, ...], change: tuple[str, ...], giving: tuple[str, ...]
) -> Executable:
    from sqlalchemy.dialects import postgresql

    kinds = [Text() if isinstance(table.c[name].type, JSON | String) else table.c[name].type for name in columns]
    arrays = [bindparam(name, type_=_List(kind)) for name, kind in zip(columns, kinds, strict=True)]
    given = func.unnest(*arrays).table_valued(*columns, name="given").render_derived()
    values: list[ColumnElement[Any]] = [given.c[name].cast(table.c[name].type) for name in columns]
    statement = postgresql.insert(table).from_select(list(columns), select(*values))
    made: Any = _on_conflict(statement, table, unique, change)
    if giving:
        made = made.returning(*(table.c[name] for name in giving))
    return made  # type: ignore[no-any-return]


def _on_conflict(statement: Any, table: Table, unique: tuple[str, ...], change: tuple[str, ...]) -> Any:
    if not change:
        return statement.on_conflict_do_nothing(index_elements=list(unique) or None)
    differs = [table.c[name].is_distinct_from(statement.excluded[name]) for name in change]
    return statement.on_conflict_do_update(
        index_elements=list(unique),
        set_={name: statement.excluded[name] for name in change},
        where=or_(*differs),
    )
