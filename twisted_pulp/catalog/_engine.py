"""The database of a catalog: its connections, and what its errors mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen
from sqlalchemy import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from twisted_pulp.errors import CatalogError, SettingsError, shown

__all__ = ["Database", "address", "database_at", "visible"]

_ALLOWED = "sqlite:////PATH or postgresql://USER@HOST/NAME"
_SECRET = frozenset({"password", "passfile", "sslpassword"})


@frozen(kw_only=True)
class Database:
    """
    Where a catalog is.

    :ivar url: without the password.
    :ivar dialect: "sqlite" or "postgresql".
    :ivar path: of the file, None where there is none.
    :ivar connect: further arguments of a connection.
    :ivar writing: for transactions that write.
    :ivar reading: for transactions that only read, each of one state of the database.
    :ivar writers: transactions that write at once; *readers*: those that read.
    :ivar sound: raises what is wrong with the data; None: the server sees to that.
    :ivar meaning: returns what is to be raised for an error, and whether the transaction is worth another try.
    """

    url: str
    dialect: str
    path: str | None
    connect: Mapping[str, Any]
    writing: Engine
    reading: Engine
    writers: int
    readers: int
    sound: Callable[[Connection], None] | None
    meaning: Callable[[SQLAlchemyError], tuple[CatalogError | None, bool]]


def address(text: str) -> URL:
    """
    Read the URL of a database.

    :raises SettingsError: it is not one of a kind that a catalog can be in.
    """
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise SettingsError("database", shown(text), _ALLOWED) from error
    if url.drivername in {"postgresql", "postgres", "postgresql+psycopg"}:
        return url.set(drivername="postgresql+psycopg")
    if (
        url.drivername not in {"sqlite", "sqlite+pysqlite"}
        or url.host
        or not url.database
        or url.database == ":memory:"
    ):
        raise SettingsError("database", visible(url), _ALLOWED)
    return url


def visible(url: URL) -> str:
    """Give *url* as people write it, without its password."""
    query = {name: "***" if name in _SECRET else value for name, value in url.query.items()}
    shown = url.set(drivername=url.get_backend_name(), query=query)
    return shown.render_as_string(hide_password=True)


def database_at(text: str, durable: bool = True, connections: int = 8, lease: float = 60.0) -> Database:
    """
    Get ready for the database at the URL *text*; nothing is connected yet.

    :param durable: whether an SQLite file is brought to the disk by each transaction.
    :param connections: to a server, at most.
    :param lease: seconds after which a process that stands still keeps nothing on a server.
    :raises SettingsError: see `address`.
    """
    url = address(text)
    if url.drivername.startswith("sqlite"):
        from twisted_pulp.catalog._engine_sqlite import sqlite

        return sqlite(url, durable)
    from twisted_pulp.catalog._engine_postgresql import postgresql

    return postgresql(url, connections, lease)
