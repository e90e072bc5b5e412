"""Jobs that verify what is stored, and remove what nothing refers to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import asdict, define
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from zope.interface import implementer

from twisted_pulp.catalog import Catalog
from twisted_pulp.context import Context
from twisted_pulp.interfaces import IStorage
from twisted_pulp.jobs._kind import IJobKind
from twisted_pulp.jobs._task import Task
from twisted_pulp.upkeep import Cleanup, Repair, Unrepairable, Verification

__all__ = ["CleanupKind", "VerifyKind"]

#: Seconds between two looks at how far it is; and failures that a result names.
_LOOK, _LISTED = 0.5, 100


@implementer(IJobKind)
@define(eq=False)
class VerifyKind:
    """
    Read every stored file again; the payload may have ``repair``: whether to download again what is damaged.

    :param context: reaches the sources of what is to be repaired.
    """

    yields = False
    _context: Context
    _catalog: Catalog
    _storage: IStorage

    def run(self, task: Task) -> Deferred[Mapping[str, Any]]:
        """Verify; see `IJobKind.run`."""
        return Deferred.fromCoroutine(self._run(task))

    async def _run(self, task: Task) -> Mapping[str, Any]:
        repair = Repair(self._catalog, self._storage, self._context) if task.job.payload.get("repair") else None
        verification = Verification(self._catalog, self._storage, repair=repair)
        found = verification.found
        await _watched(
            self._context.reactor,
            lambda: task.progress(done=found.checked, failed=found.damaged - found.repaired, bytes=found.bytes),
            verification.run(),
        )
        return {
            "checked": found.checked,
            "bytes": found.bytes,
            "damaged": found.damaged,
            "repaired": found.repaired,
            "unrepairable": [_unrepairable(each) for each in found.unrepairable[:_LISTED]],
        }


def _unrepairable(each: Unrepairable) -> dict[str, Any]:
    return {"sha256": each.damage.sha256, "kind": each.damage.kind, "paths": list(each.paths), "reason": each.reason}


@implementer(IJobKind)
@define(eq=False)
class CleanupKind:
    """
    Remove what nothing refers to.

    The payload may have ``grace``: seconds that it stays anyhow, default a day; and ``unused`` and ``capacity``, as
    `twisted_pulp.upkeep.Cleanup` has them.
    """

    yields = False
    _reactor: Any
    _catalog: Catalog
    _storage: IStorage

    def run(self, task: Task) -> Deferred[Mapping[str, Any]]:
        """Clean up; see `IJobKind.run`."""
        return Deferred.fromCoroutine(self._run(task))

    async def _run(self, task: Task) -> Mapping[str, Any]:
        given = {name: task.job.payload.get(name) for name in ("grace", "unused", "capacity")}
        limits = {name: value for name, value in given.items() if value is not None}
        cleanup = Cleanup(self._catalog, self._storage, **limits, now=task.now)
        done = cleanup.done

        def tell() -> None:
            task.progress(done=done.content + done.artifacts + done.files, bytes=done.bytes)

        await _watched(self._reactor, tell, cleanup.run())
        return asdict(done)


async def _watched(reactor: Any, tell: Callable[[], None], work: Deferred[Any]) -> None:
    """Wait for *work*, and *tell* now and then, and at its end, how far it is."""
    look = LoopingCall(tell)
    look.clock = reactor
    look.start(_LOOK, now=False)
    try:
        await work
    finally:
        look.stop()
        tell()
