"""Why a sync makes no version."""

from __future__ import annotations

from twisted_pulp.errors._root import PulpError

__all__ = ["TooManyFailed"]


class TooManyFailed(PulpError):
    """
    More units failed than are tolerated, so there is no new version: sync again, or tolerate more.

    :ivar failed: units that failed.
    :ivar units: units in all, so far.
    :ivar tolerance: how many may fail, or which share of all.
    """

    def __init__(self, failed: int, units: int, tolerance: float) -> None:
        super().__init__(failed, units, tolerance)
        self.failed, self.units, self.tolerance = failed, units, tolerance

    def __str__(self) -> str:
        share = isinstance(self.tolerance, float)
        allowed = f"{self.tolerance:.2%}" if share else f"{self.tolerance}"
        return f"{self.failed} of {self.units} units failed, and {allowed} may"
