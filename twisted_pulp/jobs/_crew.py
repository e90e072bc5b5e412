"""The processes that share a catalog and a storage, and fetch together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

if TYPE_CHECKING:
    from twisted_pulp.cluster import Claims
    from twisted_pulp.jobs._hands import Hands
    from twisted_pulp.jobs._jobs import Jobs
    from twisted_pulp.jobs._run import Run
    from twisted_pulp.jobs._task import Task

__all__ = ["EACH", "Crew"]

_KIND = "fetch"
#: Batches for each of the others: while one is fetched, the next waits.
EACH = 2


@define(eq=False)
class Crew:
    """
    Those with whom this process shares its work.

    :param jobs: the book.
    :param claims: what each of them fetches.
    :param count: tells how many others there are that run jobs.
    :param rivals: tells whether others may fetch the same, be it for clients; default: only those that run jobs do.
    """

    _jobs: Jobs
    claims: Claims
    _count: Callable[[], int]
    _rivals: Callable[[], bool] = lambda: False
    _spread: dict[Hands, None] = field(init=False, factory=dict)

    @property
    def reactor(self) -> Any:
        """The clock."""
        return self._jobs.reactor

    @property
    def catalog(self) -> Any:
        """What is known."""
        return self._jobs.catalog

    @property
    def others(self) -> int:
        """How many others there are."""
        return self._count()

    @property
    def rivals(self) -> bool:
        """Whether others may fetch the same."""
        return self.others > 0 or self._rivals()

    def of(self, task: Task) -> Part:
        """Return what the sync of *task* has of this."""
        return Part(self, task)

    def hands(self, task: Task, sync: Any, wake: Callable[[], object]) -> Hands:
        """Return what lets others fetch for *task*; see `Hands`."""
        from twisted_pulp.jobs._hands import Hands

        made = Hands(self, task, sync, wake)
        self._spread[made] = None
        return made

    def left(self, hands: Hands) -> None:
        """*hands* are not needed any more."""
        self._spread.pop(hands, None)

    def publish(self, uid: str) -> None:
        """Say that a job waits."""
        self._jobs.dispatch(uid)

    def barred(self, runs: Iterable[Run]) -> str:
        """
        Return the kind of job that this process must not begin now; "" where there is none.

        Each fetches so much for others at once, and so leaves something to the next; and nothing while others fetch for
        itself, which has all the connections that it may have then.

        :param runs: what runs.
        """
        return _KIND if self._spread or sum(run.row.kind == _KIND for run in runs) >= EACH else ""


@frozen
class Part:
    """
    What one run of a job has of the crew.

    :ivar crew: all of it.
    """

    crew: Crew
    _task: Task

    @property
    def others(self) -> int:
        """How many others there are."""
        return self.crew.others

    @property
    def rivals(self) -> bool:
        """Whether others may fetch the same."""
        return self.crew.rivals

    @property
    def claims(self) -> Claims:
        """What each of them fetches."""
        return self.crew.claims

    def hands(self, sync: Any, wake: Callable[[], object]) -> Hands:
        """Return what lets others fetch; see `Hands`."""
        return self.crew.hands(self._task, sync, wake)
