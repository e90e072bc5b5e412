"""Jobs that sync a repository."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define, field
from sqlalchemy import Connection
from twisted.internet.defer import Deferred
from zope.interface import implementer

from twisted_pulp.catalog import Catalog, remotes, repositories
from twisted_pulp.context import Context
from twisted_pulp.errors import NotInCatalog, SettingsError
from twisted_pulp.interfaces import IStorage
from twisted_pulp.jobs._crew import Crew
from twisted_pulp.jobs._kind import IJobKind
from twisted_pulp.jobs._task import Task
from twisted_pulp.settings import Remote

__all__ = ["SyncKind"]

#: The part whose figures are those of the job; and failures that its result names.
_DOWNLOADS, _LISTED = "sync.downloading.artifacts", 100
_OPTIONS = "mirror", "keep_going", "policy", "tolerance"


@implementer(IJobKind)
@define(eq=False)
class SyncKind:
    """
    Let a repository have what its upstream has.

    The payload has ``repository``, a name; it may have ``remote`` (default: that of the repository), ``force`` and
    ``mirror``, ``keep_going``, ``policy``, ``tolerance`` as `twisted_pulp.stages.Sync` has them; and ``type``, of which
    a repository is made that is not there.

    :param context: what downloads share.
    :param catalog: what is known.
    :param storage: where the files go.
    :param concurrency: downloads in flight in one sync; default None: as many as the context can use.
    :param in_flight: bytes and files of one sync that are asked for and not stored yet; default 4 GiB and 1,000.
    :param crew: the processes that fetch a part; default None: this one fetches all.
    """

    yields = False
    _context: Context
    _catalog: Catalog
    _storage: IStorage
    concurrency: int | None = field(kw_only=True, default=None)
    in_flight: tuple[int | None, int | None] = field(kw_only=True, default=(4 << 30, 1000))
    crew: Crew | None = field(kw_only=True, default=None)

    def run(self, task: Task) -> Deferred[Mapping[str, Any]]:
        """Sync; see `IJobKind.run`."""
        return Deferred.fromCoroutine(self._run(task))

    async def _run(self, task: Task) -> Mapping[str, Any]:
        from twisted_pulp.content import content_type, synchronize
        from twisted_pulp.stages import Budget

        payload = task.job.payload
        repository, number, remote = await self._catalog.write(_upstream, payload, self._catalog.key, task.now())
        options = {name: payload[name] for name in _OPTIONS if payload.get(name) is not None}
        result = await synchronize(
            content_type(repository.type),
            repository,
            force=bool(payload.get("force")),
            observe=lambda reports: _tell(task, reports),
            context=self._context,
            catalog=self._catalog,
            storage=self._storage,
            remote=remote,
            remote_id=number,
            concurrency=self.concurrency,
            budget=Budget(*self.in_flight),
            now=task.now,
            crew=None if self.crew is None else self.crew.of(task),
            hold=task.hold,
            **options,
        )
        # What observers are told comes now and then; these are the figures of the end.
        done, failed = result.downloaded, len(result.failed)
        task.progress(total=done + failed, done=done, failed=failed, bytes=result.bytes)
        return _document(repository.name, result)


def _upstream(connection: Connection, payload: Mapping[str, Any], key: Any, now: float) -> tuple[Any, int, Remote]:
    name, wanted = payload["repository"], payload.get("remote")
    row = None if wanted is None else remotes.get(connection, wanted)
    try:
        repository = repositories.get(connection, name)
    except NotInCatalog:
        if row is None or "type" not in payload:
            raise
        repository = repositories.create(connection, name, payload["type"], now, remote_id=row.id)
    number = repository.remote_id if row is None else row.id
    if number is None:
        raise SettingsError("remote", None, f"given, for the repository {name} has none")
    remote = remotes.reach(connection, number, key)
    if remote.url is None:
        raise SettingsError("url", None, f"a setting of the remote that {name} is synced with")
    return repository, number, remote


def _tell(task: Task, reports: Sequence[Any]) -> None:
    parts = {part["code"]: part for part in task.parts}
    for each in reports:
        parts[each.code] = _part(each)
        if each.code == _DOWNLOADS:
            task.progress(total=each.total or each.done, done=each.done, bytes=each.bytes)
    task.progress(parts=list(parts.values()))


def _part(report: Any) -> dict[str, Any]:
    names = "code", "message", "state", "total", "done", "bytes", "suffix"
    return {name: getattr(report, name) for name in names}


def _document(name: str, result: Any) -> dict[str, Any]:
    return {
        "repository": name,
        "version": result.version,
        "added": result.added,
        "removed": result.removed,
        "present": result.present,
        "downloaded": result.downloaded,
        "bytes": result.bytes,
        "skipped": result.skipped,
        "failed": len(result.failed),
        "failures": [{"path": each.path, "error": str(each.error)} for each in result.failed[:_LISTED]],
    }
