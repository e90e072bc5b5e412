"""Addresses of names, each looked up in a thread of its own."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError, Deferred

from tests.unit.answering import outcome
from twisted_pulp.errors import DNSError
from twisted_pulp.http import Resolver

V4 = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))
V6 = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 80, 0, 0))
PATIENCE = 60.0  # seconds a thread may take


class Turns:
    """As much of a reactor as threads need: what they ask for is done when the test takes a turn."""

    def __init__(self) -> None:
        self._calls: queue.Queue[Callable[[], Any]] = queue.Queue()

    def callFromThread(self, call: Callable[..., Any], *args: Any) -> None:
        self._calls.put(lambda: call(*args))

    def turn(self) -> None:
        """Wait for a call, and make it."""
        self._calls.get(timeout=PATIENCE)()


class Names:
    """
    A getaddrinfo that answers what it is told, and when.

    :ivar answers: by name: a list, or an error.
    :ivar held: names whose answers wait until they are let go.
    :ivar asked: what it was asked, in order.
    """

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.held: dict[str, threading.Event] = {}
        self.asked: list[tuple[Any, ...]] = []

    def hold(self, name: str) -> threading.Event:
        """Let *name* wait."""
        self.held[name] = threading.Event()
        return self.held[name]

    def __call__(self, host: str, *rest: Any) -> Any:
        self.asked.append((host, *rest))
        if host in self.held:
            assert self.held[host].wait(PATIENCE)
        answer = self.answers[host]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def turns() -> Turns:
    """The reactor."""
    return Turns()


def collected(d: Deferred[Any]) -> list[Any]:
    """Return a list that gets what *d* comes to."""
    results: list[Any] = []
    d.addBoth(results.append)
    return results


def lookup(turns: Turns, answer: Any) -> Any:
    """Look up a name that has *answer*."""
    d = Resolver(turns, getaddrinfo=Names(a=answer)).lookup("a", 80)  # type: ignore[arg-type]
    turns.turn()
    return outcome(d)


@pytest.mark.parametrize(
    ("expected", "answer"),
    [
        ([IPv4Address("TCP", "192.0.2.1", 80)], [V4]),
        ([IPv6Address("TCP", "2001:db8::1", 80), IPv4Address("TCP", "192.0.2.1", 80)], [V6, V4]),
        ([IPv4Address("TCP", "192.0.2.1", 80)], [V4, V4]),
        ([IPv4Address("TCP", "192.0.2.1", 80)], [(socket.AF_UNIX, socket.SOCK_STREAM, 0, "", "/tmp/x"), V4]),
    ],
)
def test_addresses(turns: Turns, expected: list[object], answer: Any) -> None:
    """The addresses come in the system's order, each once, and only those that can be connected to."""
    assert expected == lookup(turns, answer)


def test_what_is_asked(turns: Turns) -> None:
    """The system is asked for what TCP needs."""
    names = Names(a=[V4])
    Resolver(turns, getaddrinfo=names).lookup("a", 80)  # type: ignore[arg-type]
    turns.turn()
    assert [("a", 80, 0, socket.SOCK_STREAM)] == names.asked


@pytest.mark.parametrize(
    ("retryable", "answer"),
    [
        (False, socket.gaierror(socket.EAI_NONAME, "Name or service not known")),
        (True, socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")),
        (True, socket.gaierror(socket.EAI_MEMORY, "Memory allocation failure")),
        (False, socket.gaierror(socket.EAI_FAIL, "Non-recoverable failure in name resolution")),
        (False, socket.gaierror("odd")),
        (False, UnicodeError("label too long")),
        (False, OSError(22, "Invalid argument")),
        (False, []),
    ],
)
def test_no_addresses(turns: Turns, retryable: bool, answer: Any) -> None:
    """A name without addresses fails; again it is worth asking only if nobody could tell."""
    error = lookup(turns, answer)
    assert isinstance(error, DNSError)
    assert retryable == error.retryable
    assert error.detail.startswith("no address for a: ")


def test_slow_name_delays_no_other(turns: Turns) -> None:
    """However long one name takes, another is answered (trap T10)."""
    names = Names(slow=[V4], fast=[V6])
    slow_may_go = names.hold("slow")
    resolver = Resolver(turns, getaddrinfo=names)  # type: ignore[arg-type]
    slow = [collected(resolver.lookup("slow", 80)) for _ in range(100)]
    fast = collected(resolver.lookup("fast", 80))
    turns.turn()
    assert [[IPv6Address("TCP", "2001:db8::1", 80)]] == fast
    assert not slow[0]
    slow_may_go.set()
    turns.turn()
    assert [[[IPv4Address("TCP", "192.0.2.1", 80)]]] * 100 == slow
    assert 2 == len(names.asked)


def test_asked_again(turns: Turns) -> None:
    """Nothing is remembered: the system's resolver does that."""
    names = Names(a=[V4])
    resolver = Resolver(turns, getaddrinfo=names)  # type: ignore[arg-type]
    for _ in range(2):
        resolver.lookup("a", 80)
        turns.turn()
    assert 2 == len(names.asked)


def test_ports_are_apart(turns: Turns) -> None:
    """The answer for one port is none for another."""
    names = Names(a=[V4])
    resolver = Resolver(turns, getaddrinfo=names)  # type: ignore[arg-type]
    resolver.lookup("a", 80)
    resolver.lookup("a", 443)
    turns.turn()
    turns.turn()
    assert [80, 443] == sorted(port for _, port, *_ in names.asked)


def test_each_has_its_own_error(turns: Turns) -> None:
    """An error is not shared: each will name the URL that was asked for."""
    names = Names(a=socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
    may_go = names.hold("a")
    resolver = Resolver(turns, getaddrinfo=names)  # type: ignore[arg-type]
    first, second = collected(resolver.lookup("a", 80)), collected(resolver.lookup("a", 80))
    may_go.set()
    turns.turn()
    assert first[0].value is not second[0].value


def test_threads_are_bounded(turns: Turns) -> None:
    """There are so many look-ups at once, and the others wait."""
    names = Names(a=[V4], b=[V6])
    may_go = names.hold("a")
    resolver = Resolver(turns, 1, names)  # type: ignore[arg-type]
    first, second = collected(resolver.lookup("a", 80)), collected(resolver.lookup("b", 80))
    may_go.set()
    turns.turn()
    assert (1, 0) == (len(first), len(second))
    turns.turn()
    assert 1 == len(second)


def test_cancel(turns: Turns) -> None:
    """Who leaves is not told, and the others are."""
    names = Names(a=[V4])
    may_go = names.hold("a")
    resolver = Resolver(turns, getaddrinfo=names)  # type: ignore[arg-type]
    left, stayed = resolver.lookup("a", 80), collected(resolver.lookup("a", 80))
    gone = collected(left)
    left.cancel()
    assert gone[0].check(CancelledError)
    may_go.set()
    turns.turn()
    assert 1 == len(stayed)


def test_cancel_before_the_start(turns: Turns) -> None:
    """A name that nobody wants any more is not asked for, and keeps no other waiting."""
    names = Names(a=[V4], b=[V4], c=[V6])
    may_go = names.hold("a")
    resolver = Resolver(turns, 1, names)  # type: ignore[arg-type]
    resolver.lookup("a", 80)
    left = resolver.lookup("b", 80)
    gone, third = collected(left), collected(resolver.lookup("c", 80))
    left.cancel()
    may_go.set()
    turns.turn()
    turns.turn()
    assert 1 == len(third)
    assert gone[0].check(CancelledError)
    assert ["a", "c"] == [name for name, *_ in names.asked]


def test_cancelled_from_a_callback(turns: Turns) -> None:
    """Who leaves because another was answered keeps nobody else from being answered."""
    names = Names(a=[V4])
    may_go = names.hold("a")
    resolver = Resolver(turns, getaddrinfo=names)  # type: ignore[arg-type]
    first, second, third = (resolver.lookup("a", 80) for _ in range(3))
    first.addCallback(lambda _: second.cancel())
    left, stayed = collected(second), collected(third)
    may_go.set()
    turns.turn()
    assert left[0].check(CancelledError)
    assert [[IPv4Address("TCP", "192.0.2.1", 80)]] == stayed


def test_no_thread_to_be_had(turns: Turns, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system gives no thread, the look-up fails, and may be tried again."""

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    d = Resolver(turns, getaddrinfo=Names(a=[V4])).lookup("a", 80)  # type: ignore[arg-type]
    error = outcome(d)
    assert isinstance(error, DNSError)
    assert error.retryable


def test_threads_are_daemons(turns: Turns) -> None:
    """A look-up that never ends keeps no process from its end."""
    names = Names(a=[V4])
    may_go = names.hold("a")
    Resolver(turns, getaddrinfo=names).lookup("a", 80)  # type: ignore[arg-type]
    threads = [thread for thread in threading.enumerate() if thread.name == "look-up of a"]
    assert [True] == [thread.daemon for thread in threads]
    may_go.set()
    turns.turn()
