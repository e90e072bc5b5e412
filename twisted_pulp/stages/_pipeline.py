"""Pipeline: stages in a row, all of them running at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from attrs import define, field, frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_pulp.errors import PulpError, StageStuck
from twisted_pulp.stages._budget import Budget
from twisted_pulp.stages._channel import Channel
from twisted_pulp.stages._declarative import DeclarativeContent
from twisted_pulp.stages._stage import MINSIZE, Stage, Wires
from twisted_pulp.stages._watch import Watch

__all__ = ["Pipeline"]

_log = Logger()

#: Seconds that a stage has to come to its end once it is cancelled, before it is cancelled again, or left.
_TIDYING = 60.0


def _checked(stages: Iterable[Stage]) -> tuple[Stage, ...]:
    row = tuple(stages)
    if len({id(stage) for stage in row}) < len(row):
        raise ValueError("the same stage twice in one pipeline")
    return row


@frozen
class Pipeline:
    """
    Stages in a row; a change gives a new pipeline.

    :param stages: the first one declares, each of the others takes what the one before puts.
    :raises ValueError: when the same stage is in it twice.
    """

    stages: tuple[Stage, ...] = field(converter=_checked)

    def insert(self, stage: Stage, *, before: type[Stage] | None = None, after: type[Stage] | None = None) -> Pipeline:
        """
        Return this with *stage* before, or after, the one of a class.

        :raises ValueError: unless one of *before* and *after* is given, and exactly one stage is of that class.
        """
        if (before is None) == (after is None):
            raise ValueError("a stage goes before another or after it")
        at = self._index(before) if before is not None else self._index(after) + 1
        return Pipeline((*self.stages[:at], stage, *self.stages[at:]))

    def replace(self, kind: type[Stage], stage: Stage) -> Pipeline:
        """
        Return this with *stage* instead of the one of class *kind*.

        :raises ValueError: unless exactly one stage is of that class.
        """
        at = self._index(kind)
        return Pipeline((*self.stages[:at], stage, *self.stages[at + 1 :]))

    def remove(self, kind: type[Stage]) -> Pipeline:
        """
        Return this without the stage of class *kind*.

        :raises ValueError: unless exactly one stage is of that class.
        """
        at = self._index(kind)
        return Pipeline((*self.stages[:at], *self.stages[at + 1 :]))

    async def run(
        self,
        reactor: IReactorTime,
        *,
        budget: Budget | None = None,
        capacity: int = MINSIZE,
        signs: Callable[[], object] | None = None,
    ) -> None:
        """
        Run all stages until the last one is done.

        The first error cancels all other stages, and is raised when they have come to their end; so does cancelling
        this. A stage that has not ended a minute later is cancelled once more, and a minute after that it is left
        behind, with a line in the log, unless its patience is None.

        :param reactor: its clock decides how long batches wait.
        :param budget: batches hurry when somebody waits for it; default None.
        :param capacity: items between two stages; default 500.
        :param signs: gives what differs while somebody works, beside the items that move; default None.
        :raises ValueError: when one of the stages is in another pipeline that runs, or has no patience at all.
        :raises RuntimeError: when a stage returns before it has taken all items.
        :raises StageStuck: when nothing has moved for longer than the patience of a stage that is at something.
        """
        if self.stages:
            await _Run(self.stages, reactor, budget, capacity, signs or _nothing).run()

    def _index(self, kind: type[Stage] | None) -> int:
        found = [at for at, stage in enumerate(self.stages) if kind is not None and isinstance(stage, kind)]
        if len(found) != 1:
            raise ValueError(f"{len(found)} stages of {kind}")
        return found[0]


def _nothing() -> None:
    """Show no sign."""


async def _ran(stage: Stage) -> None:
    # In a coroutine of our own, so that a run() that is none fails like any other.
    await stage.run()


@define(eq=False)
class _Run:
    """One run of the stages of a pipeline."""

    _stages: tuple[Stage, ...]
    _reactor: IReactorTime
    _budget: Budget | None
    _capacity: int
    _signs: Callable[[], object]
    _channels: list[Channel] = field(init=False, factory=list)
    _running: dict[int, Deferred[None]] = field(init=False, factory=dict)
    _failure: Failure | None = field(init=False, default=None)
    _stopping: IDelayedCall | None = field(init=False, default=None)
    _ended: Deferred[None] | None = field(init=False, default=None)
    _watch: Watch = field(init=False)

    async def run(self) -> None:
        self._watch = Watch(self._reactor, self._stages, self._running, self._signs, self._stuck)
        self._wire()
        try:
            self._watch.start()
            self._start()
            await self._wait()
        finally:
            self._unwire()
        if self._failure is not None:
            self._failure.raiseException()

    def _wire(self) -> None:
        if any(stage._wires is not None for stage in self._stages):
            raise ValueError("a stage is in another pipeline that runs")
        self._channels = channels = [Channel(self._capacity) for _ in self._stages]
        channels[0].close()  # nothing comes before the first stage, and nothing is behind the last one
        for stage, before, behind in zip(self._stages, channels, [*channels[1:], None], strict=True):
            stage._wires = Wires(self._reactor, self._budget, before, behind)

    def _start(self) -> None:
        # From the first, so that each finds a channel full of items, which costs less than to be told of each.
        for at, stage in enumerate(self._stages):
            running = self._running[at] = Deferred.fromCoroutine(_ran(stage))
            running.addCallbacks(self._returned, self._failed, callbackArgs=(stage,))
            running.addBoth(self._over, at)

    async def _wait(self) -> None:
        while self._running:
            self._ended = Deferred()
            try:
                await self._ended
            except CancelledError:
                self._stop(Failure())

    def _returned(self, _: None, stage: Stage) -> None:
        wires = stage._wires
        if wires is None:  # it was left behind
            return
        reason = f"{type(stage).__name__} returned before it had taken all items"
        wires.before.desert(reason)
        if len(wires.before):
            self._stop(Failure(RuntimeError(reason)))
        if wires.behind is not None:
            wires.behind.close()

    def _failed(self, failure: Failure) -> None:
        if self._failure is None:
            self._stop(failure)
        elif failure.check(CancelledError) is None:
            if failure.check(PulpError):
                _log.warn("Another stage failed, too: {error}", error=failure.value)
            else:
                _log.failure("Another stage failed, too", failure)

    def _stop(self, failure: Failure) -> None:
        if self._failure is None:
            self._failure = failure
            # Whoever calls this may be called by a stage, and what is running cannot be cancelled.
            self._stopping = self._reactor.callLater(0, self._cancel)

    def _stuck(self, stages: Sequence[Stage], seconds: float) -> None:
        self._stop(Failure(StageStuck([type(stage).__name__ for stage in stages], seconds)))

    def _cancel(self) -> None:
        self._watch.stop()
        for channel in self._channels:
            channel.abort()
        for running in list(self._running.values()):
            running.cancel()
        if self._late():
            self._stopping = self._reactor.callLater(_TIDYING, self._urge)

    def _late(self) -> list[int]:
        return [at for at in self._running if self._stages[at].patience is not None]

    def _urge(self) -> None:
        """Cancel what a plugin has not ended once more."""
        self._stopping = self._reactor.callLater(_TIDYING, self._leave)
        for at in self._late():
            self._running[at].cancel()

    def _leave(self) -> None:
        for at in self._late():
            _log.error("{stage} does not end, and is left behind", stage=type(self._stages[at]).__name__)
            self._over(None, at)

    def _over(self, _: object, at: int) -> None:
        self._running.pop(at, None)
        if not self._running and self._ended is not None and not self._ended.called:
            self._ended.callback(None)

    def _unwire(self) -> None:
        self._watch.stop()
        if self._stopping is not None and self._stopping.active():
            self._stopping.cancel()
        for stage in self._stages:
            stage._wires = None
        for channel in self._channels:
            for item in channel.end():
                if isinstance(item, DeclarativeContent):
                    item.release()
                    item.give_up(CancelledError())
