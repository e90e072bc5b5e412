"""The pool under everything that clients and servers may do, in any order."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.internet.error import ConnectError, ConnectionDone, ConnectionLost
from twisted.internet.task import Clock

from tests.unit.network import Endpoint, Socket
from tests.unit.test_pool import Fetch, World
from tests.unit.wire import CHUNKED, OK, get, ok
from twisted_pulp.http import Cap
from twisted_pulp.settings import Timeouts

_ANSWERS = [
    ok(b"hello"),
    ok(b"hello", b"Connection: close"),
    ok(b"hello") + b"extra",
    OK + b"Content-Length: 5\r\n\r\n",
    OK + b"Content-Length: 300000\r\n\r\n",
    b"hello",
    b"a" * 300_000,
    OK + b"\r\nhello",
    CHUNKED + b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n",
    b"garbage\r\n\r\n",
]
_ERRORS = [ConnectionDone(), ConnectionLost()]
_numbers = st.integers(0, 1000)


class PoolMachine(RuleBasedStateMachine):
    """Two connections to a host, four in all, one or two for a Remote."""

    @initialize(keep=st.booleans())
    def begin(self, keep: bool) -> None:
        """Make the pool and what it connects to."""
        self.world = World(Clock(), connections=4, per_host=2, persistent=keep)
        self.network = self.world.network
        self.network.prompt = False
        self.remotes: list[Cap | None] = [None, Cap(1), Cap(2)]
        timeouts = Timeouts(connect=20, headers=20, idle=20)
        self.endpoints = [
            self.network.endpoint(host, kind, cap, timeouts)
            for host in ("a", "b", "c")
            for kind in ("http", "tls")
            for cap in self.remotes
        ]
        self.fetches: list[Fetch] = []
        self.keep = keep

    @rule(number=_numbers, method=st.sampled_from([b"GET", b"HEAD", b"POST"]))
    def ask(self, number: int, method: bytes) -> None:
        """Want something."""
        endpoint = self.endpoints[number % len(self.endpoints)]
        self.fetches.append(self.world.one(endpoint, get(method, self.keep)))

    @rule(number=_numbers)
    def cancel(self, number: int) -> None:
        """Leave, wherever it is; a body that is under way is given up."""
        if self.fetches:
            fetch = self.fetches[number % len(self.fetches)]
            if fetch.state == "answered" and not fetch.body.ends:
                fetch.body.producer.stopProducing()
            else:
                fetch.deferred.cancel()

    def _attempting(self) -> list[Endpoint]:
        return [endpoint for endpoint in self.endpoints if endpoint.attempts]

    def _shaking(self) -> list[Endpoint]:
        return [endpoint for endpoint in self.endpoints if endpoint.shaking]

    @precondition(lambda self: self._attempting())
    @rule(number=_numbers, how=st.sampled_from(["accept", "accept", "accept", "refuse", "shake"]))
    def connect(self, number: int, how: str) -> None:
        """Let an attempt go on."""
        endpoints = self._attempting()
        getattr(endpoints[number % len(endpoints)], how)()

    @rule(number=_numbers, well=st.booleans())
    def end_handshake(self, number: int, well: bool) -> None:
        """Let a handshake end; one whose connection is gone cannot end well."""
        endpoints = self._shaking()
        if endpoints:
            endpoint = endpoints[number % len(endpoints)]
            alive = endpoint.shaking[0][0] in self.network.sockets
            endpoint.shaken(None if well and alive else ConnectError())

    def _open(self) -> list[Socket]:
        """Connections whose handshake is over: nothing is heard of the others."""
        shaking = [socket for endpoint in self.endpoints for socket, _ in endpoint.shaking]
        return [socket for socket in self.network.sockets if socket not in shaking]

    @precondition(lambda self: self._open())
    @rule(number=_numbers, answer=st.sampled_from(_ANSWERS))
    def answer(self, number: int, answer: bytes) -> None:
        """Let a server say something, asked or not."""
        sockets = self._open()
        sockets[number % len(sockets)].say(answer)

    @precondition(lambda self: self.network.sockets)
    @rule(number=_numbers, error=st.sampled_from(_ERRORS))
    def lose(self, number: int, error: Exception) -> None:
        """Let a server go."""
        self.network.sockets[number % len(self.network.sockets)].lose(error)

    @rule()
    def turn(self) -> None:
        """Let what was ended be gone."""
        self.network.turn()

    @rule(seconds=st.sampled_from([0.1, 5, 30, 100]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.world.clock.pump([0.1, *([0.5] * int(seconds * 2))])

    @rule(host=st.sampled_from("abc"), well=st.booleans())
    def note(self, host: str, well: bool) -> None:
        """Let a host have said that it was too much, or often enough that it was not."""
        for _ in range(25 if well else 1):
            self.world.pool.paces.note(host, well)

    @rule()
    def close_idle(self) -> None:
        """Close what is idle."""
        self.world.pool.closeCachedConnections()

    @rule()
    def close(self) -> None:
        """Close everything; the pool may be used again."""
        self.world.pool.close()
        assert "waiting" not in [fetch.state for fetch in self.fetches]

    @invariant()
    def no_cap_is_exceeded(self) -> None:
        """There are never more sockets and attempts than any cap allows."""
        assert 4 >= self.network.high[""]
        assert all(2 >= self.network.high[host] for host in "abc")
        for cap in self.remotes:
            assert cap is None or cap.limit >= cap.high

    @invariant()
    def tokens_are_requests(self) -> None:
        """Each cap has given as many tokens as there are requests under way, or connections that end after one."""
        busy = [
            fetch
            for fetch in self.fetches
            if fetch.state == "asked" or (fetch.state == "answered" and not fetch.body.ends)
        ]
        for cap in self.remotes:
            if cap is not None:
                assert cap.limit >= sum(fetch.endpoint.cap is cap for fetch in busy)
        assert 4 >= len(busy)
        assert 0 <= self.world.pool.overall.semaphore.tokens <= 4

    @invariant()
    def paces_hold(self) -> None:
        """A host that bears less is asked no more than that; tokens are neither lost nor made up."""
        for cap in self.world.pool._hosts.values():
            assert 1 <= cap.allowed <= 2
            assert cap.limit == cap.busy + cap.semaphore.tokens + cap._kept
            assert not cap.semaphore.tokens or cap.busy + cap.semaphore.tokens <= cap.allowed

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        """Where somebody waits, something is under way that will end."""
        waiting = [fetch for fetch in self.fetches if fetch.state == "waiting"]
        assert not waiting or self.network.sockets or self._attempting() or self._shaking()

    def teardown(self) -> None:
        """At the end, everybody has been told, once, and everything was given back."""
        while self.network.sockets or self._attempting() or self._shaking():
            for endpoint in self.endpoints:
                while endpoint.shaking:
                    endpoint.shaken(ConnectError())
                while endpoint.attempts:
                    endpoint.refuse()
            for socket in list(self.network.sockets):
                socket.lose(ConnectionLost())
            self.network.turn()
        for fetch in self.fetches:
            assert fetch.state == "failed" or (fetch.state == "answered" and fetch.body.end)
        self.world.drained()
        assert all(cap is None or cap.unused for cap in self.remotes)


def test_pool() -> None:
    """The pool keeps its promises, whatever clients and servers do, in whatever order."""
    run_state_machine_as_test(PoolMachine, settings=settings(max_examples=150, stateful_step_count=60, deadline=None))
