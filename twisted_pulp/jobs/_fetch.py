"""Jobs that fetch a part of what another job needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import define, field
from sqlalchemy import Connection
from twisted.internet.defer import Deferred
from zope.interface import implementer

from twisted_pulp.catalog import Catalog, fetches, remotes
from twisted_pulp.catalog.fetches import Fetched, Fetching
from twisted_pulp.context import Context
from twisted_pulp.download import Source
from twisted_pulp.interfaces import IDownloader, IStorage
from twisted_pulp.jobs._kind import IJobKind
from twisted_pulp.jobs._task import Task
from twisted_pulp.settings import Remote

if TYPE_CHECKING:
    from twisted_pulp.stages import DeclarativeArtifact
    from twisted_pulp.stages._fetch import Brought

__all__ = ["FetchKind"]

#: Downloads at work for each connection that a host may have.
_AHEAD = 4


@implementer(IJobKind)
@define(eq=False)
class FetchKind:
    """
    Fetch what another job needs into the storage, and say what became of each file.

    :param context: what downloads share.
    :param catalog: what is known.
    :param storage: where the files go.
    :param claims: what others fetch.
    :param concurrency: downloads in flight in one job; default None: as many as the context can use.
    """

    yields = False
    _context: Context
    _catalog: Catalog
    _storage: IStorage
    _claims: Any
    concurrency: int | None = field(kw_only=True, default=None)
    _last: list[Remote] = field(init=False, factory=list)

    def run(self, task: Task) -> Deferred[Mapping[str, Any]]:
        """Fetch what is not there yet; see `IJobKind.run`."""
        return Deferred.fromCoroutine(self._run(task))

    async def _run(self, task: Task) -> Mapping[str, Any]:
        found = await self._catalog.read(_known, task.row.id, self._catalog.key)
        if found is None:  # the job that needed it is over
            return {}
        from twisted_pulp.stages._fetch import Fetch

        wanted = found[0]
        remote, reached = self._same(*found[1:])
        artifacts = {number: _artifact(each, reached) for number, each in wanted.items()}
        of = {id(artifact): number for number, artifact in artifacts.items()}

        def downloader(**fields: Any) -> IDownloader:
            return self._context.downloader(remote, **fields)

        def within(connection: Connection, results: Sequence[Brought]) -> None:
            ended = [_fetched(of[id(each.artifact)], each) for each in results]
            fetches.note(connection, task.row.id, task.row.fence, task.row.uid, ended)

        pool = self._context.pool
        await Fetch(
            context=self._context,
            catalog=self._catalog,
            storage=self._storage,
            downloader=downloader,
            claims=self._claims,
            weak=remote.allow_weak_digests,
            concurrency=self.concurrency or min(pool.overall.limit, _AHEAD * pool.maxPersistentPerHost),
            now=task.now,
            brought=lambda _: None,
            within=within,
        ).run(list(artifacts.values()))
        return {}

    def _same(
        self, remote: Remote, reached: dict[int | None, Remote | None]
    ) -> tuple[Remote, dict[int | None, Remote | None]]:
        """Return the Remotes that the job before had, where they are the same: they have its connections."""
        before, self._last = self._last, [remote, *(each for each in reached.values() if each is not None)]
        self._last = [next((old for old in before if old == each), each) for each in self._last]
        again = {each: each for each in self._last}
        return again[remote], {number: None if each is None else again[each] for number, each in reached.items()}


def _known(
    connection: Connection, job_id: int, key: Any
) -> tuple[dict[int, Fetching], Remote, dict[int | None, Remote | None]] | None:
    """Return what is to be fetched yet, and the Remotes that reach it."""
    found = fetches.get(connection, job_id, key)
    if found is None:
        return None
    wanted, remote_id, running = found
    if not running:
        return None
    done = fetches.numbers(connection, job_id)
    left = {number: each for number, each in enumerate(wanted) if number not in done}
    reached: dict[int | None, Remote | None] = {None: None}
    for each in left.values():
        for _, _, number in each.sources:
            if number not in reached:
                assert number is not None
                reached[number] = remotes.reach(connection, number, key)
    assert remote_id is not None
    return left, remotes.reach(connection, remote_id, key), reached


def _artifact(each: Fetching, reached: Mapping[int | None, Remote | None]) -> DeclarativeArtifact:
    from twisted_pulp.stages import DeclarativeArtifact

    sources = [Source(url, priority=priority, remote=reached[number]) for url, priority, number in each.sources]
    return DeclarativeArtifact(sources=sources, relative_path=each.path, size=each.size, digests=each.digests)


def _fetched(number: int, each: Brought) -> Fetched:
    from twisted_pulp.jobs._hands import described

    stored, came = each.stored, each.bytes if each.fetched else None
    if stored is None:
        assert each.error is not None
        return Fetched(number, None, None, None, came, described(each.error))
    return Fetched(number, stored.id, stored.sha256, stored.size, came, None)
