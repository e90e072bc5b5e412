"""What a run leads to. Nothing here waits or writes; it only decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen
from twisted.internet.defer import CancelledError

from twisted_pulp.catalog.jobs import JobRow
from twisted_pulp.catalog.leases import Lost
from twisted_pulp.errors import CatalogFull, PulpError, StorageFull
from twisted_pulp.settings import Retry

__all__ = ["BACKOFF", "DEATHS", "Outcome", "after_death", "after_run", "delay"]

#: Between two runs of a job that fails: the downloads in it have had their own tries already.
BACKOFF = Retry(retries=0, base=10.0, factor=4.0, cap=900.0)
#: Times in a row that a job's process may die before the job is taken to be the reason; from `_PATIENT` on, it waits.
DEATHS, _PATIENT = 30, 10

Uniform = Callable[[float, float], float]


@frozen(kw_only=True)
class Outcome:
    """
    What becomes of a job after a run.

    :ivar state: that it has then.
    :ivar delay: seconds before it is begun again; None: at once.
    :ivar failures: runs in a row that failed.
    :ivar full: whether there is no room, so that nothing else should be begun either.
    """

    state: str
    result: Mapping[str, Any] | None = None
    error: str | None = None
    delay: float | None = None
    failures: int = 0
    parked: bool = False
    full: bool = False


def delay(retry: Retry, failures: int, uniform: Uniform) -> float:
    """Return how long to wait after so many failures in a row: full jitter."""
    return uniform(0.0, min(retry.cap, retry.base * retry.factor ** min(failures - 1, 64)))


def after_run(
    row: JobRow, error: BaseException | None, result: Any, *, attempts: int, retry: Retry, uniform: Uniform
) -> Outcome:
    """
    Return what becomes of *row* after a run that nobody has broken off.

    :param error: why it failed; None: it did not.
    :param attempts: runs in a row that may fail.
    """
    if error is None:
        return Outcome(state="completed", result=result)
    words = str(error) or type(error).__name__
    if isinstance(error, StorageFull | CatalogFull):
        return Outcome(state="waiting", error=words, failures=row.failures, full=True)
    # What nobody foresaw may be a matter of the moment; if not, it is parked in the end.
    again = (
        getattr(error, "retryable", False)
        if isinstance(error, PulpError) and not isinstance(error, CancelledError)
        else True
    )
    failures = row.failures + 1
    if not again:
        return Outcome(state="failed", result=result, error=words, failures=failures)
    if failures >= attempts:
        return Outcome(state="failed", result=result, error=words, failures=failures, parked=True)
    return Outcome(state="waiting", error=words, failures=failures, delay=delay(retry, failures, uniform))


def after_death(row: JobRow, now: float, uniform: Uniform) -> Lost:
    """
    Return what becomes of *row*, whose holder died: it is begun again, unless that kills whoever does it.

    :param now: seconds since the epoch.
    """
    deaths = row.deaths + 1
    if deaths >= DEATHS:
        return Lost("failed", None, f"whoever ran it died, {deaths} times in a row")
    if deaths < _PATIENT:
        return Lost("waiting")
    return Lost("waiting", now + delay(Retry(base=1.0, factor=2.0, cap=60.0), deaths - _PATIENT + 1, uniform))
