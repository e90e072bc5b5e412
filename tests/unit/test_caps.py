"""A cap: tokens for requests, room for connections."""

from __future__ import annotations

import functools

import pytest

from twisted_pulp.errors import SettingsError
from twisted_pulp.http import Cap


def _tell(told: list[object], name: str, _: None) -> None:
    told.append(name)


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, None, "8"])
def test_limit(limit: object) -> None:
    """A cap is a whole number from 1."""
    with pytest.raises(SettingsError, match="connections"):
        Cap(limit)  # type: ignore[arg-type]


def test_full() -> None:
    """A cap is full when as many connections are open as it allows; it remembers the most there were."""
    cap = Cap(2)
    assert not cap.full
    cap.opened()
    cap.opened()
    assert cap.full
    cap.closed()
    assert not cap.full
    assert (1, 2) == (cap.open, cap.high)


def test_room_in_the_order_of_asking() -> None:
    """Who waits longest is told first that a connection has gone, and nobody else."""
    cap = Cap(1)
    told: list[object] = []
    cap.opened()
    for name in "abc":
        cap.wait().addCallback(functools.partial(_tell, told, name))
    cap.closed()
    assert ["a"] == told
    cap.opened()
    cap.closed()
    assert ["a", "b"] == told


def test_no_room_to_tell_of() -> None:
    """Nobody is told of room that is not there."""
    cap = Cap(1)
    told: list[object] = []
    cap.opened()
    cap.wait().addCallback(told.append)
    cap.nudge()
    assert not told
    cap.closed()
    cap.nudge()
    assert [None] == told


def test_leaving_the_queue() -> None:
    """Who is cancelled is not told, and keeps nobody waiting."""
    cap = Cap(1)
    told: list[object] = []
    left: list[object] = []
    cap.opened()
    first = cap.wait()
    first.addErrback(left.append)
    cap.wait().addCallback(told.append)
    first.cancel()
    cap.closed()
    assert (1, [None]) == (len(left), told)


def test_unused() -> None:
    """A cap is unused when nothing is open and nobody has or wants anything of it."""
    cap = Cap(1)
    assert cap.unused
    cap.semaphore.acquire()
    assert not cap.unused
    cap.semaphore.release()
    cap.opened()
    assert not cap.unused
    waiting = cap.wait()
    waiting.addErrback(lambda _: None)
    cap.open = 0
    assert not cap.unused
    waiting.cancel()
    assert cap.unused


def test_repr() -> None:
    """A cap says how full it is."""
    cap = Cap(2)
    cap.opened()
    for _ in range(3):
        cap.semaphore.acquire()
    assert "<Cap 2 busy, 1 open of 2, 1 waiting>" == repr(cap)


def test_lease() -> None:
    """Others may have a part of a cap: no more is made or given than is ours, none at all at first, until it grows."""
    cap, told = Cap(3), []
    cap.lease(0)
    for name in "abc":
        cap.semaphore.acquire().addCallback(functools.partial(lambda name, _: told.append(name), name))
    cap.wait().addCallback(functools.partial(_tell, told, "room"))
    assert (True, [], 3, 0) == (cap.full, told, cap.wanted, cap.busy)
    cap.lease(2)
    assert (False, ["a", "b", "room"], 3, 2) == (cap.full, told, cap.wanted, cap.busy)
    cap.lease(1)
    cap.semaphore.release()
    assert (["a", "b", "room"], 2) == (told, cap.wanted)
    cap.semaphore.release()
    assert ["a", "b", "room", "c"] == told


def test_lease_of_a_slow_host() -> None:
    """What a host bears and what is ours of it both count."""
    cap = Cap(8)
    cap.allow(3)
    cap.lease(5)
    assert 3 == cap.allowed
    cap.lease(2)
    assert 2 == cap.allowed
    cap.allow(8)
    assert 2 == cap.allowed
    cap.lease(8)
    assert 8 == cap.allowed
