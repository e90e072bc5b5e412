"""What came for clients, written to the catalog: many rows in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from attrs import field, frozen
from sqlalchemy import Connection
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_pulp.catalog import Catalog, artifacts, paths, pulled, sources
from twisted_pulp.catalog.artifacts import NewArtifact
from twisted_pulp.catalog.pulled import NewPulled
from twisted_pulp.errors import PulpError
from twisted_pulp.threads import outlasting

__all__ = ["FailedSource", "FetchedFile", "PulledThrough", "Records", "WantedArtifact"]

Pairs = tuple[tuple[str, str], ...]


class Record(Protocol):
    """Something to be written."""

    @property
    def artifact(self) -> NewArtifact | None: ...

    def write(self, connection: Connection, artifact_id: int, now: float) -> None:
        """Write it; its artifact, if it has one, has a number now."""


@frozen
class FetchedFile:
    """
    A file of a version was downloaded.

    :ivar artifact: its bytes.
    :ivar file_id: of the unit's file; None: of none, only its bytes are known again.
    :ivar source_id: where it came from; None: from none that the catalog knows.
    """

    artifact: NewArtifact
    file_id: int | None
    source_id: int | None = None

    def write(self, connection: Connection, artifact_id: int, now: float) -> None:
        """Let the file have its bytes, and its source a good name."""
        if self.file_id is not None:
            paths.fill(connection, self.file_id, artifact_id)
        if self.source_id is not None:
            sources.succeeded(connection, self.source_id)


@frozen
class PulledThrough:
    """
    A file of a Remote that no repository has was downloaded.

    :ivar artifact: its bytes.
    :ivar remote_id: the Remote.
    :ivar url: where it is.
    :ivar headers: that came with it, and are passed on.
    """

    artifact: NewArtifact
    remote_id: int
    url: str
    headers: Pairs = ()

    def write(self, connection: Connection, artifact_id: int, now: float) -> None:
        """Remember that it is here."""
        pulled.save(connection, [self.row(artifact_id)], now)

    def row(self, artifact_id: int) -> NewPulled:
        """Return it as the catalog has it."""
        return NewPulled(self.remote_id, self.url, artifact_id, self.headers)


@frozen
class FailedSource:
    """
    A source did not give a file.

    :ivar source_id: which.
    :ivar why: the error's words.
    """

    source_id: int
    why: str
    artifact: None = field(init=False, default=None)

    def write(self, connection: Connection, artifact_id: int, now: float) -> None:
        """Remember it: others come first for a while."""
        sources.failed(connection, self.source_id, now, self.why)


@frozen
class WantedArtifact:
    """
    A stored file was wanted.

    :ivar artifact_id: its bytes.
    """

    artifact_id: int
    artifact: None = field(init=False, default=None)

    def write(self, connection: Connection, artifact_id: int, now: float) -> None:
        """Remember when: those that nobody wants for long may go."""
        artifacts.touch(connection, [self.artifact_id], now)


class Records:
    """
    Write to the catalog what came for clients. What is added while something is being written is written together.

    :param catalog: where to.
    :param now: seconds since the epoch.
    """

    _log = Logger()

    def __init__(self, catalog: Catalog, now: Callable[[], float]) -> None:
        self._catalog, self.now = catalog, now
        self._waiting: list[tuple[Record, Deferred[None]]] = []
        self._writing: Deferred[None] | None = None
        self._busy = False

    def add(self, record: Record) -> Deferred[None]:
        """Return a Deferred that fires when *record* was written, and fails with why it could not be."""
        d: Deferred[None] = Deferred()
        self._waiting.append((record, d))
        if not self._busy:
            self._busy = True
            self._writing = Deferred.fromCoroutine(self._write())
        return d

    def note(self, record: Record) -> None:
        """Write *record*; if that fails it is only logged."""
        self.add(record).addErrback(self._missed)

    def _missed(self, why: Failure) -> None:
        if why.check(PulpError):
            self._log.warn("something was not noted in the catalog: {error}", error=why.value)
        else:
            self._log.failure("something was not noted in the catalog", why)

    async def _write(self) -> None:
        while self._waiting:
            some, self._waiting = self._waiting, []
            try:
                await outlasting(self._catalog.write(_written, [record for record, _ in some], self.now()))
            except Exception:
                await self._one_by_one(some)
            else:
                for _, d in some:
                    d.callback(None)
        self._busy = False

    async def _one_by_one(self, some: list[tuple[Record, Deferred[None]]]) -> None:
        # One that cannot be written, as its Remote is gone, keeps nobody else's from being written.
        for record, d in some:
            try:
                await outlasting(self._catalog.write(_written, [record], self.now()))
            except Exception:
                d.errback(Failure())
            else:
                d.callback(None)

    async def close(self) -> None:
        """Wait until everything is written."""
        if self._writing is not None:
            await outlasting(self._writing)


def _written(connection: Connection, records: list[Any], now: float) -> None:
    new = [record.artifact for record in records if record.artifact is not None]
    ids = artifacts.save(connection, new, now) if new else {}
    # The commonest are written by one statement.
    through = [record for record in records if isinstance(record, PulledThrough)]
    if through:
        pulled.save(connection, [record.row(ids[record.artifact.sha256]) for record in through], now)
    for record in records:
        if isinstance(record, PulledThrough):
            continue
        record.write(connection, 0 if record.artifact is None else ids[record.artifact.sha256], now)
