"""So much a second, and no more: of requests, or of bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import inf

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["Bucket", "settled", "spend", "turns"]

# Seconds for which a rate that was not used up, because a timer or the network was late, is made up for.
_LATE = 0.1
_INSTANT = 1e-6
_HOUR = 3600.0


class Bucket:
    """
    What was spent flows off at a rate; who wants to spend waits until nothing is left of what others spent.

    Turns are given in the order they were asked for. Who has one spends, and lets the next one follow. A pause longer
    than 0.1 s is not made up for later: there are no bursts.

    :param clock: whose seconds count.
    :param slack: seconds' worth that may be left of what was spent when somebody else has a turn without waiting.
    """

    __slots__ = (
        "_at",
        "_call",
        "_clock",
        "_level",
        "_owing",
        "_rate",
        "_running",
        "_slack",
        "_spent",
        "_taken",
        "_used",
        "_waiting",
    )

    def __init__(self, clock: IReactorTime, slack: float = 0.0) -> None:
        self._clock, self._slack = clock, slack
        self._rate: float | None = None
        self._level = 0.0  # of what was spent, what has not flowed off; below 0 there is time to make up for
        self._spent = 0.0  # all there ever was, since it was idle
        self._at = 0.0  # when the level was right
        self._taken = self._running = False
        self._used = False  # of late: only then may there be time to make up for
        self._waiting: deque[Deferred[None]] = deque()
        self._owing: deque[tuple[float, Deferred[None]]] = deque()
        self._call: IDelayedCall | None = None

    @property
    def rate(self) -> float | None:
        """How much a second; None is no limit. To change it counts from now on."""
        return self._rate

    @rate.setter
    def rate(self, rate: float | None) -> None:
        self._flow()
        if self._rate is None or rate is None:
            self._level = self._spent = 0.0
            self._used = False
            owing, self._owing = self._owing, deque()
            self._owing.extend((0.0, d) for _, d in owing)
        self._rate = rate
        self._go_on()

    @property
    def slice(self) -> float:
        """As much as a twentieth of a second allows."""
        return inf if self._rate is None else self._rate / 20

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._waiting)

    @property
    def idle(self) -> bool:
        """Whether nobody waits, and nothing is left of what was spent."""
        self._flow()
        return not (self._waiting or self._owing or self._taken) and self._flowed(0.0)

    def turn(self) -> Deferred[None] | None:
        """
        Ask for a turn; who has it calls `leave`.

        :returns: None when it is given at once, else a Deferred; to cancel it leaves the queue.
        """
        self._flow()
        if not self._taken and not self._waiting and self._flowed(self._slack):
            self._taken = True
            return None
        d: Deferred[None] = Deferred(self._cancelled)
        self._waiting.append(d)
        self._go_on()
        return d

    def leave(self) -> None:
        """Give the turn to who waits longest."""
        self._taken = False
        self._go_on()

    def spend(self, amount: float) -> None:
        """Spend *amount*, in one's turn or, where it has happened already, without."""
        if self._rate is not None:
            self._flow()
            self._used = True
            self._level += amount
            self._spent += amount

    def settled(self) -> Deferred[None] | None:
        """
        Wait until all that was spent so far has flowed off.

        :returns: None when it has, else a Deferred.
        """
        self._flow()
        if self._flowed(0.0):
            return None
        d: Deferred[None] = Deferred(self._cancelled)
        self._owing.append((self._spent, d))
        self._go_on()
        return d

    def _cancelled(self, d: Deferred[None]) -> None:
        if d in self._waiting:
            self._waiting.remove(d)
        else:
            self._owing = deque(each for each in self._owing if each[1] is not d)
        self._go_on()

    def _flow(self) -> None:
        """Bring the level up to date."""
        now = self._clock.seconds()
        elapsed, self._at = max(0.0, now - self._at), now
        if self._rate is None:
            return
        self._level -= elapsed * self._rate
        most = -_LATE * self._rate
        if self._level < most:
            self._used = bool(self._waiting or self._owing)
            self._level = most
        if self._level < 0 and not self._used:
            self._level = 0.0
        if self._level <= 0 and not self._owing:
            self._spent = 0.0

    def _flowed(self, slack: float) -> bool:
        return self._rate is None or self._level <= self._rate * (slack + _INSTANT)

    def _go_on(self) -> None:
        """Let everybody go on whose time has come."""
        if self._running:
            return
        self._running = True
        while (d := self._next()) is not None:
            d.callback(None)
        self._running = False
        self._schedule()

    def _next(self) -> Deferred[None] | None:
        self._flow()
        if self._owing and self._left() <= (self._rate or 0.0) * _INSTANT:
            return self._owing.popleft()[1]
        if self._waiting and not self._taken and self._flowed(0.0):
            self._taken = True
            return self._waiting.popleft()
        return None

    def _left(self) -> float:
        """What is to flow off until who waits longest for that may go on."""
        return self._owing[0][0] - (self._spent - self._level)

    def _schedule(self) -> None:
        """Look again when the next one's time comes."""
        left = None
        if self._rate is not None:
            if self._owing:
                left = self._left()
            elif self._waiting and not self._taken:
                left = self._level
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if left is not None and self._rate is not None:
            self._call = self._clock.callLater(min(_HOUR, left / self._rate), self._woken)

    def _woken(self) -> None:
        self._call = None
        self._go_on()


async def turns(buckets: Sequence[Bucket]) -> None:
    """Get a turn of each of *buckets*, in their order; `spend` gives them back."""
    held: list[Bucket] = []
    try:
        for bucket in buckets:
            waiting = bucket.turn()
            if waiting is not None:
                await waiting
            held.append(bucket)
    except BaseException:
        spend(held, 0)
        raise


def spend(buckets: Sequence[Bucket], amount: float) -> None:
    """Spend *amount* of each of *buckets*, whose turns one has, and let others follow."""
    for bucket in buckets:
        bucket.spend(amount)
    for bucket in buckets:
        bucket.leave()


async def settled(buckets: Sequence[Bucket]) -> None:
    """Wait until all that was spent of *buckets* so far has flowed off."""
    waiting = [d for bucket in buckets if (d := bucket.settled()) is not None]
    try:
        for d in waiting:
            await d
    finally:
        for d in waiting:
            d.addErrback(lambda _: None)
            d.cancel()
