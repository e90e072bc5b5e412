"""
PostgreSQL's advisory locks.

The server gives a lock back when the connection ends that has it. A process that stands still, or that the network
keeps from the server, keeps its connections, and its locks with them. So whoever has a lock asks the server something
now and then on its connection; who waits sees in the server's own books whether that is done. When the server has not
heard of the holder for a lease, and has not either while we have watched, by our own monotonic clock since a wall clock
may jump, we have the server end all connections of that process: none of its transactions can be committed
then, and the locks are free.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

from attrs import define, field
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError
from twisted.logger import Logger

from twisted_pulp.catalog._engine_postgresql import NAMED

__all__ = ["AdvisoryHold"]

#: Looks at the holder within a lease. No look counts for more than two: who waits may have stood still itself.
_LOOKS = 12
#: Leases, but seconds at most, for which it is watched: twice as long at least as it takes to say something.
_WATCHED, _ENOUGH = 2 / 3, 20.0
#: Who has the lock, and when that was heard of last: not of another user, or of a program that does not tell.
_HOLDER = text("""
SELECT holder.pid, holder.backend_start, holder.state_change, holder.application_name,
EXTRACT(EPOCH FROM clock_timestamp() - holder.state_change) AS silent
FROM pg_locks JOIN pg_stat_activity AS holder ON holder.pid = pg_locks.pid
WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND holder.datname = current_database()
AND CAST(classid AS bigint) = :high AND CAST(objid AS bigint) = :low AND pg_locks.database = holder.datid
AND holder.usename = current_user AND starts_with(holder.application_name, :named) AND state_change IS NOT NULL
""")
_END = text("""
SELECT pg_terminate_backend(other.pid) FROM pg_stat_activity AS holder JOIN pg_stat_activity AS other
ON other.application_name = holder.application_name AND other.usename = holder.usename AND other.datid = holder.datid
WHERE holder.pid = :pid AND holder.backend_start = :begun AND holder.state_change = :told
""")


@define(eq=False)
class AdvisoryHold:
    """
    An advisory lock, on a connection of its own.

    :param engine: connects anew each time.
    :param key: of the lock.
    :param lease: seconds after which a holder that says nothing is taken to be dead.
    :param seconds: the monotonic clock.
    """

    _log = Logger()

    _engine: Engine
    _key: int
    _lease: float
    _seconds: Callable[[], float]
    _connection: Connection | None = field(init=False, default=None)
    _alone: Lock = field(init=False, factory=Lock)
    _seen: Any = field(init=False, default=None)
    _watched: float = field(init=False, default=0.0)
    _looked: float = field(init=False, default=float("-inf"))

    def take(self) -> bool:
        """Take it, if nobody has it, or somebody who is dead by all we know."""
        with self._alone:
            if self._connection is None:
                self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            if self._ask(self._connection, "SELECT pg_try_advisory_lock(:key)"):
                return True
            return self._look(self._connection) and self._ask(self._connection, "SELECT pg_try_advisory_lock(:key)")

    def held(self) -> bool:
        """Tell whether it is still ours; and the server that we live."""
        # Whoever has it may take it again; on a connection that has gone nobody has anything.
        with self._alone:
            if self._connection is None:
                return False
            try:
                return all(self._ask(self._connection, f"SELECT pg_{do}(:key)") for do in _AGAIN)
            except SQLAlchemyError:
                return False

    def give(self) -> None:
        """Give it back."""
        with self._alone:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()  # without a pool, this ends it

    def _ask(self, connection: Connection, question: str) -> bool:
        return bool(connection.scalar(text(question), {"key": self._key}))

    def _look(self, connection: Connection) -> bool:
        """Look whether the holder lives, and end its connections if it does not; return whether that was done."""
        now, every = self._seconds(), self._lease / _LOOKS
        passed = now - self._looked
        if passed < every:
            return False
        self._looked = now
        which = {"high": self._key >> 32 & 0xFFFFFFFF, "low": self._key & 0xFFFFFFFF, "named": NAMED}
        found = connection.execute(_HOLDER, which).one_or_none()
        holder, silent = (None, 0.0) if found is None else (tuple(found[:-1]), float(found[-1]))
        if holder is None or holder != self._seen:
            self._seen, self._watched = holder, 0.0
            return False
        self._watched += min(passed, 2 * every)
        if silent < self._lease or self._watched < min(self._lease * _WATCHED, _ENOUGH):
            return False
        pid, begun, told, name = holder
        self._log.warn("{name} says nothing any more: its locks are taken", name=name)
        connection.execute(_END, {"pid": pid, "begun": begun, "told": told}).all()
        self._seen = None
        return True


_AGAIN = "try_advisory_lock", "advisory_unlock"
