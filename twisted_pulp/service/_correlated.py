"""Kinds of jobs whose log says of which job it is."""

from __future__ import annotations

from contextvars import copy_context
from typing import Any

from attrs import define
from twisted.internet.defer import Deferred
from zope.interface import implementer

from twisted_pulp.jobs import IJobKind
from twisted_pulp.service._log import IDS

__all__ = ["Correlated"]


@implementer(IJobKind)
@define(eq=False)
class Correlated:
    """
    Does what another kind does; whatever is logged meanwhile has the job's id.

    :param kind: that other one.
    """

    _kind: Any

    @property
    def yields(self) -> bool:
        """Whether a run may be ended early."""
        return bool(self._kind.yields)

    def run(self, task: Any) -> Deferred[Any]:
        """Do the job of *task*."""

        def begun() -> Deferred[Any]:
            IDS.set({"job": task.job.uid})
            return self._kind.run(task)  # type: ignore[no-any-return]

        return copy_context().run(begun)
