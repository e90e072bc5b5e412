"""PostgreSQL: a bounded pool of connections, which come back when the server does."""

from __future__ import annotations

import functools
from typing import Any

from sqlalchemy import URL, create_engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from twisted_pulp.catalog._engine import Database, visible
from twisted_pulp.errors import CatalogError, CatalogFull, CatalogLocked, CatalogUnavailable

__all__ = ["postgresql"]

# A server that has gone without a word is noticed after half a minute, not after hours.
_CONNECT: dict[str, Any] = {
    "connect_timeout": 10,
    "application_name": "twisted_pulp",
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
#: https://www.postgresql.org/docs/current/errcodes-appendix.html
_CONFLICT = {"40001", "40P01", "55P03"}
_GONE = {"57P01", "57P02", "57P03", "57P05", "53300"}


def postgresql(url: URL, connections: int) -> Database:
    """Get ready for the server of *url*; half of the *connections* write."""
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,
        connect_args=_CONNECT,
    )
    return Database(
        url=visible(url),
        dialect="postgresql",
        path=None,
        connect=_CONNECT,
        writing=engine,
        reading=engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True),
        writers=connections // 2,
        readers=connections - connections // 2,
        sound=None,
        meaning=functools.partial(_meaning, visible(url)),
    )


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
