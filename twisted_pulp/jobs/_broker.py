"""Brokers: they say that a job waits; what it is, and who runs it, only the catalog knows."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field
from twisted.logger import Logger
from zope.interface import Interface, implementer

__all__ = ["IBroker", "LocalBroker"]

_log = Logger()

Wake = Callable[[str], object]


class IBroker(Interface):
    """
    Say to workers that a job waits.

    Nothing is lost when it does not arrive, and nothing done twice when it arrives twice: workers look themselves, too.
    """

    def publish(uid: str) -> None:
        """Say that the job *uid* waits."""

    def subscribe(wake: Wake) -> Callable[[], object]:
        """Call *wake* with the uid of each job that waits, until what this returns is called."""


@implementer(IBroker)
@define(eq=False)
class LocalBroker:
    """A broker for the workers of one process."""

    _wakes: list[Wake] = field(init=False, factory=list)

    def publish(self, uid: str) -> None:
        """Tell every worker of this process, at once."""
        for wake in list(self._wakes):
            try:
                wake(uid)
            except Exception:
                _log.failure("a worker could not be told of a job")

    def subscribe(self, wake: Wake) -> Callable[[], object]:
        """Call *wake* with each job's uid."""
        self._wakes.append(wake)
        return lambda: self._wakes.remove(wake)
