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
    :param tracing: makes spans of the jobs; default None: nobody does.
    """

    _kind: Any
    _tracing: Any = None

    @property
    def yields(self) -> bool:
        """Whether a run may be ended early."""
        return bool(self._kind.yields)

    def run(self, task: Any) -> Deferred[Any]:
        """Do the job of *task*."""

        def begun() -> Deferred[Any]:
            IDS.set({"job": task.job.uid})
            run = self._kind.run
            return run(task) if self._tracing is None else self._tracing.job(task, run)  # type: ignore[no-any-return]

        return copy_context().run(begun)
