"""What is done every few seconds."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.leaks import LoggedErrors
from twisted_pulp.errors import CatalogUnavailable
from twisted_pulp.jobs._rounds import Rounds


def made(clock: Clock, waits: list[Deferred[None]], *errors: Exception | None) -> Rounds:
    """Return rounds that wait for the test each time, and then fail with these errors, in turn."""
    left = list(errors)

    async def do() -> None:
        waits.append(Deferred())
        await waits[-1]
        error = left.pop(0) if left else None
        if error is not None:
            raise error

    return Rounds(clock, do, "it could not be done")


def test_again(clock: Clock) -> None:
    """It is done again and again, and never twice at once."""
    waits: list[Deferred[None]] = []
    rounds = made(clock, waits)
    rounds.start(2.0)
    assert [] == waits
    clock.pump([1.0] * 6)
    assert 1 == len(waits)
    assert rounds.working is not None
    waits[0].callback(None)
    assert rounds.working is None
    clock.pump([1.0] * 2)
    assert 2 == len(waits)
    waits[1].callback(None)
    assert [None] == ended(rounds)
    assert [] == clock.getDelayedCalls()


def ended(rounds: Rounds) -> list[Any]:
    """Stop them, and return what that has given so far."""
    found: list[Any] = []
    rounds.stop().addBoth(found.append)
    return found


def test_end(clock: Clock) -> None:
    """The end waits for what is being done; what was not begun needs no end."""
    waits: list[Deferred[None]] = []
    rounds = made(clock, waits)
    assert [None] == ended(rounds)
    rounds.start(1.0)
    clock.advance(1.0)
    found = ended(rounds)
    assert [] == found
    waits[0].callback(None)
    assert [None] == found
    assert [] == clock.getDelayedCalls()


def test_fails(clock: Clock, logged_errors: LoggedErrors) -> None:
    """What the catalog refuses, and a mistake of ours, are logged, and it is done again all the same."""
    waits: list[Deferred[None]] = []
    rounds = made(clock, waits, CatalogUnavailable("away"), RuntimeError("a mistake"))
    rounds.start(1.0)
    for number in range(3):
        clock.advance(1.0)
        waits[number].callback(None)
    assert 1 == len(logged_errors.flush(RuntimeError))
    assert [None] == ended(rounds)
