"""A new version of a repository from what a first stage declares."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from twisted_pulp.catalog import repositories, versions
from twisted_pulp.stages._association import ContentAssociation, ResolveContents
from twisted_pulp.stages._contents import ContentSaver, SourceSaver
from twisted_pulp.stages._downloader import ArtifactDownloader
from twisted_pulp.stages._existing import QueryExistingArtifacts, QueryExistingContents
from twisted_pulp.stages._pipeline import Pipeline
from twisted_pulp.stages._recording import Recording
from twisted_pulp.stages._saver import ArtifactSaver
from twisted_pulp.stages._stage import Stage
from twisted_pulp.stages._sync import Sync
from twisted_pulp.threads import outlasting

__all__ = ["DeclarativeVersion"]


class DeclarativeVersion:
    """
    Declare the state of the upstream, and the rest is done.

    :ivar sync: the surroundings of its stages; afterwards it says what came of it.
    :ivar kind: of the run, as it is listed.
    """

    kind = "sync"

    def __init__(self, first_stage: Stage, repository: Any, **fields: Any) -> None:
        """
        :param first_stage: puts a `DeclarativeContent` for each unit of the upstream.
        :param repository: the row of the repository.
        :param fields: those of `Sync`: `context`, `catalog` and `storage` at least; `remote`, `policy`, `mirror`,
            `keep_going`, `tolerance` and others.
        :raises SettingsError: when a field is not what it may be.
        """
        self.sync = Sync(repository=repository, **fields)
        self._first_stage = first_stage

    def pipeline(self, draft: Any) -> Pipeline:
        """
        Return the stages; override it to insert, replace or remove some.

        :param draft: the version that is being made.
        """
        return Pipeline(
            [
                self._first_stage,
                QueryExistingArtifacts(),
                ArtifactDownloader(),
                ArtifactSaver(),
                QueryExistingContents(),
                ContentSaver(),
                SourceSaver(),
                ResolveContents(),
                ContentAssociation(draft),
            ]
        )

    def create(self) -> Deferred[Any]:
        """
        Make the version; another sync of the same repository is waited for.

        :returns: a Deferred of its `VersionRow`, or of None when nothing has changed. It fails with the first failure
            of a stage, when all others have ended; what was downloaded until then stays. To cancel it does the same.
        :raises TooManyFailed: in the Deferred, when more units have failed than are tolerated.
        """
        return Deferred.fromCoroutine(self._create())

    async def _create(self) -> Any:
        lock = await self.sync.catalog.lock(f"repository-{self.sync.repository.id}")
        try:
            return await self._made()
        finally:
            await outlasting(Deferred.fromCoroutine(_released(lock)))

    async def _made(self) -> Any:
        sync = self.sync
        # As the sync before has left it.
        sync.repository = await sync.catalog.read(repositories.by_id, sync.repository.id)
        sync.synced = sync.repository.synced
        recording = Recording(sync, self.kind)
        await recording.start()
        try:
            version = await self._drafted()
        except BaseException as error:
            await outlasting(Deferred.fromCoroutine(recording.finish(None, error)))
            raise
        await outlasting(Deferred.fromCoroutine(recording.finish(version, None)))
        return version

    async def _drafted(self) -> Any:
        sync = self.sync
        draft = await self._written(versions.begin, sync.repository.id, sync.now())
        try:
            pipeline = self.pipeline(draft)
            for stage in pipeline.stages:
                stage.sync = sync
            try:
                await pipeline.run(sync.context.reactor, budget=sync.budget, signs=sync.signs)
            finally:
                sync.flight.end()
            sync.judge()
            if not sync.skipped:
                saw = None if sync.synced is sync.repository.synced else sync.synced
                return await self._written(versions.finish, draft, sync.now(), saw)
        except BaseException:
            await outlasting(sync.catalog.write(versions.abort, draft))
            raise
        await sync.catalog.write(versions.abort, draft)
        return None

    def _written(self, work: Any, *args: Any) -> Deferred[Any]:
        """Write, as long as it is ours to do."""
        sync = self.sync
        written: Deferred[Any] = (
            sync.catalog.write(work, *args) if sync.hold is None else sync.catalog.write(_held, sync.hold, work, *args)
        )
        return written


def _held(connection: Any, hold: Any, work: Any, *args: Any) -> Any:
    """Do *work*, unless it is somebody else's by now."""
    hold(connection)
    return work(connection, *args)


async def _released(lock: Any) -> None:
    await lock.release()
