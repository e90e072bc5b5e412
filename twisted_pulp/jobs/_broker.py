"""Brokers: they say that a job waits; what it is, and who runs it, only the catalog knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

__all__ = ["DELIVERIES", "DeadLetter", "Delivery", "Depth", "IBroker", "Take"]

#: Times that a message may be given out again before it is put aside.
DELIVERIES = 5


@define(eq=False)
class Delivery:
    """
    A message that a broker has given out, until `done` or `again`; what is called after the first of them does nothing.

    :ivar uid: of the job that waits, as the message says it: it may be anything.
    :ivar count: how often it was given out before.
    """

    uid: str
    count: int
    _end: Callable[[bool], object]
    _ended: bool = field(init=False, default=False)

    def done(self) -> None:
        """Forget the message: nobody has to be told any more."""
        self._finish(True)

    def again(self) -> None:
        """Give the message back, to whoever takes it next; after `DELIVERIES` times it is put aside."""
        self._finish(False)

    def _finish(self, done: bool) -> None:
        if not self._ended:
            self._ended = True
            self._end(done)


@frozen
class DeadLetter:
    """
    A message that was put aside: those who had it died or gave it back again and again, or its job was given up.

    :ivar uid: of the job, as the message says it.
    :ivar count: how often it was given out; 0: its job was given up.
    """

    uid: str
    count: int


@frozen(kw_only=True)
class Depth:
    """
    How many messages a broker has.

    :ivar ready: that wait for a worker.
    :ivar held: that workers of this process hold.
    :ivar dead: that were put aside.
    """

    ready: int
    held: int
    dead: int


Take = Callable[[Delivery], object]


class IBroker(Interface):
    """
    Say to workers that a job waits.

    Nothing is lost when it does not arrive, and nothing done twice when it arrives twice: workers look themselves, too.
    """

    shared: bool = Attribute("""Whether workers of other processes are told as well, so that looking is less urgent.""")
    connected: bool = Attribute("""Whether messages come and go at the moment.""")

    def publish(uid: str) -> Deferred[None]:
        """
        Say that the job *uid* waits.

        :returns: a Deferred that fires when the message is safe, as far as this broker keeps anything. It fails with
            `BrokerUnavailable`. Nobody has to wait for it: the job is in the catalog already.
        """

    def consume(take: Take, prefetch: int) -> Callable[[], Deferred[None]]:
        """
        Call *take* with each `Delivery`, while fewer than *prefetch* of them are neither done nor given back.

        :returns: what ends that: called, it returns a Deferred that fires when nothing is given out any more. What was
            given out is still to be ended.
        """

    def park(uid: str) -> Deferred[None]:
        """Put a message aside, for a job that was given up; see `publish`."""

    def dead(limit: int) -> Deferred[list[DeadLetter]]:
        """Return a Deferred of messages that were put aside, *limit* at most, the oldest first."""

    def replay(uid: str) -> Deferred[bool]:
        """Publish a message that was put aside once more; the Deferred says whether there was one."""

    def bury(uid: str) -> Deferred[bool]:
        """Forget a message that was put aside; the Deferred says whether there was one."""

    def depth() -> Deferred[Depth]:
        """Return a Deferred of how many messages there are."""

    def close() -> Deferred[Any]:
        """End; what was given out and is not done goes to others."""
