"""What is being downloaded, or was, and is not stored yet."""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_hex
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

from twisted_pulp.stages._budget import Budget
from twisted_pulp.stages._declarative import DeclarativeArtifact

if TYPE_CHECKING:
    from twisted_pulp.download import DownloadReport

__all__ = ["Flight"]


# Of all syncs of this process, by storage.
_flights: WeakKeyDictionary[Any, WeakSet[Flight]] = WeakKeyDictionary()


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
        self._paths: set[str] = set()
        self._flights: WeakSet[Flight] | None = None  # those into the same storage
        self.hurry: Callable[[], None] = nothing

    def path(self, storage: Any, name: str) -> str:
        """
        Return where the artifact known as *name* is to land.

        It is the same in each run, unless another sync has begun and not yet stored what lands there.
        """
        flights = self._flights
        if flights is None:
            flights = self._flights = _flights.setdefault(storage, WeakSet())
            flights.add(self)
        path: str = storage.temporary(name)
        if len(flights) > 1 and any(path in each._paths for each in flights if each is not self):
            path = storage.temporary(f"{name}-{token_hex(8)}")
        self._paths.add(path)
        return path

    def begin_at_once(self, artifact: DeclarativeArtifact) -> bool:
        """Take a place in the budget for *artifact*, if there is one now; return whether there was."""
        artifact.admission = self._budget.take(artifact.size)
        return artifact.admission is not None

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
        self._paths.discard(artifact.path or "")
        artifact.path = None
        artifact.release()

    def lost(self, path: str) -> None:
        """Nothing will land at *path*."""
        self._paths.discard(path)

    def end(self) -> None:
        """Nothing will land any more: the next sync may go on where this one stopped."""
        self._paths.clear()

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
