"""One piece of work with the database: a transaction, tried again while that can help."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import Generic, TypeVar

from attrs import define, field
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from twisted.internet.defer import CancelledError

from twisted_pulp.catalog._doubt import Mark, mark_of, was_committed
from twisted_pulp.catalog._engine import Database
from twisted_pulp.errors import CatalogUncertain

__all__ = ["Work"]

T = TypeVar("T")
#: Seconds between two tries: the first time, and at most.
_FIRST, _LONGEST = 0.02, 0.5


@define(eq=False)
class Work(Generic[T]):
    """
    Something to do in one transaction, in a thread.

    :ivar given_up: set when nobody wants the result any more: until the commit, nothing comes of it.
    :ivar closing: set when no more tries may be made.
    """

    _database: Database
    _engine: Engine
    _do: Callable[[Connection], T]
    _seconds: Callable[[], float]
    _patience: float
    given_up: Event = field(init=False, factory=Event)
    closing: Event = field(init=False, factory=Event)

    def run(self) -> T:
        """
        Do it, again and again while it is worth another try and patience lasts.

        :raises CatalogError: the database's refusal.
        :raises CancelledError: it was given up.
        """
        deadline, pause = self._seconds() + self._patience, _FIRST
        while True:
            try:
                return self._once()
            except SQLAlchemyError as error:
                refusal, again = self._database.meaning(error)
                if refusal is None:
                    raise
                if not again or self.closing.is_set() or self._seconds() >= deadline:
                    raise refusal from error
            self.closing.wait(pause)
            pause = min(pause * 2, _LONGEST)

    def _once(self) -> T:
        self._wanted()
        with self._engine.connect() as connection:
            with connection.begin() as transaction:
                result = self._do(connection)
                self._wanted()
                mark = self._mark(connection)
                try:
                    transaction.commit()
                except DBAPIError as error:
                    if mark is None or not error.connection_invalidated or not self._survived(mark, error):
                        raise
            return result

    def _mark(self, connection: Connection) -> Mark | None:
        """Return what tells later whether this was committed; None where that is never in doubt."""
        if self._database.dialect != "postgresql" or self._engine is not self._database.writing:
            return None
        return mark_of(connection)

    def _survived(self, mark: Mark, error: DBAPIError) -> bool:
        """Tell whether the transaction was committed although the connection was lost meanwhile."""
        deadline = self._seconds() + self._patience
        while not self.closing.is_set() and self._seconds() < deadline:
            try:
                committed = was_committed(self._engine, mark)
            except SQLAlchemyError as again:
                if not self._database.meaning(again)[1]:
                    break
            else:
                if committed is not None:
                    return committed
            self.closing.wait(_LONGEST)
        raise CatalogUncertain("the connection was lost while a transaction was committed") from error

    def _wanted(self) -> None:
        if self.given_up.is_set():
            raise CancelledError
