"""Bring the files of units together with other processes: a part each, and none twice."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.python.failure import Failure

from twisted_pulp.errors import SizeMismatch
from twisted_pulp.stages._declarative import DeclarativeArtifact, DeclarativeContent, name_of
from twisted_pulp.stages._existing import DOWNLOADING
from twisted_pulp.stages._fetch import Brought, Fetch
from twisted_pulp.threads import outlasting

if TYPE_CHECKING:
    from twisted_pulp.stages._downloader import ArtifactDownloader

__all__ = ["Together"]

#: Files and bytes of one batch at most, and files that are worth handing to somebody else.
_FILES, _BYTES, _LEAST = 256, 64 << 20, 8
#: Batches that we fetch ourselves at once: while one ends, the next is under way.
_OURS = 2


@define(eq=False)
class _Unit:
    """A unit that waits for files: how many, and the first error."""

    unit: DeclarativeContent
    left: int
    error: Exception | None = None
    path: str | None = None


@define(eq=False)
class Together:
    """
    Bring the files of units, some here and some by others.

    What is not begun waits in one row; whoever has nothing to do takes a batch from it, a smaller one the less is left.
    So nobody waits for the slowest, units go on in the order in which they are complete, and those that wait are
    bounded: by the row, and the batches under way.

    :param stage: whose units they are.
    """

    _stage: ArtifactDownloader
    _report: Any = field(init=False, default=None)
    _hands: Any = field(init=False, default=None)
    _waiting: dict[str, list[tuple[_Unit, DeclarativeArtifact]]] = field(init=False, factory=dict)
    _row: deque[DeclarativeArtifact] = field(init=False, factory=deque)
    _own: deque[DeclarativeArtifact] = field(init=False, factory=deque)  # that nobody else can fetch
    _ours: int = field(init=False, default=0)
    _running: set[Deferred[None]] = field(init=False, factory=set)
    _declared: bool = field(init=False, default=False)
    _again: bool = field(init=False, default=False)
    _lost: int = field(init=False, default=0)
    _reclaiming: bool = field(init=False, default=False)
    _turn: Deferred[None] | None = field(init=False, default=None)
    _room: Deferred[None] | None = field(init=False, default=None)
    _failure: Failure | None = field(init=False, default=None)

    async def run(self, first: Sequence[DeclarativeContent]) -> None:
        """Pass on *first*, and each unit that the stage gets, when its files are there."""
        sync = self._stage.sync
        self._hands = sync.crew.hands(sync, self.wake)
        try:
            with sync.progress(*DOWNLOADING) as self._report:
                self._begin(self._take_in(first))
                await self._work()
                if self._report.total is not None:  # what was expected may have come with other units, or not at all
                    self._report.expect(self._report.done + self._lost)
        finally:
            self._turn = None
            for each in list(self._running):
                each.cancel()
            while self._running:
                await outlasting(DeferredList(list(self._running)))
            await outlasting(self._hands.close())

    async def _work(self) -> None:
        while True:
            if self._failure is not None:
                self._failure.raiseException()
            self._again = False
            self._start()
            if not self._running and self._declared and not self._row and not self._own:
                return
            if not self._again:
                self._turn = Deferred()
                await self._turn

    def wake(self) -> None:
        """Look whether something can be begun, or is over."""
        self._again = True
        turn, self._turn = self._turn, None
        if turn is not None:
            self._stage.sync.context.reactor.callLater(0, turn.callback, None)

    def _begin(self, work: Awaitable[None]) -> None:
        d: Deferred[None] = Deferred.fromCoroutine(work)  # type: ignore[arg-type]
        if d.called and not isinstance(d.result, Failure):
            self.wake()
            return
        self._running.add(d)
        d.addErrback(self._failed).addBoth(self._over, d)

    def _over(self, _: object, d: Deferred[None]) -> None:
        self._running.discard(d)
        self.wake()

    def _failed(self, why: Failure) -> None:
        if self._failure is None or self._failure.check(CancelledError):
            self._failure = why

    # what comes
    async def _take_in(self, first: Sequence[DeclarativeContent]) -> None:
        for unit in first:
            await self._take(unit)
        async for unit in self._stage.items():
            await self._take(unit)
        self._declared = True

    async def _take(self, unit: DeclarativeContent) -> None:
        wanted = [artifact for artifact in unit.artifacts if self._stage.wants(artifact)]
        if not wanted:
            await self._stage.put(unit)
            return
        while len(self._row) + len(self._own) >= _FILES * self._slots:
            self._room = Deferred()
            await self._room
        waiting = _Unit(unit, len(wanted))
        for artifact in wanted:
            name = name_of(artifact)
            others = self._waiting.get(name)
            if others is not None:
                others.append((waiting, artifact))
                continue
            self._waiting[name] = [(waiting, artifact)]
            (self._row if self._hands.can(artifact) else self._own).append(artifact)
        self.wake()

    # who fetches it
    @property
    def _slots(self) -> int:
        return _OURS + int(self._hands.slots)

    def _start(self) -> None:
        while self._ours < _OURS and (batch := self._batch(self._own) or self._batch(self._row)):
            self._begin(self._fetched_here(batch))
        while self._hands.room > 0 and (batch := self._batch(self._row, 1 if self._declared else _LEAST)):
            self._begin(self._fetched_there(batch))
        if self._ours < _OURS and not self._row and self._hands.neglected and not self._reclaiming:
            self._reclaiming = True
            self._begin(self._reclaimed())
        if self._room is not None and len(self._row) + len(self._own) < _FILES * self._slots:
            room, self._room = self._room, None
            room.callback(None)

    def _batch(self, row: deque[DeclarativeArtifact], least: int = 1) -> list[DeclarativeArtifact]:
        """Take from *row*, if it has *least*, so much that as much is left for everybody else, twice."""
        if len(row) < least:
            return []
        most, size = max(_LEAST, min(_FILES, len(row) // (2 * self._slots))), 0
        batch: list[DeclarativeArtifact] = []
        while row and len(batch) < most and (not batch or size + (row[0].size or 0) <= _BYTES):
            batch.append(row.popleft())
            size += batch[-1].size or 0
        return batch

    async def _fetched_here(self, batch: Sequence[DeclarativeArtifact]) -> None:
        stage, sync = self._stage, self._stage.sync
        self._ours += 1
        try:
            await Fetch(
                context=sync.context,
                catalog=sync.catalog,
                storage=sync.storage,
                downloader=sync.downloader,
                claims=sync.crew.claims,
                weak=sync.remote.allow_weak_digests,
                concurrency=sync.concurrency or stage.suited(),
                now=sync.now,
                brought=self._brought,
                within=None if sync.hold is None else _only_if(sync.hold),
            ).run(batch)
        finally:
            self._ours -= 1

    async def _fetched_there(self, batch: Sequence[DeclarativeArtifact]) -> None:
        self._row.extendleft(reversed(await self._hands.fetch(batch, self._brought)))

    async def _reclaimed(self) -> None:
        """Fetch ourselves what nobody has begun, rather than wait for it."""
        try:
            await self._hands.reclaim()
        finally:
            self._reclaiming = False

    # what came of it
    def _brought(self, result: Brought) -> Awaitable[None] | None:
        sync, stored = self._stage.sync, result.stored
        if stored is not None:
            self._report.advance(1, stored.size)
            if result.fetched:
                sync.downloaded += 1
                sync.bytes += stored.size
        else:
            self._lost += 1
        wanted = self._waiting.pop(name_of(result.artifact))
        finished = [unit for each in wanted if (unit := self._came(*each, result)) is not None]
        return self._stage.put_all(finished) if finished else None

    def _came(self, waiting: _Unit, artifact: DeclarativeArtifact, result: Brought) -> DeclarativeContent | None:
        stored, error = result.stored, result.error
        if stored is not None and artifact.size not in (None, stored.size):
            error = SizeMismatch(artifact.sources[0].url, artifact.size or 0, stored.size)
        elif stored is not None:
            artifact.artifact_id, artifact.sha256, artifact.size = stored.id, stored.sha256, stored.size
        if error is not None and waiting.error is None:
            waiting.error, waiting.path = error, artifact.relative_path
        waiting.left -= 1
        if waiting.left:
            return None
        if waiting.error is None:
            return waiting.unit
        self._stage.sync.refuse(waiting.unit, waiting.error, waiting.path)
        return None


def _only_if(hold: Callable[[Any], object]) -> Callable[[Any, object], object]:
    return lambda connection, _: hold(connection)
