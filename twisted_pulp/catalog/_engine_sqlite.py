"""SQLite: one file, many readers, one writer."""

from __future__ import annotations

import functools
import os
import sqlite3
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from twisted_pulp.catalog._engine import Database, visible
from twisted_pulp.errors import CatalogDamaged, CatalogError, CatalogFull, CatalogLocked, CatalogUnavailable

__all__ = ["sqlite"]

_READERS = 4
#: What each reader keeps of the database; the system has the rest at hand, and more of it would be there five times.
_PAGES = "PRAGMA cache_size = -4096"
#: Seconds that SQLite itself waits for a lock, before it is seen whether anybody still wants to.
_BUSY = 0.25
#: Bytes that can be read through at every start: some hundredths of a second.
_CHECKED = 8 << 20
#: SQLite's result codes (https://www.sqlite.org/rescode.html); the low byte is the primary one.
_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
#: A full disk, too: there is no room for what is shared beside the database.
_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}
_UNREACHABLE = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY}


def sqlite(url: URL, durable: bool) -> Database:
    """Get ready for the file of *url*, which each transaction brings to the disk if it is to be *durable*."""
    assert url.database is not None
    path = os.path.abspath(url.database)
    url = url.set(database=path)
    return Database(
        url=visible(url),
        dialect="sqlite",
        path=path,
        connect={},
        writing=_engine(url, 1, "BEGIN IMMEDIATE", f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}"),
        reading=_engine(url, _READERS, "BEGIN", "PRAGMA query_only = 1", _PAGES),
        writers=1,
        readers=_READERS,
        sound=_check,
        meaning=functools.partial(_meaning, visible(url)),
    )


def _engine(url: URL, connections: int, begin: str, *pragmas: str) -> Engine:
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,
        # Transactions begin where we say, not where the module thinks that one is needed.
        connect_args={"timeout": _BUSY, "isolation_level": None, "check_same_thread": False},
    )

    def connected(connection: Any, _: object) -> None:
        for pragma in (
            "PRAGMA journal_mode = WAL",
            "PRAGMA foreign_keys = 1",
            "PRAGMA temp_store = MEMORY",
            "PRAGMA cache_size = -16384",
            *pragmas,
        ):
            connection.execute(pragma).close()

    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine


def _check(connection: Connection) -> None:
    """Look for damage where that takes a moment only; SQLite says what else it meets later."""
    pages, size = (connection.exec_driver_sql(f"PRAGMA {each}").scalar_one() for each in ("page_count", "page_size"))
    if pages * size <= _CHECKED:
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
        if found != "ok":
            raise CatalogDamaged(f"{connection.engine.url.database}: {' '.join(found.split())}")


def _meaning(where: str, error: SQLAlchemyError) -> tuple[CatalogError | None, bool]:
    original = error.orig if isinstance(error, DBAPIError) else None
    whole = getattr(original, "sqlite_errorcode", 0)
    code = whole & 0xFF
    if code in _LOCKED:
        return CatalogLocked(f"{where}: {original}"), True
    if code in _DAMAGED:
        return CatalogDamaged(f"{where}: {original}"), False
    if whole in _FULL:
        return CatalogFull(f"{where}: database or disk is full"), False
    if code in _UNREACHABLE:
        return CatalogUnavailable(f"{where}: {original}"), False
    return None, False
