"""A job of a server, and the wait for its end."""

from __future__ import annotations

from typing import Any

from twisted_pulp.cli._desk import Desk
from twisted_pulp.client import JobEnded
from twisted_pulp.documents import Job
from twisted_pulp.stages import ProgressReport

__all__ = ["ended"]

_STATES = {"waiting": "waiting", "paused": "waiting", "cancelled": "canceled"}


async def ended(desk: Desk, job: Job, code: str, message: str, quiet: bool) -> Job:
    """
    Wait for the end of *job*, and show how far it is.

    To interrupt the wait does not end the job.

    :param code: of what is shown, for programs; *message* for people.
    :returns: what it was at its end, completed or not.
    """
    assert desk.server is not None
    shown = ProgressReport(code=code, message=message, state="running")

    def see(job: Job) -> None:
        shown.total, shown.done, shown.bytes = job.total, job.done, job.bytes
        shown.suffix = f"{job.failed} failed" if job.failed else None
        shown.state = _state(job)

    desk.parting = f"the server goes on with job {job.id}; see `pulpdownloader job show {job.id}`"
    desk.show(lambda: [shown], quiet)
    try:
        return await desk.server.jobs.ended(job.id, see)
    except JobEnded as error:
        return error.job


def _state(job: Job) -> Any:
    return _STATES.get(job.state, job.state)
