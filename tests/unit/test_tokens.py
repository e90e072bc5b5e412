"""Tokens: fetched once for all who wait, kept until they end, cancelled when nobody waits."""

from __future__ import annotations

import random
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from tests.fakes import result_of
from twisted_pulp.errors import ConnectTimeout, NotAuthorized, PulpError
from twisted_pulp.http._tokens import Token, Tokens


class Fetches:
    """Fetches that end when the test says so."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.tokens = Tokens(self.clock.seconds)
        self.running: list[Deferred[Token]] = []
        self.cancelled = 0

    async def fetch(self) -> Token:
        """Wait for the test."""

        def cancelled(_: object) -> None:
            self.cancelled += 1

        d: Deferred[Token] = Deferred(cancelled)
        self.running.append(d)
        return await d

    def wanted(self, key: str = "a") -> Deferred[Token]:
        """Want a token."""
        return self.tokens.fetched(key, self.fetch)


@pytest.fixture
def fetches() -> Fetches:
    """Of one kind of tokens."""
    return Fetches()


TOKEN = Token(b"Bearer S3CR3T", 10.0)


def test_shared(fetches: Fetches) -> None:
    """All who want a token share one fetch; another token is another fetch."""
    waiting, other = [fetches.wanted() for _ in range(100)], fetches.wanted("b")
    assert 2 == len(fetches.running)
    assert "<Tokens 0 known, 2 being fetched>" == repr(fetches.tokens)
    fetches.running[0].callback(TOKEN)
    assert [TOKEN] * 100 == [result_of(each) for each in waiting]
    assert not other.called
    fetches.running[1].callback(TOKEN)
    assert TOKEN is result_of(other)


def test_known(fetches: Fetches) -> None:
    """A token is known until it ends."""
    assert None is fetches.tokens.known("a")
    fetches.wanted()
    fetches.running[0].callback(TOKEN)
    fetches.clock.advance(9.9)
    assert TOKEN is fetches.tokens.known("a")
    fetches.clock.advance(0.1)
    assert None is fetches.tokens.known("a")
    assert "<Tokens 0 known, 0 being fetched>" == repr(fetches.tokens)


def test_refused(fetches: Fetches) -> None:
    """One that a server refused is forgotten, unless it has a successor."""
    fetches.wanted()
    fetches.running[0].callback(TOKEN)
    fetches.tokens.refused("a", Token(b"Bearer old", 10.0))
    assert TOKEN is fetches.tokens.known("a")
    fetches.tokens.refused("a", TOKEN)
    assert None is fetches.tokens.known("a")
    fetches.tokens.refused("a", TOKEN)


@pytest.mark.parametrize("error", [NotAuthorized("http://a/", 401, {"x": "y"}), ConnectTimeout("http://a/", 3.0)])
def test_failed(fetches: Fetches, error: PulpError) -> None:
    """A failure is everybody's, each with an error of their own; the next who comes tries again."""
    waiting = [fetches.wanted() for _ in range(3)]
    fetches.running[0].errback(error)
    found: list[Any] = []
    for each in waiting:
        with pytest.raises(type(error)) as caught:
            result_of(each)
        found.append(caught.value)
    assert 3 == len({id(each) for each in found})
    assert all(vars(each) == vars(error) and each.args == error.args and each.__cause__ is error for each in found)
    fetches.wanted().addErrback(lambda _: None)
    assert 2 == len(fetches.running)


def test_one_leaves(fetches: Fetches) -> None:
    """Who leaves does not disturb the others."""
    first, second, third = (fetches.wanted() for _ in range(3))
    first.cancel()
    third.cancel()
    for each in (first, third):
        with pytest.raises(CancelledError):
            result_of(each)
    assert 0 == fetches.cancelled
    fetches.running[0].callback(TOKEN)
    assert TOKEN is result_of(second)


def test_all_leave(fetches: Fetches) -> None:
    """When the last has left the fetch is cancelled; who comes then has a new one."""
    waiting = [fetches.wanted() for _ in range(3)]
    for each in waiting:
        each.cancel()
        with pytest.raises(CancelledError):
            result_of(each)
    assert (1, "<Tokens 0 known, 0 being fetched>") == (fetches.cancelled, repr(fetches.tokens))
    late = fetches.wanted()
    assert 2 == len(fetches.running)
    fetches.running[1].callback(TOKEN)
    assert TOKEN is result_of(late)


def test_slow_to_cancel() -> None:
    """A fetch that takes its time to end takes nothing of its successor with it."""
    running: list[Deferred[Token]] = []
    tokens = Tokens(Clock().seconds)

    async def fetch() -> Token:
        running.append(Deferred())
        slow: Deferred[Token] = Deferred()
        try:
            return await running[-1]
        except CancelledError:
            running.append(slow)
            return await slow

    first = tokens.fetched("a", fetch)
    first.cancel()
    first.addErrback(lambda _: None)
    second = tokens.fetched("a", fetch)
    running[1].callback(TOKEN)
    assert not second.called
    running[2].callback(TOKEN)
    assert TOKEN is result_of(second)


def test_at_once(fetches: Fetches) -> None:
    """A fetch may end before anybody can wait for it."""

    async def fetch() -> Token:
        return TOKEN

    assert TOKEN is result_of(fetches.tokens.fetched("a", fetch))
    assert TOKEN is fetches.tokens.known("a")


def test_cancelled_by_another(fetches: Fetches) -> None:
    """One who gets the token may cancel another who waits for it."""
    first, second = fetches.wanted(), fetches.wanted()
    first.addCallback(lambda _: second.cancel())
    fetches.running[0].callback(TOKEN)
    with pytest.raises(CancelledError):
        result_of(second)


def test_any_order(rng: random.Random) -> None:
    """Whoever comes and leaves, everybody who stays has a token in the end, and nothing goes on for nobody."""
    fetches = Fetches()
    waiting: list[Deferred[Token]] = []
    for _ in range(2000):
        if rng.random() < 0.5:
            waiting.append(fetches.wanted())
        elif waiting:
            left = waiting.pop(rng.randrange(len(waiting)))
            left.addErrback(lambda _: None)
            left.cancel()
        if rng.random() < 0.02 and fetches.running and not fetches.running[-1].called:
            fetches.running[-1].callback(TOKEN)
            assert all(each.called for each in waiting)
            waiting.clear()
        going = [each for each in fetches.running if not each.called]
        assert len(going) == (1 if waiting else 0)
    for each in waiting:
        each.addErrback(lambda _: None)
        each.cancel()


def test_not_for_ever(fetches: Fetches) -> None:
    """However many tokens there are, few are remembered."""

    async def fetch() -> Token:
        return TOKEN

    for number in range(1001):
        fetches.tokens.fetched(number, fetch)
    assert "<Tokens 1 known, 0 being fetched>" == repr(fetches.tokens)


def test_not_shown() -> None:
    """A token does not show itself."""
    assert "<Token until 10>" == repr(TOKEN)
