"""The pool with HTTP/2 under everything that clients and servers may do, in any order."""

from __future__ import annotations

from typing import Any

from h2.errors import ErrorCodes
from h2.events import RequestReceived
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes
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

from tests.unit.h2_network import H2Socket, H2World
from tests.unit.test_h2_connection import going, reset
from tests.unit.test_pool import Fetch
from tests.unit.wire import get, ok
from twisted_pulp.http import Cap
from twisted_pulp.settings import Timeouts

_ERRORS = [ConnectionDone(), ConnectionLost()]
_NONSENSE = [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 9, b"\0\0\1\0\0\0\0\0\1x", b"\x01\0\0" + bytes(6)]
_SAID = ["whole", "whole", "whole", "begin", "begin", "more", "end", "reset", "refuse"]
_numbers = st.integers(0, 1000)


class Machine(RuleBasedStateMachine):
    """Two connections to a host, four in all, one for one of the Remotes, and few streams on each."""

    @initialize(keep=st.integers(0, 4), prompt=st.booleans())
    def begin(self, keep: int, prompt: bool) -> None:
        """Make the pool and what it connects to."""
        self.world = world = H2World(Clock(), connections=4, per_host=2, persistent=keep > 0)
        self.network, self.keep = self.world.network, keep > 0
        self.network.prompt = prompt
        self.remotes: list[Cap | None] = [None, Cap(1)]
        timeouts = Timeouts(connect=20, headers=20, idle=20)
        self.endpoints = [world.endpoint(host, cap, timeouts) for host in ("a", "b", "c") for cap in self.remotes]
        self.fetches: list[Fetch] = []

    @rule(
        number=_numbers,
        method=st.sampled_from([b"GET", b"GET", b"HEAD", b"POST"]),
        count=st.integers(1, 5),
        at_once=st.booleans(),
    )
    def ask(self, number: int, method: bytes, count: int, at_once: bool) -> None:
        """Want something, or several things."""
        endpoint = self.endpoints[number % len(self.endpoints)]
        self.fetches += [self.world.one(endpoint, get(method, self.keep)) for _ in range(count)]
        if at_once:
            self.world.turn()

    @rule(number=_numbers)
    def cancel(self, number: int) -> None:
        """Leave, wherever it is; a body that is under way is given up."""
        if self.fetches:
            fetch = self.fetches[number % len(self.fetches)]
            if fetch.state == "answered" and not fetch.body.ends:
                fetch.body.producer.stopProducing()
            else:
                fetch.deferred.cancel()

    @rule(number=_numbers, pause=st.booleans())
    def pause(self, number: int, pause: bool) -> None:
        """Hold a body back, or go on."""
        bodies = [fetch.body for fetch in self.fetches if fetch.state == "answered" and not fetch.body.ends]
        if bodies:
            producer = bodies[number % len(bodies)].producer
            (producer.pauseProducing if pause else producer.resumeProducing)()

    def _attempting(self) -> list[Any]:
        return [endpoint for endpoint in self.endpoints if endpoint.attempts]

    def _shaking(self) -> list[Any]:
        return [endpoint for endpoint in self.endpoints if endpoint.shaking]

    @precondition(lambda self: self._attempting())
    @rule(number=_numbers, how=st.sampled_from(["accept", "accept", "accept", "refuse"]), plain=st.integers(0, 5))
    def connect(self, number: int, how: str, plain: int) -> None:
        """Let an attempt go on; now and then a server wants HTTP/1.1."""
        endpoints = self._attempting()
        endpoint = endpoints[number % len(endpoints)]
        endpoint.speaks = b"h2" if plain else None
        getattr(endpoint, how)()

    def _open(self) -> list[Any]:
        return [socket for socket in self.network.sockets if isinstance(socket, H2Socket) and not socket.disconnected]

    def _serving(self, number: int) -> Any:
        """Return a connection over which HTTP/2 is spoken, or None."""
        sockets = [socket for socket in self._open() if socket.negotiatedProtocol]
        socket = sockets[number % len(sockets)] if sockets else None
        if socket is not None:
            socket.serve()
        return socket

    @rule(number=_numbers, said=st.lists(st.tuples(_numbers, st.sampled_from(_SAID)), max_size=6))
    def answer(self, number: int, said: list[tuple[int, str]]) -> None:
        """Let a server say something about its streams."""
        for which, what in said:
            self._say(number, which, what)

    def _say(self, number: int, which: int, what: str) -> None:
        socket = self._serving(number)
        heard = [] if socket is None else socket.server.heard
        asked = [event.stream_id for event in heard if isinstance(event, RequestReceived)][-4:]
        if not asked:
            return
        stream, h2 = asked[which % len(asked)], socket.server.h2
        try:
            if what == "whole":
                h2.send_headers(stream, [(":status", "200"), ("content-length", "5")])
                h2.send_data(stream, b"hello", end_stream=True)
            elif what == "begin":
                h2.send_headers(stream, [(":status", "200")])
            elif what in ("more", "end"):
                h2.send_data(stream, b"x" * 1000, end_stream=what == "end")
            else:
                h2.reset_stream(stream, ErrorCodes.REFUSED_STREAM if what == "refuse" else ErrorCodes.CANCEL)
        except ProtocolError:  # that stream is over
            return
        finally:
            data = h2.data_to_send()
        socket.say(data)

    @rule(number=_numbers, streams=st.sampled_from([0, 1, 2, 3]))
    def allow(self, number: int, streams: int) -> None:
        """Let a server say how many streams there may be."""
        socket = self._serving(number)
        if socket is not None:
            socket.server.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: streams})
            socket.say(socket.server.say())

    @rule(number=_numbers, last=st.sampled_from([0, 1, 3, 5, 99]))
    def go(self, number: int, last: int) -> None:
        """Let a server say goodbye."""
        socket = self._serving(number)
        if socket is not None and not number % 3:
            socket.say(going(last))

    @rule(number=_numbers, data=st.sampled_from([*_NONSENSE, reset(1, 0), ok(b"hi"), ok(b"hi", b"Connection: close")]))
    def say(self, number: int, data: bytes) -> None:
        """Let a server say something, asked or not, of whatever protocol."""
        sockets = self._open()
        if sockets and not number % 5:
            sockets[number % len(sockets)].say(data)

    @precondition(lambda self: self.network.sockets)
    @rule(number=_numbers, error=st.sampled_from(_ERRORS))
    def lose(self, number: int, error: Exception) -> None:
        """Let a server go, now and then."""
        if not number % 4:
            self.network.sockets[number % len(self.network.sockets)].lose(error)

    @rule(again=st.booleans())
    def turn(self, again: bool) -> None:
        """Let a turn end, and what was ended be gone."""
        self.world.turn()
        if again:
            self.world.turn()

    @rule(seconds=st.sampled_from([0.1, 0.1, 0.1, 1, 5, 30]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.world.clock.pump([0.1, *([0.5] * int(seconds * 2))])

    @rule()
    def close_idle(self) -> None:
        """Close what is idle."""
        self.world.pool.closeCachedConnections()

    @rule(number=_numbers)
    def close(self, number: int) -> None:
        """Close everything, once in a while; the pool may be used again."""
        if not number % 20:
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
    def tokens_are_connections(self) -> None:
        """There are never more tokens given back than there are."""
        assert 0 <= self.world.pool.overall.semaphore.tokens <= 4

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        """Where somebody waits, something is under way that will end."""
        waiting = [fetch for fetch in self.fetches if fetch.state == "waiting"]
        assert not waiting or self.network.sockets or self._attempting()

    @invariant()
    def nothing_was_logged(self) -> None:
        """Nobody hears twice how a body ended."""
        assert all(2 > len(fetch.body.ends) for fetch in self.fetches)

    def teardown(self) -> None:
        """At the end, everybody has been told, once, and everything was given back."""
        if not hasattr(self, "world"):
            return
        while self.network.sockets or self._attempting():
            for endpoint in self.endpoints:
                while endpoint.attempts:
                    endpoint.refuse(ConnectError())
            for socket in list(self.network.sockets):
                socket.lose(ConnectionLost())
            self.world.turn()
        for fetch in self.fetches:
            if fetch.state == "answered" and not fetch.body.ends:  # it came whole, and its consumer is paused
                fetch.body.producer.resumeProducing()
        self.world.turn()
        for fetch in self.fetches:
            assert fetch.state == "failed" or (fetch.state == "answered" and fetch.body.end)
        self.world.drained()
        assert all(cap is None or cap.unused for cap in self.remotes)


def test_http2() -> None:
    """HTTP/2 keeps its promises, whatever clients and servers do, in whatever order."""
    run_state_machine_as_test(Machine, settings=settings(max_examples=100, stateful_step_count=60, deadline=None))
