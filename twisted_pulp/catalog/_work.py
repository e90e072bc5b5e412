"""One piece of work with the database: a transaction, tried again while that can help."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import Generic, TypeVar

from attrs import define, field
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from twisted.internet.defer import CancelledError

from twisted_pulp.catalog._engine import Database

__all__ = ["Work"]

T = TypeVar("T")
#: Seconds between two tries: the first time, and at most.
_FIRST, _LONGEST = 0.02, 0.5


@define(eq=False)
class Work(Generic[T]):
    """
    Something to do in one transaction, in a thread.

    :ivar given_up: set when nobody wants the result any more; until the commit, nothing comes of it.
    """

    _database: Database
    _engine: Engine
    _do: Callable[[Connection], T]
    _seconds: Callable[[], float]
    _patience: float
    given_up: Event = field(init=False, factory=Event)

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
                if not again or self._seconds() >= deadline:
                    raise refusal from error
            self.given_up.wait(pause)
            pause = min(pause * 2, _LONGEST)

    def _once(self) -> T:
        self._wanted()
        with self._engine.connect() as connection, connection.begin():
            result = self._do(connection)
            self._wanted()
            return result

    def _wanted(self) -> None:
        if self.given_up.is_set():
            raise CancelledError
