"""Was it committed? What to ask PostgreSQL when a connection is lost in the middle of a commit."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

__all__ = ["mark_of", "was_committed"]

_INVALID = "22023"


def mark_of(connection: Connection) -> str | None:
    """Return the number of the transaction of *connection*; None when it has written nothing."""
    number: str | None = connection.scalar(text("SELECT CAST(pg_current_xact_id_if_assigned() AS text)"))
    return number


def was_committed(engine: Engine, mark: str) -> bool | None:
    """Tell whether the transaction with the number *mark* was committed; None: it cannot be told, now or ever."""
    try:
        with engine.connect() as connection:
            status = connection.scalar(text("SELECT pg_xact_status(CAST(:mark AS xid8))"), {"mark": mark})
    except DBAPIError as error:
        # A number "in the future": the server has crashed, and has nothing of that transaction.
        if getattr(error.orig, "sqlstate", None) == _INVALID:
            return False
        raise
    return {"committed": True, "aborted": False}.get(status or "")
