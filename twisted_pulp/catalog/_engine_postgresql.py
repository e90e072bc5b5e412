"""PostgreSQL: a bounded pool of connections, which come back when the server does."""

from __future__ import annotations

import functools
from secrets import token_hex
from typing import Any

from sqlalchemy import URL, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from twisted_pulp.catalog._engine import Database, visible
from twisted_pulp.errors import CatalogError, CatalogFull, CatalogLocked, CatalogUnavailable, SettingsError

__all__ = ["NAMED", "postgresql"]

# A server that has gone without a word is noticed after half a minute, not after hours.
_CONNECT: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
#: https://www.postgresql.org/docs/current/errcodes-appendix.html
_CONFLICT = {"40001", "40P01", "55P03"}
_GONE = {"57P01", "57P02", "57P03", "57P05", "53300", "25P03"}
#: What `pg_stat_activity` shows of the connections of one process, before a word that no other process has.
NAMED = "twisted_pulp "
#: Seconds at least for which a transaction may do nothing; who stands still in one keeps others waiting for longer.
_IDLE = 30.0


def postgresql(url: URL, connections: int, lease: float) -> Database:
    """
    Get ready for the server of *url*; half of the *connections* write.

    :param lease: seconds after which a transaction of a process that stands still is ended.
    :raises SettingsError: psycopg is not installed.
    """
    connect = {**_CONNECT, "application_name": NAMED + token_hex(8)}
    pool = {"poolclass": QueuePool, "pool_size": connections, "max_overflow": 0}
    try:
        engine = create_engine(url, hide_parameters=True, connect_args=connect, **pool)
    except ImportError as error:  # psycopg, or the libpq that it needs
        allowed = "one of SQLite, while psycopg is missing: pip install twisted_pulp[postgres]"
        raise SettingsError("database", visible(url), allowed) from error
    event.listen(engine, "connect", functools.partial(_connected, max(lease, _IDLE)))
    return Database(
        url=visible(url),
        dialect="postgresql",
        path=None,
        connect=connect,
        writing=engine,
        reading=engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True),
        writers=connections // 2,
        readers=connections - connections // 2,
        sound=None,
        meaning=functools.partial(_meaning, visible(url)),
    )


def _connected(idle: float, connection: Any, _: object) -> None:
    connection.autocommit = True
    connection.execute(f"SET idle_in_transaction_session_timeout = {idle * 1000:.0f}")
    connection.autocommit = False


def _meaning(where: str, error: SQLAlchemyError) -> tuple[CatalogError | None, bool]:
    if not isinstance(error, DBAPIError):
        return None, False
    code = getattr(error.orig, "sqlstate", None) or ""
    if code in _CONFLICT:
        return CatalogLocked(f"{where}: {_words(error)}"), True
    if code == "53100":
        return CatalogFull(f"{where}: {_words(error)}"), False
    if code in _GONE or code.startswith("08") or error.connection_invalidated or _unconnected(error, code):
        return CatalogUnavailable(f"{where}: {_words(error)}"), True
    return None, False


def _unconnected(error: DBAPIError, code: str) -> bool:
    # What fails before there is a connection has no code.
    return not code and type(error.orig).__name__ == "OperationalError"


def _words(error: DBAPIError) -> str:
    return " ".join(str(error.orig).split())
