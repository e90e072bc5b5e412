"""How many requests at once a host bears: fewer after a bad answer, more after many good ones."""

from __future__ import annotations

import pytest
from twisted.internet.defer import DeferredSemaphore
from twisted.internet.task import Clock

from twisted_pulp.http import Cap, Paces

KEY = ("h", 80)


class Host:
    """A host with a cap of 8, and how many requests to it are under way."""

    def __init__(self, clock: Clock, busy: int = 0) -> None:
        self.clock, self.caps = clock, dict[object, Cap]()
        self.paces = Paces(clock, 8, self.caps)
        self.cap = self.begun()
        self.ask(busy)

    def begun(self, key: object = KEY) -> Cap:
        """Return a new cap for the host of *key*."""
        self.caps[key] = self.paces.begun(key, Cap(8))
        return self.caps[key]

    def ask(self, number: int) -> None:
        """Want *number* tokens."""
        for _ in range(number):
            self.cap.semaphore.acquire()

    def note(self, well: bool | None, times: int = 1) -> int:
        """Note answers; return how many requests are allowed now."""
        for _ in range(times):
            self.paces.note(KEY, well)
        return self.cap.allowed


def test_good_answers_change_nothing(clock: Clock) -> None:
    """A host that was never too busy has no pace."""
    host = Host(clock, 8)
    assert 8 == host.note(True, 100)
    assert 8 == host.note(None, 100)
    assert {} == host.paces.lowered


def test_half(clock: Clock) -> None:
    """A bad answer halves what is allowed."""
    host = Host(clock, 8)
    assert 4 == host.note(False)
    assert "<Paces {('h', 80): <Pace 4 at once, 0 of 20 good answers>}>" == repr(host.paces)


def test_half_of_what_was_asked(clock: Clock) -> None:
    """It halves what was asked at once, not what might have been."""
    assert 2 == Host(clock, 3).note(False)
    assert 1 == Host(clock, 0).note(False)


def test_a_burst_counts_once(clock: Clock) -> None:
    """Bad answers to what was under way at the time count once; the next one counts again."""
    host = Host(clock, 8)
    assert 4 == host.note(False, 9)
    assert 2 == host.note(False)


def test_lost_answers(clock: Clock) -> None:
    """Answers to that are not waited for for ever."""
    host = Host(clock, 8)
    assert 4 == host.note(False)
    assert 4 == host.note(False)
    clock.advance(60)
    assert 2 == host.note(False)


def test_never_none(clock: Clock) -> None:
    """One request at a time is always allowed."""
    host = Host(clock)
    assert 1 == host.note(False, 100)


def test_back_to_the_cap(clock: Clock) -> None:
    """Twenty good answers in a row allow one more, up to the cap; then the host is as any other."""
    host = Host(clock)
    assert 1 == host.note(False)
    assert 1 == host.note(True, 19)
    assert 2 == host.note(True)
    assert 2 == host.note(None, 100)
    assert 7 == host.note(True, 100)
    assert 8 == host.note(True, 20)
    assert {} == host.paces.lowered


def test_in_a_row(clock: Clock) -> None:
    """A bad answer between them begins the row anew."""
    host = Host(clock)
    host.note(False)
    host.note(True, 19)
    assert 1 == host.note(False)
    assert 1 == host.note(True, 19)
    assert 2 == host.note(True)


def test_remembered(clock: Clock) -> None:
    """A host whose connections are all gone is remembered, and found again."""
    host = Host(clock)
    host.note(False)
    del host.caps[KEY]
    host.paces.note(KEY, False)
    assert 1 == host.begun().allowed
    assert 8 == host.begun(("other", 80)).allowed


def test_forgotten(clock: Clock) -> None:
    """A host that was not asked for long is as any other."""
    host = Host(clock)
    host.note(False)
    del host.caps[KEY]
    clock.advance(601)
    assert (8, {}) == (host.begun().allowed, host.paces.lowered)


def test_forgotten_while_connected(clock: Clock) -> None:
    """The same holds when its cap is still there: the next good answer finds it as any other."""
    host = Host(clock)
    host.note(False)
    clock.advance(601)
    assert 8 == host.note(True)
    assert {} == host.paces.lowered


def test_forgotten_without_connections(clock: Clock) -> None:
    """Or when it has none: its next bad answer is its first."""
    paces = Paces(clock, 8, {})
    paces.note(KEY, False)
    clock.advance(601)
    paces.note(KEY, True)
    assert {} == paces.lowered


def test_many(clock: Clock) -> None:
    """Of very many hosts the oldest is forgotten."""
    paces = Paces(clock, 8, {})
    for number in range(4097):
        paces.note(number, False)
    assert 4096 == len(paces.lowered)
    assert 0 not in paces.lowered


# The cap


def test_fewer_tokens() -> None:
    """A cap that allows fewer gives fewer."""
    cap = Cap(4)
    cap.allow(2)
    got: list[DeferredSemaphore] = []
    for _ in range(4):
        cap.semaphore.acquire().addCallback(got.append)
    assert (2, 2, 2) == (len(got), cap.allowed, cap.busy)
    assert "<Cap 2 busy, 0 open of 4, 2 waiting, 2 at once for now>" == repr(cap)


def test_tokens_that_are_out() -> None:
    """Tokens that were given are kept when they come back, before anybody who waits; then who waits gets the rest."""
    cap = Cap(3)
    got: list[DeferredSemaphore] = []
    for _ in range(5):
        cap.semaphore.acquire().addCallback(got.append)
    cap.allow(1)
    assert (3, 3, 1) == (len(got), cap.busy, cap.allowed)
    cap.semaphore.release()
    cap.semaphore.release()
    assert (3, 1) == (len(got), cap.busy)
    cap.semaphore.release()
    assert (4, 1) == (len(got), cap.busy)


def test_more_again() -> None:
    """When more is allowed, who waits gets it at once; what was to be kept is not."""
    cap = Cap(3)
    got: list[DeferredSemaphore] = []
    for _ in range(6):
        cap.semaphore.acquire().addCallback(got.append)
    cap.allow(1)
    cap.semaphore.release()
    cap.allow(3)
    assert (4, 3, 3) == (len(got), cap.busy, cap.allowed)
    assert "<Cap 3 busy, 0 open of 3, 2 waiting>" == repr(cap)


@pytest.mark.parametrize("busy", [0, 1, 3])
def test_unused(busy: int) -> None:
    """A cap that keeps tokens is unused when it has all the others; one that waits for some is not."""
    cap = Cap(3)
    for _ in range(busy):
        cap.semaphore.acquire()
    cap.allow(1)
    assert (not busy) == cap.unused
    for _ in range(busy):
        cap.semaphore.release()
    assert cap.unused
    cap.allow(3)
    assert (True, 3) == (cap.unused, cap.semaphore.tokens)


def test_more_than_there_are() -> None:
    """More than the limit is the limit."""
    cap = Cap(2)
    cap.allow(5)
    assert 2 == cap.allowed


def test_handed_on(clock: Clock) -> None:
    """What one process has learnt of a host another one goes on with, as long as it would have itself."""
    old, new = Host(clock, 8), Host(clock, 8)
    old.note(False)
    clock.advance(500)
    ((key, allowed, ago),) = old.paces.known()
    assert (KEY, 4, 500.0) == (key, allowed, ago)
    new.paces.remember(key, allowed, ago)
    assert 4 == new.cap.allowed
    new.cap = new.begun()
    assert 4 == new.cap.allowed
    clock.advance(101)
    assert [] == list(new.paces.known())
    assert 8 == new.cap.allowed


@pytest.mark.parametrize(("allowed", "ago"), [(0, 1.0), (8, 1.0), (9, 1.0), (4, 601.0)])
def test_not_remembered(clock: Clock, allowed: int, ago: float) -> None:
    """What says nothing, or was learnt too long ago, is left out."""
    host = Host(clock)
    host.paces.remember(KEY, allowed, ago)
    assert {} == host.paces.lowered


def test_remembered_late(clock: Clock) -> None:
    """What is learnt here goes before, a host need not be connected to, and a clock that was put back says nothing."""
    host = Host(clock, 8)
    host.note(False)
    host.paces.remember(KEY, 2, 0.0)
    host.paces.remember(("other", 81), 2, -7200.0)
    assert [(KEY, 4, 0.0), (("other", 81), 2, 0.0)] == list(host.paces.known())


def test_remembered_many(clock: Clock) -> None:
    """Not more hosts are remembered than are learnt of."""
    host = Host(clock)
    for number in range(5000):
        host.paces.remember((f"h{number}", 80), 2, 1.0)
    assert 4096 == len(host.paces.lowered)
