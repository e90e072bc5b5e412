"""Keep in the catalog how far a sync has come, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from twisted_pulp.catalog import runs
from twisted_pulp.errors import PulpError

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from twisted_pulp.stages._progress import ProgressReport
    from twisted_pulp.stages._sync import Sync

__all__ = ["Recording"]

# So many failures are kept with a run; who wants all of them has them while it runs.
_LISTED = 100
# Seconds between two transactions that only say how far the run has come; the last one is made at once.
_INTERVAL = 0.5


class Recording:
    """
    The row of one run, and those of its progress.

    :param sync: the run.
    :param kind: of run, as it is listed.
    """

    _log = Logger()

    def __init__(self, sync: Sync, kind: str) -> None:
        self._sync, self._kind = sync, kind
        self._id: int | None = None
        self._changed: dict[str, ProgressReport] = {}
        self._writing: Deferred[None] | None = None
        self._later: IDelayedCall | None = None

    async def start(self) -> None:
        """Let the run begin."""
        sync = self._sync
        self._id = await sync.catalog.write(_started, self._kind, sync.repository.id, sync.now())
        self._ignore = sync.reports.observe(self._note)

    def _note(self, reports: tuple[ProgressReport, ...]) -> None:
        self._changed.update((report.code, report) for report in reports)
        if self._later is None:
            self._later = self._sync.context.reactor.callLater(_INTERVAL, self._begin)

    def _begin(self) -> None:
        self._later = None
        if self._writing is None or self._writing.called:
            self._writing = Deferred.fromCoroutine(self._write())
        else:  # this database is slow
            self._note(())

    async def _write(self) -> None:
        """Write what has changed."""
        changed, self._changed = tuple(self._changed.values()), {}
        if changed:
            try:
                await self._sync.catalog.write(runs.progress, self._id, [row_of(report) for report in changed])
            except PulpError as error:  # the sync itself will meet it, if it lasts
                self._log.warn("the progress of a sync was not saved: {error}", error=error)
            except Exception:
                self._log.failure("the progress of a sync was not saved")

    async def finish(self, version: Any, error: BaseException | None) -> None:
        """Let the run end with *version*, or with *error*."""
        sync = self._sync
        sync.reports.close()
        self._ignore()
        if self._later is not None:
            self._later.cancel()
        if self._writing is not None:
            await self._writing
        await self._write()
        state = "completed" if error is None else "canceled" if isinstance(error, CancelledError) else "failed"
        words = None if error is None else str(error) or type(error).__name__
        try:
            await sync.catalog.write(
                runs.finish, self._id, state, sync.now(), result=result_of(sync, version), error=words
            )
        except PulpError as failed:  # what came of it holds all the same
            self._log.warn("the end of a run was not saved: {error}", error=failed)
        except Exception:
            self._log.failure("the end of a run was not saved")


def _started(connection: Any, kind: str, repository_id: int, now: float) -> int:
    """Note a run of a repository, whose lock the caller holds: any other is dead."""
    runs.abandon(connection, repository_id, now)
    return runs.start(connection, kind, repository_id, now)


def result_of(sync: Sync, version: Any) -> dict[str, Any]:
    """Return what is kept of what came of a run."""
    counts = {} if version is None else {"added": version.added, "removed": version.removed, "present": version.present}
    number = None if version is None else version.number
    failed = [f"{each.path or ''}: {each.error}" for each in sync.failed[:_LISTED]]
    return {
        "version": number,
        **counts,
        "downloaded": sync.downloaded,
        "bytes": sync.bytes,
        "failed": len(sync.failed),
        "failures": failed,
    }


def row_of(report: ProgressReport) -> runs.ProgressRow:
    """Return *report* as the catalog has it."""
    return runs.ProgressRow(
        code=report.code,
        message=report.message,
        state=report.state,
        total=report.total,
        done=report.done,
        bytes=report.bytes,
        suffix=report.suffix,
    )
