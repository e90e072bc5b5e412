"""
What only one dialect knows of a table, by the dialect's name.

SQLAlchemy imports every dialect that the arguments of a table name, which takes time. So tables keep it as their
`info`, and learn it when they are made, from the dialect that makes them.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Index, MetaData, text

__all__ = ["BY_KEY", "ONCE", "some", "tell"]

#: An id that was given away is not given to another row: a sync may still hold the number of a row that is gone.
ONCE: dict[str, Any] = {"info": {"sqlite": {"autoincrement": True}}}

#: A row that is little more than its key lies in the tree of the key itself.
BY_KEY: dict[str, Any] = {"info": {"sqlite": {"with_rowid": False}}}


def some(name: str | None, *columns: str, where: str, unique: bool = False) -> Index:
    """Return an index of the rows that fulfil the condition *where* only."""
    only = {"where": text(where)}
    return Index(name, *columns, unique=unique, info={"sqlite": only, "postgresql": only})


def tell(metadata: MetaData, connection: Connection, **_given: Any) -> None:
    """Tell the tables and indexes of *metadata*, before they are made, what the dialect of *connection* needs."""
    dialect = connection.dialect.name
    made: list[Any] = metadata.sorted_tables
    for each in (*made, *(index for table in made for index in table.indexes)):
        if dialect in each.info:
            each.dialect_options[dialect].update(each.info[dialect])
