"""`pulpdownloader verify` and `cleanup`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import attrs

from twisted_pulp.cli._desk import Desk, worked
from twisted_pulp.cli._place import Place
from twisted_pulp.cli._words import amount
from twisted_pulp.stages import ProgressReport

if TYPE_CHECKING:
    from twisted_pulp.client import Client
    from twisted_pulp.documents import Job
    from twisted_pulp.upkeep import Damage, Unrepairable, Verified

__all__ = ["cleanup", "verify"]


def verify(place: Place, repair: bool, jobs: int | None, wait: bool, quiet: bool) -> int:
    """
    Read every stored file again, and repair what is damaged if *repair*.

    :returns: the exit status: 0 nothing is damaged any more, 1 something is.
    """

    async def act(desk: Desk) -> None:
        if desk.server is not None:
            await _verify_elsewhere(desk, desk.server, repair, quiet)
            return
        from twisted_pulp.upkeep import Repair, Verification

        began, context = time.monotonic(), None
        mending = None
        if repair:
            from twisted_pulp.context import Context

            context = Context(desk.reactor)
            mending = Repair(desk.data.catalog, desk.data.storage, context)
        verification = Verification(
            desk.data.catalog, desk.data.storage, repair=mending, jobs=jobs, damaged=lambda each: _say(desk, each)
        )
        desk.show(lambda: [_progress(verification.found)], quiet)
        try:
            await verification.run()
        finally:
            _answer(desk, verification.found, repair, quiet, time.monotonic() - began)
            if context is not None:
                await context.close()

    return worked(place, act, write=repair, wait=wait)


async def _verify_elsewhere(desk: Desk, server: Client, repair: bool, quiet: bool) -> None:
    from twisted_pulp.documents import NewVerification

    began = time.monotonic()
    result = await _ended(desk, await server.jobs.verify(NewVerification(repair=repair)), "Verifying Artifacts", quiet)
    for each in result["unrepairable"]:
        names = f" ({', '.join(each['paths'])})" if each["paths"] else ""
        desk.complain(f"not repaired: {each['sha256']}{names}: {each['reason']}")
    _conclude(desk, result, repair, quiet, time.monotonic() - began)


async def _ended(desk: Desk, job: Job, message: str, quiet: bool) -> Any:
    """Return the result of *job* at its end."""
    from twisted_pulp.cli._waiting import ended
    from twisted_pulp.client import JobEnded

    job = await ended(desk, job, job.kind, message, quiet)
    if job.state != "completed":
        raise JobEnded(job)
    return job.result


def _progress(found: Verified) -> ProgressReport:
    return ProgressReport(
        code="verifying.artifacts",
        message="Verifying Artifacts",
        done=found.checked,
        bytes=found.bytes,
        suffix=f"{found.damaged} damaged" if found.damaged else None,
        state="running",
    )


def _say(desk: Desk, damage: Damage) -> None:
    desk.complain(f"damaged: {damage.sha256}: {damage.kind}")


def _answer(desk: Desk, found: Verified, repair: bool, quiet: bool, seconds: float) -> None:
    for each in found.unrepairable:
        names = f" ({', '.join(each.paths)})" if each.paths else ""
        desk.complain(f"not repaired: {each.damage.sha256}{names}: {each.reason}")
    document = {
        "checked": found.checked,
        "damaged": found.damaged,
        "repaired": found.repaired,
        "unrepairable": [_document(each) for each in found.unrepairable],
        "bytes": found.bytes,
    }
    _conclude(desk, document, repair, quiet, seconds)


def _conclude(desk: Desk, found: dict[str, Any], repair: bool, quiet: bool, seconds: float) -> None:
    if found["damaged"] > found["repaired"]:
        desk.status = 1
    mended = f", {found['repaired']} repaired" if repair else ""
    files = f"{found['checked']} files, {amount(found['bytes'])}: {found['damaged']} damaged{mended}; {seconds:.2f} s"
    desk.answer(found | {"seconds": round(seconds, 3)}, [] if quiet else [files])


def _document(failed: Unrepairable) -> dict[str, Any]:
    damage = failed.damage
    return {
        "sha256": damage.sha256,
        "size": damage.size,
        "kind": damage.kind,
        "paths": failed.paths,
        "reason": failed.reason,
    }


def cleanup(place: Place, grace: float, unused: float | None, capacity: int | None, wait: bool) -> int:
    """
    Remove what nothing refers to and nothing wanted for *grace* seconds; return the exit status.

    :param unused: seconds after which what was pulled through goes if nobody wants it, or None.
    :param capacity: bytes of what was pulled through that stay at most, or None.
    """

    async def act(desk: Desk) -> None:
        began = time.monotonic()
        limits = {"grace": grace, "unused": unused, "capacity": capacity}
        done = await _cleaned(desk, limits)
        seconds = time.monotonic() - began
        words = f"removed {done['content']} content, {done['artifacts']} artifacts and {done['files']} files; "
        if unused is not None or capacity is not None:
            words = f"forgot {done['pulled']} pulled files and {done['links']} links, {words}"
        document = done | {"seconds": round(seconds, 3)}
        desk.answer(document, [f"{words}{amount(done['bytes'])} in {seconds:.2f} s"])

    return worked(place, act, write=True, wait=wait)


async def _cleaned(desk: Desk, limits: dict[str, Any]) -> Any:
    if desk.server is not None:
        from twisted_pulp.documents import NewCleanup

        return await _ended(desk, await desk.server.jobs.cleanup(NewCleanup(**limits)), "Cleaning up", True)
    from twisted_pulp.upkeep import Cleanup

    return attrs.asdict(await Cleanup(desk.data.catalog, desk.data.storage, **limits).run())
