"""One run of a command in the reactor: its clock, its signals, its log, its end and its exit status."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from typing import Any, Protocol

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from twisted_pulp.cli._log import begin_logging
from twisted_pulp.cli._signals import Signals
from twisted_pulp.clock import use_monotonic_clock

__all__ = ["Run", "Task", "run"]

#: Seconds after Ctrl-C in which everything must have ended; what is on disk can be resumed whenever the process ends.
_PATIENCE = 0.8


class Task(Protocol):
    """
    What a command does.

    :ivar status: the exit status: 0 all is well, 1 something failed, 2 the command makes no sense.
    """

    @property
    def status(self) -> int: ...

    async def work(self, run: Run, /) -> None:
        """Do it; cancelled by a signal, or by `Run.cancel`."""

    def broke(self, failure: Failure, early: bool, /) -> None:
        """Take what ended the work: an error, a defect, or a cancellation; *early* if a signal came."""

    def complain(self, text: str, /) -> None:
        """Write a line to standard error."""

    def at_once(self) -> None:
        """Leave the terminal as it was found, from wherever the process is."""

    def last_words(self, early: bool, /) -> None:
        """Say what came of it, *early* if a signal came, and show nothing any more."""


@define(eq=False)
class Run:
    """A task in the reactor, from its begin to the exit status."""

    _reactor: Any
    _task: Task
    _signals: Signals = field(init=False)
    _working: Deferred[None] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._signals = Signals(self._reactor, self._interrupt, self._task.at_once)

    def start(self) -> None:
        """Begin; the reactor runs, and is stopped at the end."""
        self._signals.install()
        begin_logging(self._task.complain)
        self._working = Deferred.fromCoroutine(self._task.work(self))
        self._working.addErrback(self._broke).addBoth(self._end)

    def cancel(self) -> None:
        """End the work early; not from within it, but by a call that the reactor makes."""
        self._working.cancel()

    @property
    def interrupted(self) -> bool:
        """Whether a signal came."""
        return self._signals.received is not None

    def _broke(self, failure: Failure) -> None:
        self._task.broke(failure, self.interrupted)

    def _interrupt(self, number: int) -> None:
        # Of what is already written nothing is lost when this ends in the middle.
        self._reactor.callLater(_PATIENCE, self._impatient)
        self.cancel()

    def _impatient(self) -> None:
        try:
            self._task.last_words(self.interrupted)
        finally:
            os._exit(self.status())

    def _end(self, _: object) -> None:
        try:
            self._task.last_words(self.interrupted)
        finally:
            # Whatever is wrong with what is said, the process ends.
            self._reactor.stop()

    def status(self) -> int:
        """Return the exit status."""
        if self._signals.status is not None:
            return self._signals.status
        return self._task.status


def run(make: Callable[[Any], Task]) -> int:
    """
    Run a task in the global reactor to its end.

    :param make: gets the reactor, whose clock is monotonic, and returns the task.
    :returns: the exit status.
    """
    from twisted.internet import reactor

    use_monotonic_clock(reactor)
    one: Any = reactor
    running = Run(one, make(one))
    gc.freeze()
    gc.enable()
    one.callWhenRunning(running.start)
    one.run()
    return running.status()
