"""`pulpdownloader sync`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from attrs import define, field

from twisted_pulp.cli._desk import Desk, worked
from twisted_pulp.cli._options import SyncOptions
from twisted_pulp.cli._place import Place
from twisted_pulp.cli._upstream import prepared
from twisted_pulp.cli._words import amount
from twisted_pulp.context import Context
from twisted_pulp.errors import PulpError, SettingsError, TooManyFailed

if TYPE_CHECKING:
    from twisted_pulp.content import SyncResult

__all__ = ["sync"]

_DOWNLOADS = "sync.downloading.artifacts"
_PARTS = ("sync.downloading.metadata", "sync.parsing.metadata", _DOWNLOADS, "associating.content")
_ORDER = {code: at for at, code in enumerate((*_PARTS, "unassociating.content"))}


def sync(place: Place, options: SyncOptions) -> int:
    """Do what *options* ask for, and return the exit status."""
    if place.server is not None:
        return worked(place, lambda desk: _elsewhere(desk, options))
    import twisted_pulp.content  # noqa: F401 -- here nothing is collected meanwhile

    fsync = "full" if options.fsync else "none"
    return worked(place, Syncing(options).act, write=True, wait=not options.no_wait, fsync=fsync)


async def _elsewhere(desk: Desk, options: SyncOptions) -> None:
    from twisted_pulp.cli._sync_elsewhere import sync_elsewhere

    if options.config is not None:
        raise SettingsError("--config", options.config, "left out: the server has settings of its own")
    await sync_elsewhere(desk, options)


@define(eq=False)
class Syncing:
    """One sync, and what is said of it."""

    _options: SyncOptions
    _reports: dict[str, Any] = field(init=False, factory=dict)
    _began: float = field(init=False, factory=time.monotonic)

    async def act(self, desk: Desk) -> None:
        """Sync, and answer."""
        options = self._options
        desk.show(self._shown, options.quiet)
        try:
            result = await self._synced(desk)
        except PulpError as error:
            self._answer_failure(desk, error)
            raise
        for each in result.failed:
            desk.fail(f"{_name(each)}: {each.error}")
        seconds = time.monotonic() - self._began
        desk.answer(_document(result, seconds), [] if options.quiet else [_words(options, result, seconds)])

    async def _synced(self, desk: Desk) -> SyncResult:
        from twisted_pulp.content import content_type, synchronize
        from twisted_pulp.stages import Budget
        from twisted_pulp.upkeep import KeptPaces

        options, data = self._options, desk.data
        kind = content_type(options.type)
        upstream = await data.catalog.write(prepared, data.catalog.key, options)
        context = Context(desk.reactor, connections=options.jobs, per_host=options.jobs)
        paces = KeptPaces(context, data.catalog)
        await paces.recall()
        try:
            return await synchronize(
                kind,
                upstream.repository,
                force=options.force,
                observe=self._observe,
                context=context,
                catalog=data.catalog,
                storage=data.storage,
                remote=upstream.remote,
                remote_id=upstream.remote_id,
                mirror=options.mirror,
                keep_going=options.keep_going,
                budget=Budget(options.in_flight, options.in_flight_files),
                tolerance=options.tolerance,
                concurrency=options.jobs,
            )
        finally:
            await paces.save()
            await context.close()

    def _shown(self) -> list[Any]:
        """Return the reports in the order in which units pass; those of other projects' stages come last."""
        return sorted(self._reports.values(), key=lambda each: (_ORDER.get(each.code, len(_ORDER)), each.code))

    def _observe(self, reports: tuple[Any, ...]) -> None:
        self._reports.update((each.code, each) for each in reports)

    def _answer_failure(self, desk: Desk, error: PulpError) -> None:
        downloads = self._reports.get(_DOWNLOADS)
        failures = error.failures if isinstance(error, TooManyFailed) else ()
        for each in failures:
            desk.fail(f"{_name(each)}: {each.error}")
        desk.answer(
            {
                "version": None,
                "added": 0,
                "removed": 0,
                "present": None,
                "downloaded": 0 if downloads is None else downloads.done,
                "bytes": 0 if downloads is None else downloads.bytes,
                "failed": [*map(_failed, failures), {"path": None, "error": str(error)}],
                "seconds": round(time.monotonic() - self._began, 3),
            }
        )


def _name(failed: Any) -> str:
    return failed.path or failed.content.place or " ".join(failed.content.key)


def _failed(unit: Any) -> dict[str, str]:
    return {"path": _name(unit), "error": str(unit.error)}


def _document(result: SyncResult, seconds: float) -> dict[str, Any]:
    return {
        "version": result.version,
        "added": result.added,
        "removed": result.removed,
        "present": result.present,
        "downloaded": result.downloaded,
        "bytes": result.bytes,
        "failed": [*map(_failed, result.failed)],
        "seconds": round(seconds, 3),
    }


def _words(options: SyncOptions, result: SyncResult, seconds: float) -> str:
    if result.version is None:
        return f"{options.repository}: nothing has changed; {result.present} present, in {seconds:.2f} s"
    changes = f"{result.added} added, {result.removed} removed, {result.present} present"
    came = f"{result.downloaded} downloaded, {amount(result.bytes)}"
    return f"{options.repository}: version {result.version}: {changes}; {came} in {seconds:.2f} s"
