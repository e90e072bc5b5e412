"""What is being downloaded, or was, and is not stored yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted_pulp.stages._budget import Budget
from twisted_pulp.stages._declarative import DeclarativeArtifact

if TYPE_CHECKING:
    from twisted_pulp.download import DownloadReport

__all__ = ["Flight"]


def nothing() -> None:
    """Do nothing."""


class Flight:
    """
    The artifacts in flight: those on their way, and those that have landed in the directory for temporaries.

    :param budget: in which each has its place.
    :ivar hurry: called when others wait for the places of those that have landed.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._landed: dict[DeclarativeArtifact, None] = {}
        self.hurry: Callable[[], None] = nothing

    async def begin(self, artifact: DeclarativeArtifact) -> None:
        """Wait until the budget has a place for *artifact*."""
        admission = self._budget.admit(artifact.size)
        if not admission.called:
            self.press()
        artifact.admission = await admission

    def landed(self, artifact: DeclarativeArtifact, report: DownloadReport) -> None:
        """*artifact* has come."""
        artifact.report, artifact.path, artifact.sha256 = report, report.path, report.digests["sha256"]
        artifact.size = report.size
        self._landed[artifact] = None
        self.press()

    def stored(self, artifact: DeclarativeArtifact) -> None:
        """*artifact* is in the storage, or cannot be."""
        self._landed.pop(artifact, None)
        artifact.path = None
        artifact.release()

    @property
    def left(self) -> list[DeclarativeArtifact]:
        """The artifacts that have landed."""
        return list(self._landed)

    def press(self) -> None:
        """Let what has landed be stored if others wait for its places."""
        if self._landed and self._budget.presses(len(self._landed)):
            self.hurry()

    def __repr__(self) -> str:
        return f"<Flight {len(self._landed)} landed, {self._budget!r}>"
