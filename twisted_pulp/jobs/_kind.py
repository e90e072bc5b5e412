"""Kinds of jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface, implementer

from twisted_pulp.errors import SettingsError

__all__ = ["UNKNOWN", "IJobKind", "Unfinished"]


class Unfinished(Exception):
    """Raised by a kind whose task is stopping: what is left is done by a later run."""


class IJobKind(Interface):
    """What is to be done for jobs of one kind."""

    yields = Attribute("""Whether a run may be ended early, by `Task.stopping`, at little cost.""")

    def run(task: Any) -> Deferred[Mapping[str, Any]]:
        """
        Do the job of *task*.

        It may have been begun before, and is done again when its process dies: what it does must be the same then.

        :returns: a Deferred of what came of it, as plain data. Cancelled, it ends soon, and notes what is finished. An
            error says by its `retryable` whether another try can help.
        """


@implementer(IJobKind)
class _Unknown:
    yields = False

    def run(self, task: Any) -> Deferred[Mapping[str, Any]]:
        """Say that nobody knows how."""
        raise SettingsError("kind", task.job.kind, "a kind of job that this worker knows")


#: What is done for a kind of job that nobody knows.
UNKNOWN = _Unknown()
