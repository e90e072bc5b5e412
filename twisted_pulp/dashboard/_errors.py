"""What went wrong, why, and a button to try it again."""

from __future__ import annotations

from collections.abc import Sequence

from twisted_pulp.dashboard._visit import LIMIT, Page, Route, Visit
from twisted_pulp.errors import BrokerUnavailable
from twisted_pulp.jobs import DeadLetters, Parked

__all__ = ["ROUTES"]

#: Jobs of one page, files of each that are told, and failed tries of late.
_JOBS, _FEW, _LATE = 20, 3, 50


async def _errors(visit: Visit) -> Page:
    jobs, after = visit.running.jobs, visit.number("after")
    page = await jobs.list(state="failed", after=after, limit=_JOBS, owner=visit.session.only)
    failed = []
    for job in page.items:
        items = (await jobs.items(job.uid, state="failed", limit=_FEW)).items if job.failed else ()
        failed.append((job, items))
    # What is downloaded for one may be nothing that another may know of.
    late = [] if visit.session.only is not None else list(reversed(visit.running.troubles.recent))[:_LATE]
    values = {"failed": failed, "late": late, "first": after is None, "next": page.next, "link": visit.link}
    return Page("errors.html", {**values, "limit": LIMIT, "aside": await _put_aside(visit)})


async def _put_aside(visit: Visit) -> Sequence[Parked] | None:
    """Return messages that the broker has put aside; None: there is nobody to put them aside, or to see them."""
    jobs = visit.running.jobs
    if not jobs.broker.shared or not visit.session.may("admin"):
        return None
    try:
        return await DeadLetters(jobs).list(_LATE)
    except BrokerUnavailable:
        return ()


ROUTES = (Route("GET", ("errors",), _errors),)
