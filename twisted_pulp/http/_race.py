"""Happy Eyeballs (RFC 8305): several addresses of a host, by turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, zip_longest

from twisted.internet.address import IPv6Address
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IProtocol, IReactorTime
from twisted.python.failure import Failure

from twisted_pulp.http._resolver import Address

__all__ = ["interleaved", "race"]

# Seconds an attempt has before the next one begins beside it (RFC 8305 section 5).
_DELAY = 0.25

Attempt = Callable[[Address], Deferred[IProtocol]]


def interleaved(addresses: Sequence[Address]) -> list[Address]:
    """Return *addresses*, IPv6 and IPv4 by turns beginning with IPv6, those of a version in their order (section 4)."""
    six = [each for each in addresses if isinstance(each, IPv6Address)]
    four = [each for each in addresses if not isinstance(each, IPv6Address)]
    return [each for each in chain.from_iterable(zip_longest(six, four)) if each is not None]


def race(clock: IReactorTime, addresses: Sequence[Address], attempt: Attempt) -> Deferred[tuple[Address, IProtocol]]:
    """
    Attempt *addresses* in their order, and return a Deferred of the first that answers, and what it answered.

    The next attempt begins when the last one has failed, or has not answered in 250 ms. The first to succeed ends the
    others; when all have failed, so does the Deferred, with the last failure. Cancelling it ends them all.

    :param addresses: at least one.
    :param attempt: begins to connect; cancelling what it returns gives the attempt up.
    """
    return _Race(clock, iter(addresses), attempt).begin()


class _Race:
    def __init__(self, clock: IReactorTime, left: Iterator[Address], attempt: Attempt) -> None:
        self._clock, self._left, self._attempt = clock, left, attempt
        self._going: dict[Deferred[IProtocol], None] = {}
        self._next: IDelayedCall | None = None
        self._won: Deferred[tuple[Address, IProtocol]] = Deferred(lambda _: self._end())

    def begin(self) -> Deferred[tuple[Address, IProtocol]]:
        self._start()
        return self._won

    def _start(self) -> bool:
        """Begin the next attempt, and tell whether there was one."""
        address = next(self._left, None)
        if address is None:
            return False
        self._next = self._clock.callLater(_DELAY, self._late)
        made = maybeDeferred(self._attempt, address)
        self._going[made] = None
        made.addCallbacks(self._succeeded, self._failed, (address, made), errbackArgs=(made,))
        return True

    def _late(self) -> None:
        self._next = None
        self._start()

    def _succeeded(self, protocol: IProtocol, address: Address, made: Deferred[IProtocol]) -> None:
        del self._going[made]
        self._end()
        self._won.callback((address, protocol))

    def _failed(self, failure: Failure, made: Deferred[IProtocol]) -> None:
        if made not in self._going:  # ended by us
            return
        del self._going[made]
        self._wait_no_more()
        if not self._start() and not self._going:
            self._won.errback(failure)

    def _end(self) -> None:
        self._wait_no_more()
        going, self._going = self._going, {}
        for each in going:
            each.cancel()

    def _wait_no_more(self) -> None:
        if self._next is not None:
            self._next.cancel()
            self._next = None
