"""Why a sync makes no version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted_pulp.errors._root import DownloadError, PulpError

__all__ = ["FetchFailed", "StageStuck", "TooManyFailed"]


class FetchFailed(DownloadError):
    """
    Another process, which fetches a part of a sync, could not fetch a file: it says why.

    :ivar retryable: whether trying again may help, as that process says.
    """

    def __init__(self, url: str = "", detail: str = "", *, retryable: bool = False) -> None:
        super().__init__(url, detail)
        self.retryable = retryable


class StageStuck(PulpError):
    """
    A stage waited for what never came, so there is no new version: mend the stage, or give it more patience.

    :ivar stages: names of the classes of those that waited.
    :ivar seconds: for which nothing moved.
    """

    def __init__(self, stages: Sequence[str], seconds: float) -> None:
        super().__init__(stages, seconds)
        self.stages, self.seconds = tuple(stages), seconds

    def __str__(self) -> str:
        return f"{' and '.join(self.stages)} went on for {self.seconds:g} s while nothing moved"


class TooManyFailed(PulpError):
    """
    More units failed than are tolerated, so there is no new version: sync again, or tolerate more.

    :ivar failed: units that failed.
    :ivar units: units in all, so far.
    :ivar tolerance: how many may fail, or which share of all.
    :ivar failures: the units that failed, and why: `twisted_pulp.stages.FailedUnit`.
    """

    def __init__(self, failed: int, units: int, tolerance: float, failures: Sequence[Any] = ()) -> None:
        super().__init__(failed, units, tolerance)
        self.failed, self.units, self.tolerance, self.failures = failed, units, tolerance, tuple(failures)

    def __str__(self) -> str:
        share = isinstance(self.tolerance, float)
        allowed = f"{self.tolerance:.2%}" if share else f"{self.tolerance}"
        first = f"; the first: {self.failures[0].error}" if self.failures else ""
        return f"{self.failed} of {self.units} units failed, and {allowed} may{first}"
