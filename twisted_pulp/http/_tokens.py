"""Tokens that are fetched once, for all who wait for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

__all__ = ["Token", "Tokens"]

_MANY = 1000


class Token(Struct, frozen=True, eq=False):
    """
    What a server wants to see instead of a password.

    :ivar authorization: the value of Authorization.
    :ivar until: when it ends, in seconds of the clock.
    """

    authorization: bytes
    until: float

    def __repr__(self) -> str:
        return f"<Token until {self.until:g}>"


class _Fetch:
    """A fetch that goes on, and those who wait for it."""

    def __init__(self) -> None:
        self.waiting: list[Deferred[Token]] = []
        self.running: Deferred[Any] | None = None


class Tokens:
    """
    Keep tokens until they end; those who want the same one share its fetch.

    Who waits may be cancelled without harm to the others; when nobody waits any more, the fetch is cancelled.

    :param clock: seconds that never jump.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: dict[Hashable, Token] = {}
        self._fetches: dict[Hashable, _Fetch] = {}

    def known(self, key: Hashable) -> Token | None:
        """Return the token for *key*, unless it has ended or was never fetched."""
        token = self._known.get(key)
        if token is not None and token.until <= self._clock():
            del self._known[key]
            return None
        return token

    def refused(self, key: Hashable, token: Token) -> None:
        """Forget *token*, which a server did not take, unless there is another by now."""
        if self._known.get(key) is token:
            del self._known[key]

    def fetched(self, key: Hashable, fetch: Callable[[], Awaitable[Token]]) -> Deferred[Token]:
        """
        Return a Deferred of the token for *key*, for which *fetch* is called unless somebody waits for it already.

        It fails with what *fetch* raises: each who waits gets an error of its own.
        """
        running = self._fetches.get(key)
        if running is not None:
            return self._joined(key, running)
        running = self._fetches[key] = _Fetch()
        waiting = self._joined(key, running)
        running.running = Deferred.fromCoroutine(fetch())  # type: ignore[arg-type]
        running.running.addBoth(self._came, key, running)
        return waiting

    def _joined(self, key: Hashable, running: _Fetch) -> Deferred[Token]:
        waiting: Deferred[Token] = Deferred(lambda d: self._left(d, key, running))
        running.waiting.append(waiting)
        return waiting

    def _left(self, waiting: Deferred[Token], key: Hashable, running: _Fetch) -> None:
        running.waiting.remove(waiting)
        if not running.waiting:
            self._ended(key, running)
            assert running.running is not None
            running.running.cancel()

    def _ended(self, key: Hashable, running: _Fetch) -> None:
        if self._fetches.get(key) is running:
            del self._fetches[key]

    def _came(self, result: Token | Failure, key: Hashable, running: _Fetch) -> None:
        self._ended(key, running)
        if isinstance(result, Token):
            if len(self._known) >= _MANY:
                self._known.clear()
            self._known[key] = result
        while running.waiting:
            waiting = running.waiting.pop(0)
            if isinstance(result, Token):
                waiting.callback(result)
            else:
                waiting.errback(_own(result))

    def __repr__(self) -> str:
        return f"<Tokens {len(self._known)} known, {len(self._fetches)} being fetched>"


def _own(failure: Failure) -> Failure:
    """Return a failure with an error that is nobody else's: those who get it write into it."""
    error: Any = failure.value
    made: BaseException = error.__class__.__new__(error.__class__)
    made.args = error.args
    vars(made).update(vars(error))
    made.__cause__ = error
    return Failure(made)
