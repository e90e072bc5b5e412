"""The broker of one process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from attrs import define, field
from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger
from zope.interface import implementer

from twisted_pulp.errors import BrokerUnavailable
from twisted_pulp.jobs._broker import DELIVERIES, DeadLetter, Delivery, Depth, IBroker, Take

__all__ = ["LocalBroker"]

#: Messages that are kept: of those that nobody takes the oldest are forgotten, since workers look themselves.
_KEPT = 1_000


@define(eq=False)
class _Consumer:
    take: Take
    prefetch: int
    held: int = field(init=False, default=0)


@implementer(IBroker)
@define(eq=False)
class LocalBroker:
    """
    A broker for the workers of one process, which keeps messages in memory.

    :param shared: whether workers rely on it as on one of many machines; default false: they are told, and look all
        the same.
    """

    _log = Logger()

    shared: bool = field(kw_only=True, default=False)
    connected: bool = field(init=False, default=True)
    _ready: deque[DeadLetter] = field(init=False, factory=lambda: deque(maxlen=_KEPT))
    _dead: deque[DeadLetter] = field(init=False, factory=lambda: deque(maxlen=_KEPT))
    _consumers: list[_Consumer] = field(init=False, factory=list)
    _held: int = field(init=False, default=0)
    _giving: bool = field(init=False, default=False)

    def publish(self, uid: str) -> Deferred[None]:
        """Tell a worker of this process at once, if one has a hand free."""
        if not self.connected:
            return fail(BrokerUnavailable("the broker is closed"))
        self._ready.append(DeadLetter(uid, 0))
        self._give()
        return succeed(None)

    def consume(self, take: Take, prefetch: int) -> Callable[[], Deferred[None]]:
        """Call *take* with messages; see `IBroker`."""
        consumer = _Consumer(take, prefetch)
        self._consumers.append(consumer)
        self._give()

        def stop() -> Deferred[None]:
            if consumer in self._consumers:
                self._consumers.remove(consumer)
            return succeed(None)

        return stop

    def _give(self) -> None:
        if self._giving:  # whoever has just been given one is done with it already
            return
        self._giving = True
        try:
            while self._ready and (free := [each for each in self._consumers if each.held < each.prefetch]):
                consumer, message = free[0], self._ready.popleft()
                self._consumers.remove(consumer)
                self._consumers.append(consumer)  # those who take have their turns
                self._hand(consumer, message)
        finally:
            self._giving = False

    def _hand(self, consumer: _Consumer, message: DeadLetter) -> None:
        delivery = Delivery(message.uid, message.count, lambda done: self._ended(consumer, message, done))
        consumer.held += 1
        self._held += 1
        try:
            consumer.take(delivery)
        except Exception:
            self._log.failure("a worker could not be told of a job")
            delivery.done()

    def _ended(self, consumer: _Consumer, message: DeadLetter, done: bool) -> None:
        consumer.held -= 1
        self._held -= 1
        if not done and self.connected:
            again = DeadLetter(message.uid, message.count + 1)
            (self._dead if again.count > DELIVERIES else self._ready).append(again)
        self._give()

    def park(self, uid: str) -> Deferred[None]:
        """Put a message aside."""
        self._dead.append(DeadLetter(uid, 0))
        return succeed(None)

    def dead(self, limit: int) -> Deferred[list[DeadLetter]]:
        """Return a Deferred of what was put aside."""
        return succeed(list(self._dead)[:limit])

    def replay(self, uid: str) -> Deferred[bool]:
        """Publish once more what was put aside."""
        found = self._buried(uid)
        return self.publish(uid).addCallback(lambda _: True) if found else succeed(False)

    def bury(self, uid: str) -> Deferred[bool]:
        """Forget what was put aside."""
        return succeed(self._buried(uid))

    def _buried(self, uid: str) -> bool:
        found = [each for each in self._dead if each.uid == uid]
        for each in found:
            self._dead.remove(each)
        return bool(found)

    def depth(self) -> Deferred[Depth]:
        """Return a Deferred of how many messages there are."""
        return succeed(Depth(ready=len(self._ready), held=self._held, dead=len(self._dead)))

    def close(self) -> Deferred[None]:
        """Forget everything."""
        self.connected = False
        self._consumers.clear()
        self._ready.clear()
        return succeed(None)
