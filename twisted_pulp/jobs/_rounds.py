"""Something that is done again and again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from twisted_pulp.errors import PulpError

__all__ = ["Rounds"]


@define(eq=False)
class Rounds:
    """
    Does something every few seconds; when it fails the next time may do.

    :param reactor: its clock.
    :param do: returns a coroutine; it is not called before the last one has ended.
    :param what: is not done when it fails, in words for the log.
    :ivar working: fires when what is being done has ended; None while nothing is.
    """

    _log = Logger()

    _reactor: Any
    _do: Callable[[], Any]
    _what: str
    working: Deferred[None] | None = field(init=False, default=None)
    _call: LoopingCall | None = field(init=False, default=None)

    def start(self, every: float) -> None:
        """Do it every so many seconds, from then on."""
        self._call = LoopingCall(self._round)
        self._call.clock = self._reactor
        self._call.start(every, now=False)

    def _round(self) -> Deferred[None]:
        self.working = Deferred.fromCoroutine(self._do())

        def over(result: Any) -> Any:
            self.working = None
            return result

        return self.working.addBoth(over).addErrback(self._failed)

    def _failed(self, why: Any) -> None:
        if why.check(PulpError):
            self._log.warn("{what}: {error}", what=self._what, error=why.value)
        elif not why.check(CancelledError):
            self._log.failure("{what}", failure=why, what=self._what)

    def stop(self) -> Deferred[None]:
        """Do it no more; the Deferred fires when nothing of it is being done."""
        call, self._call = self._call, None
        if call is not None:
            call.stop()
        ended: Deferred[None] = Deferred()
        if self.working is None:
            ended.callback(None)
        else:
            self.working.addBoth(lambda _: ended.callback(None))
        return ended
