"""The sync of one repository, whatever its content type is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from twisted_pulp.catalog import versions
from twisted_pulp.content._result import SyncResult
from twisted_pulp.stages import DeclarativeVersion, Pipeline, Stage, Sync

__all__ = ["synchronize"]


def synchronize(
    type: Any,
    repository: Any,
    *,
    force: bool = False,
    observe: Callable[[Any], object] | None = None,
    **fields: Any,
) -> Deferred[SyncResult]:
    """
    Let *repository* have what the upstream of its Remote has; another sync of the same repository is waited for.

    :param type: an `IContentType`, as `content_type` returns it.
    :param repository: its row.
    :param force: whether everything is looked at although nothing seems to have changed; default false.
    :param observe: called with a tuple of `ProgressReport` copies, twice a second at most; default None.
    :param fields: those of `Sync`: `context`, `catalog`, `storage`, `remote` with a `url`; others have defaults:
        `remote_id`, `policy`, `mirror`, `keep_going`, `tolerance`, `concurrency`, `budget`, `now`.
    :returns: a Deferred of what came of it; it fails with the first failure. To cancel it ends the sync and keeps what
        was downloaded.
    """
    made = _Version(type.first_stage(force), repository, **fields)
    return Deferred.fromCoroutine(_synchronized(made, observe))


async def _synchronized(made: DeclarativeVersion, observe: Callable[[Any], object] | None) -> SyncResult:
    sync = made.sync
    began = sync.now()
    unobserve = None if observe is None else sync.reports.observe(observe)
    try:
        version = await made.create()
    finally:
        if unobserve is not None:
            sync.reports.close()
            unobserve()
    row = version or await sync.catalog.read(versions.latest, sync.repository.id)
    return SyncResult(
        version=None if version is None else version.number,
        added=0 if version is None else version.added,
        removed=0 if version is None else version.removed,
        present=0 if row is None else row.present,
        downloaded=sync.downloaded,
        bytes=sync.bytes,
        failed=tuple(sync.failed),
        seconds=sync.now() - began,
        skipped=sync.skipped,
    )


class _Version(DeclarativeVersion):
    """A version that remembers what its first stage has seen and kept."""

    def pipeline(self, draft: Any) -> Pipeline:
        """Return the stages, and one more at the end."""
        return Pipeline([*super().pipeline(draft).stages, _Remember(draft)])


class _Remember(Stage):
    """
    When everything is in the version, note what the next sync and an export will want to know.

    :param draft: the version that is being made.
    """

    patience = None
    sync: Sync

    def __init__(self, draft: Any) -> None:
        super().__init__()
        self._draft = draft

    async def run(self) -> None:
        """Wait for the end of all units."""
        async for _ in self.batches():
            pass
        sync = self.sync
        if sync.skipped:
            return
        if sync.kept:
            await sync.catalog.write(versions.keep, self._draft, sync.kept)
        if sync.synced is not None and sync.failed:
            # What failed is wanted again, although the upstream may be the same.
            sync.synced = {**sync.synced, "complete": False}
