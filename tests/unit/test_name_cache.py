"""What name servers said, kept for a while."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tests.unit.answering import outcome
from twisted_pulp.errors import DNSError
from twisted_pulp.http._hosts import located
from twisted_pulp.http._name_answer import Answer
from twisted_pulp.http._name_cache import NameCache

FOUND = ("2001:db8::1", "192.0.2.1")


class Asked:
    """
    A cache, and what it asks for.

    :ivar asked: names, in order; `waiting` has those without an answer.
    """

    def __init__(self, least: float = 0, most: float = 3600, keep: bool = True) -> None:
        self.clock = Clock()
        self.asked: list[str] = []
        self.waiting: dict[str, Deferred[Answer]] = {}
        self.cancelled: list[str] = []
        self.cache = NameCache(self.clock, self._ask, (least, most) if keep else None)

    async def _ask(self, name: str) -> Answer:
        self.asked.append(name)
        self.waiting[name] = Deferred(lambda _: self.cancelled.append(name))
        return await self.waiting[name]

    def lookup(self, host: str = "a.test", port: int = 80) -> Deferred[Any]:
        """Look up a name."""
        return self.cache.lookup(host, port)

    def answer(self, ttl: float, *addresses: str, name: str = "a.test", **fields: Any) -> None:
        """Let the name servers say what there is."""
        self.waiting.pop(name).callback(Answer(addresses, ttl, **fields))

    def kept_for(self, ttl: float, *addresses: str, **fields: Any) -> float:
        """Return for how many seconds an answer is kept."""
        d = self.lookup()
        self.answer(ttl, *addresses, **fields)
        outcome(d)
        seconds = 0
        while seconds < 5000:
            before = len(self.asked)
            again = self.lookup()
            if len(self.asked) > before:
                again.addErrback(lambda _: None)
                again.cancel()
                break
            outcome(again)
            self.clock.advance(1)
            seconds += 1
        return seconds


def test_answer() -> None:
    """The addresses come with the port that was asked for, also when they were kept."""
    asked = Asked()
    first, second = asked.lookup(port=80), asked.lookup("A.Test.", 443)
    asked.answer(60, *FOUND)
    third = asked.lookup(port=8080)
    assert [located(FOUND, port) for port in (80, 443, 8080)] == [outcome(d) for d in (first, second, third)]
    assert ["a.test"] == asked.asked


@pytest.mark.parametrize(
    ("seconds", "given", "answer"),
    [
        (60, {}, (60, *FOUND)),
        (0, {}, (0, *FOUND)),
        (3600, {}, (1e6, *FOUND)),
        (30, {"least": 30}, (0, *FOUND)),
        (20, {"most": 20}, (60, *FOUND)),
        (0, {"most": 0}, (60, *FOUND)),
        (0, {"keep": False}, (60, *FOUND)),
        (10, {}, (60,)),
        (5, {}, (5,)),
        (0, {}, (0,)),
        (10, {"least": 30}, (60,)),
        (0, {"least": 30}, (0,)),
        (3, {"most": 3}, (60,)),
    ],
)
def test_times(seconds: int, given: dict[str, Any], answer: tuple[Any, ...]) -> None:
    """Addresses are kept between floor and ceiling; that there are none for 10 s at most, with no floor."""
    assert seconds == Asked(**given).kept_for(*answer)


def test_half_an_answer() -> None:
    """What may lack addresses is kept for 10 s at most, whatever the floor."""
    assert 10 == Asked(least=100).kept_for(60, "192.0.2.1", whole=False)


@pytest.mark.parametrize(("exists", "words"), [(True, "the name has none"), (False, "there is no such name")])
def test_none(exists: bool, words: str) -> None:
    """That there is no address is a final error, also when it was kept."""
    asked = Asked()
    first = asked.lookup()
    asked.answer(60, exists=exists)
    for d in (first, asked.lookup()):
        error = outcome(d)
        assert isinstance(error, DNSError)
        assert f"no address for a.test: {words}" == error.detail
        assert not error.retryable
    assert 1 == len(asked.asked)


def test_failures_are_not_kept() -> None:
    """That nobody could tell is not kept, and each has an error of its own."""
    asked = Asked()
    waiting = [asked.lookup(), asked.lookup()]
    asked.waiting["a.test"].errback(Failure(DNSError(detail="nobody", retryable=True)))
    errors = [outcome(d) for d in waiting]
    assert [("nobody", True)] * 2 == [(each.detail, each.retryable) for each in errors]
    assert errors[0] is not errors[1]
    asked.lookup()
    assert 2 == len(asked.asked)


def test_mistakes_are_not_hidden() -> None:
    """Any other error is passed on as it is."""
    asked = Asked()
    d = asked.lookup()
    asked.waiting["a.test"].errback(Failure(ZeroDivisionError()))
    assert isinstance(outcome(d), ZeroDivisionError)


@pytest.mark.parametrize("host", ["localhost", "LocalHost.", "a.localhost"])
def test_localhost(host: str) -> None:
    """This machine is not asked for (RFC 6761)."""
    asked = Asked()
    assert located(("::1", "127.0.0.1"), 80) == outcome(asked.lookup(host))
    assert [] == asked.asked


def test_cancel_one() -> None:
    """Who leaves does not end the question that others wait for."""
    asked = Asked()
    left, stayed = asked.lookup(), asked.lookup()
    left.cancel()
    assert isinstance(outcome(left), CancelledError)
    asked.answer(60, *FOUND)
    assert located(FOUND, 80) == outcome(stayed)


def test_cancel_all() -> None:
    """When all have left nothing is asked any more, and the next asks anew."""
    asked = Asked()
    waiting = [asked.lookup(), asked.lookup()]
    for d in waiting:
        d.cancel()
    assert ["a.test"] == asked.cancelled
    assert all(isinstance(outcome(d), CancelledError) for d in waiting)
    asked.lookup()
    assert 2 == len(asked.asked)


def test_cancelled_from_a_callback() -> None:
    """Who leaves because another was answered keeps nobody else from being answered."""
    asked = Asked()
    first, second, third = (asked.lookup() for _ in range(3))
    first.addCallback(lambda _: second.cancel())
    asked.answer(60, *FOUND)
    assert isinstance(outcome(second), CancelledError)
    assert located(FOUND, 80) == outcome(third)


def test_bounded() -> None:
    """No more than 1,000 names are kept; the oldest goes first."""
    asked = Asked()
    for number in range(1001):
        asked.lookup(f"{number}.test")
        asked.answer(60, *FOUND, name=f"{number}.test")
    assert 1000 == len(asked.cache._kept)
    asked.asked.clear()
    asked.lookup("1.test")
    asked.lookup("0.test")
    assert ["0.test"] == asked.asked
