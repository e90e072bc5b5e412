"""Threads in which large bodies are hashed and written."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import Queue
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred

from tests.fakes import result_of
from twisted_pulp.threads import WriterThreads, outlasting


class Inbox:
    """A reactor that gets calls from threads."""

    def __init__(self) -> None:
        self.calls: Queue[Callable[[], object]] = Queue()

    def callFromThread(self, f: Callable[[], object]) -> None:
        self.calls.put(f)

    def turn(self) -> None:
        """Wait for a call and make it."""
        self.calls.get(timeout=60)()

    def until(self, d: Deferred[Any]) -> Any:
        """Return the result of *d*."""
        while not d.called:
            self.turn()
        return result_of(d)


@pytest.fixture
def inbox() -> Inbox:
    """A reactor that the test turns."""
    return Inbox()


@pytest.fixture
def threads(inbox: Inbox) -> Iterator[WriterThreads]:
    """Two threads, which end with the test."""
    made = WriterThreads(inbox)  # type: ignore[arg-type]
    yield made
    made.close()


def test_lazy(threads: WriterThreads) -> None:
    """Without work there are no threads."""
    before = threading.active_count()
    threads.lane()
    assert before == threading.active_count()


def test_elsewhere(threads: WriterThreads, inbox: Inbox) -> None:
    """Work is done in a thread of its own, with its arguments."""
    call = threads.lane()
    assert 3 == inbox.until(call(max, 1, 3))
    assert "writer" in inbox.until(call(lambda: threading.current_thread().name))


def test_order(threads: WriterThreads, inbox: Inbox) -> None:
    """What goes through one lane keeps its order and its thread."""
    call, seen = threads.lane(), []
    calls = [call(lambda number=number: seen.append((number, threading.get_ident()))) for number in range(100)]
    inbox.until(calls[-1])
    assert list(range(100)) == [number for number, _ in seen]
    assert 1 == len({thread for _, thread in seen})


def test_side_by_side(threads: WriterThreads, inbox: Inbox) -> None:
    """Two lanes work at the same time."""
    both = threading.Barrier(2, timeout=60)
    calls = [threads.lane()(both.wait) for _ in range(2)]
    assert {0, 1} == {inbox.until(call) for call in calls}


@pytest.mark.parametrize("error", [OSError("disk"), SystemExit()])
def test_error(threads: WriterThreads, inbox: Inbox, error: BaseException) -> None:
    """What a call raises is what its Deferred fails with, and the thread goes on."""

    def fail() -> None:
        raise error

    call = threads.lane()
    with pytest.raises(type(error)):
        inbox.until(call(fail))
    assert 1 == inbox.until(call(abs, -1))


def test_quietly(threads: WriterThreads, inbox: Inbox) -> None:
    """What is called quietly is done in turn, and the reactor hears only of failures."""
    lane, seen = threads.lane(), []

    def fail() -> None:
        raise OSError("disk")

    done = [lane.quietly(seen.append, number) for number in range(3)]
    inbox.until(lane(seen.append, 3))
    assert [0, 1, 2, 3] == seen
    assert inbox.calls.empty()
    assert not any(each.called for each in done)
    with pytest.raises(OSError, match="disk"):
        inbox.until(lane.quietly(fail))


def test_told_once(threads: WriterThreads, inbox: Inbox) -> None:
    """Results that came together are given together."""
    call = threads.lane()
    ready = threading.Event()
    calls = [call(abs, -number) for number in range(3)]
    call(ready.set)
    assert ready.wait(60)
    inbox.turn()
    assert [0, 1, 2] == [result_of(each) for each in calls]


def test_nobody_waits(threads: WriterThreads, inbox: Inbox) -> None:
    """A call that nobody waits for any more is done all the same, and its result forgotten."""
    call, seen = threads.lane(), []
    gone = call(seen.append, 1)
    gone.cancel()
    with pytest.raises(CancelledError):
        result_of(gone)
    inbox.until(call(seen.append, 2))
    assert [1, 2] == seen


def test_close(inbox: Inbox) -> None:
    """To close is to finish what was given, to tell, and to leave no thread."""
    before = threading.active_count()
    threads = WriterThreads(inbox)  # type: ignore[arg-type]
    calls = [threads.lane()(abs, -number) for number in range(10)]
    threads.close()
    assert list(range(10)) == [result_of(each) for each in calls]
    assert before == threading.active_count()


def test_again(inbox: Inbox) -> None:
    """After a close, work begins anew."""
    threads = WriterThreads(inbox)  # type: ignore[arg-type]
    call = threads.lane()
    inbox.until(call(abs, -1))
    threads.close()
    assert 2 == inbox.until(call(abs, -2))
    threads.close()


@pytest.mark.parametrize(
    ("active", "most"), [(0, 4 << 20), (1, 4 << 20), (6, 4 << 20), (12, 2 << 20), (96, 256 << 10), (1000, 256 << 10)]
)
def test_high_water(threads: WriterThreads, active: int, most: int) -> None:
    """The more files are written, the less each may have waiting."""
    threads.active = active
    assert most == threads.high_water


def waiting_for(d: Deferred[Any]) -> Deferred[Any]:
    """Return a Deferred of who outlasts *d*."""
    return Deferred.fromCoroutine(outlasting(d))


def test_outlasting() -> None:
    """Without a cancel, what came is what is returned, and what failed is raised."""
    d: Deferred[int] = Deferred()
    waiter = waiting_for(d)
    assert not waiter.called
    d.callback(1)
    assert 1 == result_of(waiter)
    failing: Deferred[int] = Deferred()
    waiter = waiting_for(failing)
    failing.errback(OSError("disk"))
    with pytest.raises(OSError, match="disk"):
        result_of(waiter)


def test_outlasting_cancelled() -> None:
    """Who is cancelled learns of it when the thread is done, however often."""
    d: Deferred[int] = Deferred()
    waiter, seen = waiting_for(d), []
    waiter.addBoth(seen.append)
    waiter.cancel()
    waiter.cancel()
    assert (False, []) == (d.called, seen)
    d.callback(1)
    assert CancelledError is seen[0].type


def test_outlasting_done() -> None:
    """What is done already is not waited for."""
    d: Deferred[int] = Deferred()
    d.callback(1)
    assert 1 == result_of(waiting_for(d))
