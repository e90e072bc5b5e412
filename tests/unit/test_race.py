"""Happy Eyeballs: addresses by turns (RFC 8305)."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.error import ConnectError
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from twisted_pulp.http._race import interleaved, race

A4, B4, C4 = (IPv4Address("TCP", f"192.0.2.{number}", 80) for number in (1, 2, 3))
A6, B6 = (IPv6Address("TCP", f"2001:db8::{number}", 80) for number in (1, 2))


class Racing:
    """A race on *clock*, and what has become of it."""

    def __init__(self, clock: Clock, *addresses: Any, prompt: dict[Any, Any] | None = None) -> None:
        self._prompt = prompt or {}
        self.clock = clock
        self.tried: list[Any] = []
        self.attempts: dict[Any, Deferred[Any]] = {}
        self.cancelled: list[Any] = []
        self.result: list[Any] = []
        self.race = race(clock, addresses, self._attempt)
        self.race.addBoth(self.result.append)

    def _attempt(self, address: Any) -> Deferred[Any]:
        self.tried.append(address)
        if address in self._prompt:
            prompt: Deferred[Any] = self._prompt[address]()
            return prompt
        self.attempts[address] = Deferred(lambda _: self.cancelled.append(address))
        return self.attempts[address]

    def refuse(self, address: Any) -> ConnectError:
        """Let the attempt at *address* fail."""
        error = ConnectError(string=str(address))
        self.attempts[address].errback(Failure(error))
        return error

    @property
    def error(self) -> Any:
        """What it failed with."""
        return self.result[0].value


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], []),
        ([A4, B4, A6], [A6, A4, B4]),
        ([A4, A6, B4, B6, C4], [A6, A4, B6, B4, C4]),
        ([A6, B6, A4], [A6, A4, B6]),
        ([B4, A4], [B4, A4]),
    ],
)
def test_interleaved(given: list[Any], expected: list[Any]) -> None:
    """The versions take turns, IPv6 first, and each keeps its own order."""
    assert expected == interleaved(given)


def test_first_wins(clock: Clock) -> None:
    """Where the first answers in time no other is tried, and no timer is left."""
    racing = Racing(clock, A6, A4)
    clock.advance(0.24)
    racing.attempts[A6].callback("made")
    assert [(A6, "made")] == racing.result
    assert [A6] == racing.tried
    assert [] == clock.getDelayedCalls()


def test_a_turn_each_250_ms(clock: Clock) -> None:
    """A silent address gets company after 250 ms, and so on."""
    racing = Racing(clock, A6, A4, B4)
    seen = []
    for _ in range(4):
        seen.append(len(racing.tried))
        clock.advance(0.25)
    assert [1, 2, 3, 3] == seen
    assert [] == clock.getDelayedCalls()


def test_losers_are_cancelled(clock: Clock) -> None:
    """Who answers first ends the others, those before and those after it."""
    racing = Racing(clock, A6, A4, B4)
    clock.pump([0.25, 0.25])
    racing.attempts[A4].callback("made")
    assert [(A4, "made")] == racing.result
    assert [A6, B4] == racing.cancelled


def test_next_at_once_when_one_fails(clock: Clock) -> None:
    """A refusal is not waited for, and the 250 ms begin anew."""
    racing = Racing(clock, A6, A4, B4)
    clock.advance(0.2)
    racing.refuse(A6)
    assert [A6, A4] == racing.tried
    clock.advance(0.2)
    assert [A6, A4] == racing.tried
    clock.advance(0.05)
    assert [A6, A4, B4] == racing.tried


def test_all_fail(clock: Clock) -> None:
    """When all have failed the last to fail says why, and not before."""
    racing = Racing(clock, A6, A4)
    clock.advance(0.25)
    racing.refuse(A4)
    assert [] == racing.result
    error = racing.refuse(A6)
    assert error is racing.error
    assert [] == clock.getDelayedCalls()


def test_late_failure_of_a_loser(clock: Clock) -> None:
    """What an attempt says that was given up is not heard."""
    racing = Racing(clock, A6, A4)
    clock.advance(0.25)
    racing.attempts[A6].callback("made")
    assert [A4] == racing.cancelled
    assert racing.attempts[A4].result is None


def test_cancel(clock: Clock) -> None:
    """Cancelling ends all attempts and the timer."""
    racing = Racing(clock, A6, A4, B4)
    clock.advance(0.25)
    racing.race.cancel()
    assert isinstance(racing.error, CancelledError)
    assert [A6, A4] == racing.cancelled
    assert [] == clock.getDelayedCalls()


def refused() -> Deferred[Any]:
    """Fail at once."""
    return fail(ConnectError(string="at once"))


def broken() -> Deferred[Any]:
    """Do not even begin."""
    raise ConnectError(string="raised")


@pytest.mark.parametrize("prompt", [refused, broken])
def test_failures_at_once(clock: Clock, prompt: Any) -> None:
    """An attempt may fail before it has begun."""
    racing = Racing(clock, A6, B6, A4, prompt={A6: prompt, B6: prompt, A4: lambda: succeed("made")})
    assert [(A4, "made")] == racing.result
    racing = Racing(clock, A6, B6, prompt={A6: prompt, B6: prompt})
    assert isinstance(racing.error, ConnectError)
    assert [] == clock.getDelayedCalls()
