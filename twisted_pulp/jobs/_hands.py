"""What others fetch for one run of a job."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from twisted_pulp.catalog import fetches
from twisted_pulp.catalog._parts import cancel_parts
from twisted_pulp.catalog.artifacts import Stored
from twisted_pulp.catalog.fetches import KIND, Fetched, Fetching
from twisted_pulp.catalog.jobs import NewJob
from twisted_pulp.errors import FetchFailed, PulpError, StorageError, shown
from twisted_pulp.jobs._crew import EACH
from twisted_pulp.stages._fetch import Brought

if TYPE_CHECKING:
    from twisted_pulp.jobs._crew import Crew
    from twisted_pulp.jobs._task import Task
    from twisted_pulp.stages import DeclarativeArtifact, Sync

__all__ = ["Hands", "described"]

#: Seconds between two looks for what has come, and after which we fetch ourselves what nobody has begun.
_LOOK, _NEGLECTED = 0.25, 2.0
#: Seconds after which it is tried again whether somebody has time for us.
_AGAIN = 5.0
_OVER = frozenset({"completed", "failed", "cancelled", "deleted", "paused"})


@define(eq=False)
class _Batch:
    """What was handed to others: what has not come of it, by number, and how many outcomes were taken."""

    left: dict[int, DeclarativeArtifact]
    brought: Callable[[Brought], object]
    since: float
    ended: Deferred[list[Any]] = field(factory=Deferred)
    turns: int = 0
    waits: bool = True


@define(eq=False)
class Hands:
    """
    Lets others fetch, and takes what they have fetched.

    :param task: the run for which they do.
    :param sync: the surroundings.
    :param wake: called when more can be handed out, or something was neglected.
    """

    _log = Logger()

    _crew: Crew
    _task: Task
    _sync: Sync
    _wake: Callable[[], object]
    _batches: dict[int, _Batch] = field(init=False, factory=dict)
    _looking: LoopingCall | None = field(init=False, default=None)
    _begun: int = field(init=False, default=0)
    _taken_up: int | None = field(init=False, default=None)  # batches that others have time for, once some had none
    _tried: float = field(init=False, default=0.0)

    @property
    def slots(self) -> int:
        """Batches that others can have at once."""
        return EACH * self._crew.others

    @property
    def room(self) -> int:
        """Batches that may be handed out now; where others had no time for some, one, now and then."""
        if self._taken_up is None:
            return self.slots - self._begun
        room = min(self.slots, self._taken_up) - self._begun
        if room <= 0 and not self._begun and self._crew.reactor.seconds() - self._tried >= _AGAIN:
            return min(1, self.slots)
        return room

    @property
    def neglected(self) -> bool:
        """Whether something waits that nobody has begun for long."""
        now = self._crew.reactor.seconds()
        return any(each.waits and now - each.since >= _NEGLECTED for each in self._batches.values())

    def can(self, artifact: DeclarativeArtifact) -> bool:
        """Return whether others can fetch it: they must know the Remotes."""
        if self._sync.remote_id is None:
            return False
        if self._crew.catalog.key is None and any(shown(each.url) != each.url for each in artifact.sources):
            return False
        return all(each.userinfo is None and self._sync.remote_of(each) is not None for each in artifact.sources)

    def fetch(
        self, batch: Sequence[DeclarativeArtifact], brought: Callable[[Brought], object]
    ) -> Deferred[list[DeclarativeArtifact]]:
        """
        Let somebody fetch *batch*.

        :param brought: called with what came of each; a Deferred that it returns is waited for.
        :returns: a Deferred of what nobody has fetched in the end; cancelled, it lets nobody go on.
        """
        return Deferred.fromCoroutine(self._fetch(batch, brought))

    async def _fetch(self, batch: Sequence[DeclarativeArtifact], brought: Callable[[Brought], object]) -> list[Any]:
        self._begun += 1
        number = None
        try:
            row = await self._handed(batch)
            number = row.id
            made = self._batches[number] = _Batch(dict(enumerate(batch)), brought, self._crew.reactor.seconds())
            self._look_on()
            return await made.ended
        finally:
            self._begun -= 1
            if number is not None:
                self._batches.pop(number, None)
                await self._forgotten(number)
            self._wake()

    async def _handed(self, batch: Sequence[DeclarativeArtifact]) -> Any:
        catalog, task, sync = self._crew.catalog, self._task, self._sync
        wanted = [self._fetching(each) for each in batch]
        secret = any(shown(url) != url for each in wanted for url, *_ in each.sources)
        new = NewJob(
            uid=secrets.token_urlsafe(16),
            kind=KIND,
            payload={"for": task.job.uid, "repository": sync.repository.name},
            priority=task.job.priority,
            remote=task.job.remote,
            owner=task.job.owner,
        )
        key = catalog.key if secret else None
        row = await catalog.write(fetches.add, new, task.row, wanted, sync.remote_id, key, task.now())
        self._crew.publish(row.uid)
        return row

    def _fetching(self, artifact: DeclarativeArtifact) -> Fetching:
        sources = tuple(
            (each.url, each.priority, None if each.remote is None else self._sync.remote_of(each))
            for each in artifact.sources
        )
        return Fetching(sources, artifact.relative_path, artifact.size, artifact.digests)

    async def _forgotten(self, number: int) -> None:
        try:
            await self._crew.catalog.write(fetches.remove, [number])
        except PulpError as error:  # the next run of the job, or its end, sees to it
            self._log.warn("what was fetched for others could not be forgotten: {error}", error=error)

    # what has come
    def _look_on(self) -> None:
        if self._looking is None:
            self._looking = LoopingCall(lambda: Deferred.fromCoroutine(self._look()))
            self._looking.clock = self._crew.reactor
            self._looking.start(_LOOK, now=False).addErrback(self._broken)

    async def _look(self) -> None:
        if not self._batches:
            return
        known = {number: each.turns for number, each in self._batches.items()}
        try:
            states, news = await self._crew.catalog.read(fetches.look, known)
        except PulpError as error:
            self._log.warn("the catalog did not answer: {error}", error=error)
            return
        found = {state.id: state for state in states}
        for number in known:
            batch = self._batches.get(number)
            if batch is None:
                continue
            state = found.get(number)
            waits = state is not None and state.state == "waiting"
            if batch.waits and not waits and self._taken_up is not None:
                self._taken_up += EACH
            batch.waits = waits
            await self._taken(batch, news.get(number, ()))
            if (state is None or state.state in _OVER) and not batch.ended.called:
                batch.ended.callback(list(batch.left.values()))
        self._wake()

    async def _taken(self, batch: _Batch, news: Sequence[Fetched]) -> None:
        for each in news:
            batch.turns += 1
            artifact = batch.left.pop(each.number, None)
            if artifact is None:
                continue
            try:
                told: Any = batch.brought(_brought(artifact, each))
                if told is not None:
                    await told
            except Exception:
                if not batch.ended.called:
                    batch.ended.errback()
                return

    def _broken(self, why: Any) -> None:
        for batch in self._batches.values():
            if not batch.ended.called:
                batch.ended.errback(why)

    def reclaim(self) -> Deferred[None]:
        """Take back what nobody has begun; the Deferreds of `fetch` fire with it."""
        ids = [number for number, each in self._batches.items() if each.waits]
        if not ids:
            return succeed(None)
        withdrawn: Deferred[list[int]] = self._crew.catalog.write(fetches.withdraw, ids, self._task.now())
        return withdrawn.addCallback(self._reclaimed)

    def _reclaimed(self, ids: Sequence[int]) -> None:
        if ids:
            self._taken_up, self._tried = self._begun - len(ids), self._crew.reactor.seconds()
        for number in ids:
            batch = self._batches.get(number)
            if batch is not None and not batch.ended.called:
                batch.ended.callback(list(batch.left.values()))

    def close(self) -> Deferred[None]:
        """Let nobody go on; the Deferred fires when that is known."""
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        self._crew.left(self)
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.stop()
        for batch in list(self._batches.values()):
            if not batch.ended.called:
                batch.ended.errback(CancelledError())
                batch.ended.addErrback(lambda why: None)
        try:
            await self._crew.catalog.write(cancel_parts, self._task.row.id, self._task.now())
        except PulpError as error:
            self._log.warn("others go on to fetch what nobody wants: {error}", error=error)


def _brought(artifact: DeclarativeArtifact, each: Fetched) -> Brought:
    fetched, came = each.bytes is not None, each.bytes or 0
    if each.error is not None:
        return Brought(artifact, None, came, fetched, _error(*each.error))
    assert each.artifact_id is not None
    assert each.sha256 is not None
    assert each.size is not None
    return Brought(artifact, Stored(each.artifact_id, each.sha256, each.size), came, fetched)


def _error(kind: str, retryable: bool, words: str) -> PulpError:
    """Return what says of an error elsewhere what it said there."""
    return StorageError(words) if kind == "storage" else FetchFailed(detail=words, retryable=retryable)


def described(error: BaseException) -> tuple[str, bool, str]:
    """Return what is told of *error* to others: of what kind it is, whether another try can help, and its words."""
    kind = "storage" if isinstance(error, StorageError) else "download"
    return kind, bool(getattr(error, "retryable", False)), str(error) or type(error).__name__
