"""A catalog without threads: work is done at once, or when the test says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, StaticPool, create_engine, event
from twisted.internet.defer import Deferred, maybeDeferred

from twisted_pulp.catalog._tables import metadata


class DirectCatalog:
    """
    A catalog in memory, behind the methods of `Catalog` that the streamer calls.

    :ivar reads: the names of functions that were called to read.
    :ivar held: work that waits, while `hold` is set.
    """

    key: object = None

    def __init__(self) -> None:
        self.engine: Engine = create_engine(
            "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
        )
        event.listen(self.engine, "connect", lambda each, _: each.execute("PRAGMA foreign_keys = 1").close())
        metadata.create_all(self.engine)
        self.reads: list[str] = []
        self.writes: list[str] = []
        self.held: list[Callable[[], object]] = []
        self.hold = False

    def read(self, work: Any, *args: Any, **given: Any) -> Deferred[Any]:
        """Call *work*."""
        self.reads.append(work.__name__)
        return self._do(work, args, given)

    def write(self, work: Any, *args: Any, **given: Any) -> Deferred[Any]:
        """Call *work*, and commit."""
        self.writes.append(work.__name__)
        return self._do(work, args, given)

    def _do(self, work: Any, args: Any, given: Any) -> Deferred[Any]:
        if not self.hold:
            return maybeDeferred(self.now, work, *args, **given)
        waiting: Deferred[Any] = Deferred()
        self.held.append(lambda: maybeDeferred(self.now, work, *args, **given).chainDeferred(waiting))
        return waiting

    def now(self, work: Any, *args: Any, **given: Any) -> Any:
        """Call *work* at once, and return what it returns."""
        with self.engine.begin() as connection:
            return work(connection, *args, **given)

    def release(self) -> None:
        """Do what waits."""
        held, self.held = self.held, []
        for each in held:
            each()

    def close(self) -> None:
        """Forget everything."""
        self.engine.dispose()
