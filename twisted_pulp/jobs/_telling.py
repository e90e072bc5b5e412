"""What others are told of jobs: changes at once, progress now and then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from twisted_pulp.catalog._parts import PARTS
from twisted_pulp.jobs._values import Job

__all__ = ["Tell", "Telling"]

_log = Logger()

Tell = Callable[[str, Mapping[str, Any]], object]
#: Seconds between two tellings of one job's progress.
_INTERVAL = 0.25


@define(eq=False)
class Telling:
    """
    Tells of jobs.

    :param reactor: its clock.
    :param tell: called with the name of an event, and what is known.
    """

    _reactor: IReactorTime
    _tell: Tell
    _latest: dict[str, Mapping[str, Any]] = field(init=False, factory=dict)
    _calls: dict[str, IDelayedCall] = field(init=False, factory=dict)

    def changed(self, job: Job, **more: Any) -> None:
        """Tell of another state at once."""
        if job.kind in PARTS:
            return
        self._latest.pop(job.uid, None)
        call = self._calls.pop(job.uid, None)
        if call is not None:
            call.cancel()
        self._say("job", _data(job, more))

    def progressed(self, job: Job, **more: Any) -> None:
        """Tell how far a job is, unless something newer comes soon."""
        if job.kind in PARTS:
            return
        self._latest[job.uid] = _data(job, more)
        if job.uid not in self._calls:
            self._flush(job.uid)

    def _flush(self, uid: str) -> None:
        self._calls.pop(uid, None)
        data = self._latest.pop(uid, None)
        if data is not None:
            self._calls[uid] = self._reactor.callLater(_INTERVAL, self._flush, uid)
            self._say("job", data)

    def failed(self, job: Job, number: int, url: str, error: str | None) -> None:
        """Tell of an item that failed."""
        about = {"uid": job.uid, "owner": job.owner, "number": number}
        self._say("item", {**about, "state": "failed", "url": url, "error": error})

    def _say(self, event: str, data: Mapping[str, Any]) -> None:
        try:
            self._tell(event, data)
        except Exception:
            _log.failure("what was to be told of a job was not heard")

    def close(self) -> None:
        """Tell nothing any more."""
        for call in self._calls.values():
            call.cancel()
        self._calls.clear()
        self._latest.clear()


def _data(job: Job, more: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "uid": job.uid,
        "owner": job.owner,
        "kind": job.kind,
        "state": job.state,
        "remote": job.remote,
        "priority": job.priority,
        "total": job.total,
        "done": job.done,
        "failed": job.failed,
        "bytes": job.bytes,
        "error": job.error,
        **more,
    }
