"""What name servers said, kept for a while; and one question for all who ask the same."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from attrs import define
from twisted.internet.defer import Deferred, execute
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from twisted_pulp.errors import DNSError
from twisted_pulp.http._hosts import located
from twisted_pulp.http._name_answer import Answer
from twisted_pulp.http._resolver import Address

__all__ = ["NameCache"]

# Seconds that it is kept at most that there is no address (who has just made a name does not want to wait), or half of
# an answer.
_UNSURE = 10.0
_MANY = 1000
# Never asked for (RFC 6761 section 6.3).
_LOOPBACK = Answer(("::1", "127.0.0.1"))

Ask = Callable[[str], Coroutine[Any, Any, Answer]]


@define(eq=False)
class _Asking:
    """A question that is being asked, and who waits for its answer."""

    waiting: list[Deferred[Answer]]
    asked: Deferred[None] | None = None


class NameCache:
    """
    Remember the addresses of names.

    :param ask: what is known of a name: its addresses, or that there are none.
    :param times: seconds that addresses are kept at least and at most; None: nothing is kept.
    """

    def __init__(self, clock: IReactorTime, ask: Ask, times: tuple[float, float] | None) -> None:
        self._clock, self._ask, self._times = clock, ask, times
        self._kept: dict[str, tuple[Answer, float]] = {}
        self._asking: dict[str, _Asking] = {}

    def lookup(self, host: str, port: int) -> Deferred[Sequence[Address]]:
        """Return a Deferred of the addresses of *host*, IPv6 first; it fails with `DNSError`."""
        name = host.lower().rstrip(".")
        known = _LOOPBACK if name == "localhost" or name.endswith(".localhost") else self._fresh(name)
        if known is not None:
            return execute(_addresses, known, host, port)
        return self._answer(name).addCallback(_addresses, host, port)

    def _fresh(self, name: str) -> Answer | None:
        answer, until = self._kept.get(name, (None, 0.0))
        return answer if self._clock.seconds() < until else None

    def _answer(self, name: str) -> Deferred[Answer]:
        d: Deferred[Answer] = Deferred(lambda d: self._left(name, d))
        asking = self._asking.get(name)
        if asking is not None:
            asking.waiting.append(d)
        else:
            asking = self._asking[name] = _Asking([d])
            asking.asked = Deferred.fromCoroutine(self._ask(name)).addBoth(self._answered, name)
        return d

    def _left(self, name: str, d: Deferred[Answer]) -> None:
        asking = self._asking.get(name)
        if asking is not None and d in asking.waiting:
            asking.waiting.remove(d)
            if not asking.waiting and asking.asked is not None:
                asking.asked.cancel()

    def _answered(self, result: Answer | Failure, name: str) -> None:
        waiting = self._asking.pop(name).waiting
        if isinstance(result, Answer):
            self._keep(name, result)
        for d in waiting:
            if not d.called:  # else the one before cancelled it
                d.callback(_own(result))

    def _keep(self, name: str, answer: Answer) -> None:
        self._kept.pop(name, None)
        if self._times is None:
            return
        least, most = self._times
        right = bool(answer.addresses) and answer.whole
        seconds = min(max(answer.ttl, least) if right else min(answer.ttl, _UNSURE), most)
        if seconds > 0:
            if len(self._kept) >= _MANY:
                del self._kept[next(iter(self._kept))]  # the oldest
            self._kept[name] = answer, self._clock.seconds() + seconds


def _addresses(answer: Answer, host: str, port: int) -> Sequence[Address]:
    if answer.addresses:
        return located(answer.addresses, port)
    raise DNSError(detail=f"no address for {host}: {'the name has none' if answer.exists else 'there is no such name'}")


def _own(result: Answer | Failure) -> Answer | Failure:
    """Return *result*, an error as one that nobody else has: it will name the URL that was asked for."""
    if isinstance(result, Failure) and isinstance(result.value, DNSError):
        return Failure(DNSError(detail=result.value.detail, retryable=result.value.retryable))
    return result
