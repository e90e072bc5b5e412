"""
Was it committed? What to ask PostgreSQL when a connection is lost in the middle of a commit.

The server knows what became of a transaction by its number. But when it crashes before the first word of a transaction
is on the disk, it gives the number to another one later. So each connection also counts its transactions in a row of
its own, which is committed with them.
"""

from __future__ import annotations

from secrets import token_hex

from attrs import frozen
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

__all__ = ["Mark", "mark_of", "was_committed"]

_INVALID = "22023"
_KEY = "twisted_pulp commits"
_NOTE = text("""
INSERT INTO committed (connection, number, noted)
SELECT :connection, :number, EXTRACT(EPOCH FROM now()) WHERE pg_current_xact_id_if_assigned() IS NOT NULL
ON CONFLICT (connection) DO UPDATE SET number = excluded.number, noted = excluded.noted
RETURNING CAST(pg_current_xact_id() AS text)
""")
_STATUS = text("SELECT pg_xact_status(CAST(:transaction AS xid8))")
_NOTED = text("SELECT EXISTS (SELECT FROM committed WHERE connection = :connection AND number = :number)")
# Those of connections that ended long ago; who is in doubt asks within a minute.
_FORGET = text("""
DELETE FROM committed WHERE connection IN (
SELECT connection FROM committed WHERE noted < EXTRACT(EPOCH FROM now()) - 86400 FOR UPDATE SKIP LOCKED)
""")


@frozen
class Mark:
    """
    What tells a transaction from all others.

    :ivar transaction: the server's number of it.
    :ivar connection: on which it was; *number*: which one of it.
    """

    transaction: str
    connection: str
    number: int


def mark_of(connection: Connection) -> Mark | None:
    """Mark the transaction of *connection*, at its end; None when it has written nothing."""
    name, number = connection.info.get(_KEY) or (token_hex(16), 0)
    connection.info[_KEY] = name, number + 1
    transaction = connection.scalar(_NOTE, {"connection": name, "number": number})
    if transaction is None:
        return None
    if number == 0:
        connection.execute(_FORGET)
    return Mark(transaction, name, number)


def was_committed(engine: Engine, mark: Mark) -> bool | None:
    """Tell whether the transaction with this *mark* was committed; None: it cannot be told, now or ever."""
    try:
        with engine.connect() as connection:
            status = connection.scalar(_STATUS, {"transaction": mark.transaction})
            if status != "committed":
                return False if status == "aborted" else None
            # Asked afterwards, since it sees what was committed until then.
            return bool(connection.scalar(_NOTED, {"connection": mark.connection, "number": mark.number}))
    except DBAPIError as error:
        # A number "in the future": the server has crashed, and has nothing of that transaction.
        if getattr(error.orig, "sqlstate", None) == _INVALID:
            return False
        raise
