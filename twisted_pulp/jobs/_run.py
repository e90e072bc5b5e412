"""One run of one job, from its beginning to what the catalog says of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as Late
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_pulp.catalog import leases
from twisted_pulp.catalog.jobs import JobRow
from twisted_pulp.errors import LeaseLost, PulpError
from twisted_pulp.jobs._jobs import Jobs
from twisted_pulp.jobs._kind import Unfinished
from twisted_pulp.jobs._outcome import Outcome
from twisted_pulp.jobs._task import Task
from twisted_pulp.jobs._values import Job, job_of

__all__ = ["Run"]


@define(eq=False)
class Run:
    """
    A job that runs.

    :param kind: does it.
    :param judge: says what becomes of the job, from the error (or None) and the result.
    :ivar row: of the catalog, with its fence.
    :ivar began: by the monotonic clock, as *stopped*: when it was told to end.
    """

    _log = Logger()
    _jobs: Jobs
    row: JobRow
    _kind: Any
    task: Task
    _judge: Callable[[JobRow, BaseException | None, Any], Outcome]
    began: float
    stopped: float = field(init=False, default=0.0)
    _wish: str | None = field(init=False, default=None)
    _lost: bool = field(init=False, default=False)
    _cancelled: bool = field(init=False, default=False)
    _running: Deferred[Any] | None = field(init=False, default=None)
    _waiting: list[Deferred[None]] = field(init=False, factory=list)

    async def go(self) -> Outcome | None:
        """Run to the end, and return what became of the job; None when it is not ours to say."""
        self._jobs.runs[self.row.uid] = self
        error, result = None, None
        try:
            self._running = self._kind.run(self.task)
            if self._cancelled:  # before it had begun
                self._running.cancel()
            result = await self._running
        except GeneratorExit:
            raise
        except BaseException as failure:
            error = failure
        try:
            return await self._ended(error, result)
        finally:
            if self._jobs.runs.get(self.row.uid) is self:
                del self._jobs.runs[self.row.uid]
            for d in self._waiting:
                d.callback(None)

    async def _ended(self, error: BaseException | None, result: Any) -> Outcome | None:
        self.task.cancelled = True
        if self._lost or isinstance(error, LeaseLost):
            return None
        outcome = self._outcome(error, result)
        now = self._jobs.now()
        try:
            row = await self._jobs.catalog.write(
                leases.end,
                self.row.id,
                self.row.fence,
                self.row.uid,
                outcome.state,
                now=now,
                result=outcome.result,
                error=outcome.error,
                run_after=None if outcome.delay is None else now + outcome.delay,
                failures=outcome.failures,
                parked=outcome.parked,
                figures=self.task.figures,
            )
        except LeaseLost:
            return None
        except PulpError as failed:
            # The row still says that we run it: the worker's next look finds that we do not.
            self._log.warn("the end of job {uid} was not saved: {error}", uid=self.row.uid, error=failed)
            return outcome
        self.row = row
        self._jobs.telling.changed(job_of(row))
        return outcome

    def _outcome(self, error: BaseException | None, result: Any) -> Outcome:
        broken_off = isinstance(error, CancelledError) and self._wish is not None
        if broken_off or isinstance(error, Unfinished):
            return Outcome(state=self._wish or "waiting", failures=self.row.failures, error=self.row.error)
        if error is not None and not isinstance(error, PulpError | CancelledError):
            self._log.failure("job {uid} failed", failure=Failure(error), uid=self.row.uid)
        return self._judge(self.row, error, result)

    def seen(self, job: Job) -> Job:
        """Return *job* with the figures of now."""
        return self.task.seen(job) if job.state == "running" else job

    @property
    def yields(self) -> bool:
        """Whether it can be ended early at little cost."""
        return bool(self._kind.yields)

    @property
    def stopping(self) -> bool:
        """Whether it was told to end."""
        return self.task.stopping

    def stop(self, now: float) -> None:
        """Let it end without beginning anything new; *now* by the monotonic clock."""
        self.task.stopping, self.stopped = True, now

    def halt(self, state: str) -> Deferred[None]:
        """
        Break it off, so that its job is in *state* then; what it has finished is noted.

        :returns: a Deferred that fires at its end.
        """
        self._wish = state
        ended = self._end()
        self._cancel()
        return ended

    async def halted(self, state: str, patience: float) -> None:
        """Break it off, and wait for its end, for *patience* seconds at most."""
        try:
            await self.halt(state).addTimeout(patience, self._jobs.reactor)
        except Late:
            self._log.warn("job {uid} does not end", uid=self.row.uid)

    def _end(self) -> Deferred[None]:
        d: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(d)
        return d

    def lose(self) -> None:
        """Break it off: the job is somebody else's."""
        self._lost = True
        self._cancel()

    def _cancel(self) -> None:
        # Once: it may be noting what it has finished already.
        if not self._cancelled:
            self._cancelled = True
            if self._running is not None:
                self._running.cancel()
