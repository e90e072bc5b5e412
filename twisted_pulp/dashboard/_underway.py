"""How far jobs are that run, on whichever node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from attrs import evolve

from twisted_pulp.dashboard._visit import Visit

if TYPE_CHECKING:
    from twisted_pulp.jobs._reports import Report

__all__ = ["under_way"]


async def under_way(visit: Visit, jobs: Iterable[Any]) -> tuple[list[Any], Mapping[str, Report]]:
    """Return *jobs*, with what has come of files that are not finished, and what else is told of those that run."""
    from twisted_pulp.jobs._reports import Report, reports_of

    found = list(jobs)
    running = {job.uid: job.bytes for job in found if job.state == "running"}
    reports = await reports_of(visit.running.jobs, running) if running else {}
    nothing = Report()
    return [evolve(job, bytes=job.bytes + reports.get(job.uid, nothing).coming) for job in found], reports
