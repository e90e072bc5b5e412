"""The pool: who gets a connection, when, and which; and that nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tests.unit.network import Endpoint, Network, Socket
from tests.unit.wire import OK, Body, get, ok
from twisted_pulp.errors import ConnectTimeout, SettingsError
from twisted_pulp.http import Cap, ConnectionPool, Watch
from twisted_pulp.settings import Timeouts


class Fetch:
    """
    A request made through a pool as HTTPAgent makes it.

    :ivar state: waiting, asked, answered, done or failed.
    :ivar error: why it failed.
    """

    def __init__(self, pool: ConnectionPool, endpoint: Endpoint, request: Any = None) -> None:
        self.state, self.body = "waiting", Body()
        self.error: Any = None
        self.endpoint, self._request = endpoint, get() if request is None else request
        self.deferred: Deferred[Any] = pool.getConnection("key", endpoint).addCallback(self._connected)  # type: ignore[arg-type]
        self.deferred.addCallbacks(self._answered, self._failed)

    def _connected(self, connection: Any) -> Any:
        self.state = "asked"
        return connection.request(self._request)

    def _answered(self, response: Any) -> None:
        self.state = "answered"
        response.deliverBody(self.body)
        self.body_ended = self.body.end

    def _failed(self, failure: Failure) -> None:
        self.state, self.error = "failed", failure.value


class World:
    """A network, a pool, and a clock."""

    def __init__(self, clock: Clock, **caps: Any) -> None:
        self.clock, self.network = clock, Network()
        self.watch = Watch(clock)
        self.pool = ConnectionPool(clock, watch=self.watch, **caps)

    def fetch(self, endpoint: Endpoint, count: int = 1, request: Any = None) -> list[Fetch]:
        """Make *count* requests."""
        return [Fetch(self.pool, endpoint, request) for _ in range(count)]

    def one(self, endpoint: Endpoint, request: Any = None) -> Fetch:
        """Make a request."""
        return Fetch(self.pool, endpoint, request)

    def served(self, endpoint: Endpoint) -> Socket:
        """Make a request, answer it, and return its connection, which is idle then."""
        self.one(endpoint)
        socket = self.network.to(endpoint.host)[-1]
        socket.say(ok(b"hi"))
        return socket

    def drained(self) -> None:
        """Assert that the pool holds nothing any more."""
        self.network.turn()
        self.pool.closeCachedConnections()
        self.network.turn()
        assert [] == self.network.sockets
        assert self.pool.overall.unused
        assert ({}, {}, {}) == (self.pool._lanes, self.pool._hosts, self.pool._open)
        self.clock.advance(0.2)
        assert not self.clock.getDelayedCalls()


NewWorld = Callable[..., World]


@pytest.fixture
def new_world(clock: Clock) -> NewWorld:
    """Make a world with caps."""
    return lambda **caps: World(clock, **caps)


@pytest.fixture
def world(new_world: NewWorld) -> World:
    """A world whose pool allows 4 connections, 2 for each host."""
    return new_world(connections=4, per_host=2)


def states(fetches: list[Fetch]) -> list[str]:
    """Return what became of *fetches*."""
    return [fetch.state for fetch in fetches]


# Keeping


def test_kept(world: World) -> None:
    """A connection is kept for the next request to its origin, and only for that."""
    a, b = world.network.endpoint("a"), world.network.endpoint("b")
    first = world.served(a)
    world.one(b)
    assert [first] == world.network.to("a")
    world.one(a)
    assert 2 == first.sent.count(b"GET /path")
    assert 2 == len(world.network.sockets)


def test_last_in_first_out(world: World) -> None:
    """The connection that was used last is used next: it is the least likely to be dead."""
    a = world.network.endpoint("a")
    world.fetch(a, 2)
    older, newer = world.network.to("a")
    newer.say(ok(b"hi"))
    older.say(ok(b"hi"))
    world.one(a)
    assert (2, 1) == (older.sent.count(b"GET"), newer.sent.count(b"GET"))


def test_keys_separate(world: World) -> None:
    """Connections with different keys never stand in for each other, even to one host."""
    plain, secured = world.network.endpoint("a", "http"), world.network.endpoint("a", "tls")
    first = world.served(plain)
    world.one(secured)
    assert 1 == first.sent.count(b"GET")
    assert 2 == len(world.network.to("a"))


def test_endpoint_without_a_key(world: World) -> None:
    """An endpoint that says nothing of itself is known by the key of the request."""

    class Bare:
        def __init__(self, endpoint: Endpoint) -> None:
            self.connect = endpoint.connect

    bare: Any = Bare(world.network.endpoint("a"))
    for _ in range(2):
        world.pool.getConnection(("http", b"a", 80), bare).addCallback(lambda connection: connection.request(get()))
        world.network.sockets[0].say(ok(b"hi"))
    assert 1 == len(world.network.sockets)
    world.drained()


def test_not_persistent(new_world: NewWorld) -> None:
    """A pool that keeps nothing closes each connection after its request, and its agents say so."""
    world = new_world(persistent=False)
    assert not world.pool.persistent
    world.one(world.network.endpoint("a"), get(persistent=False))
    world.network.sockets[0].say(ok(b"hi"))
    world.network.turn()
    assert [] == world.network.sockets
    world.drained()


def test_idle_timeout(world: World) -> None:
    """An idle connection is closed after its time, oldest first, and then nothing is left running."""
    assert 60 == world.pool.cachedConnectionTimeout
    first = world.served(world.network.endpoint("a"))
    world.clock.pump([0.1] * 100)
    second = world.served(world.network.endpoint("b"))
    world.clock.pump([0.1] * 495)
    world.network.turn()
    assert [first, second] == world.network.sockets
    world.clock.pump([0.1] * 10)
    world.network.turn()
    assert [second] == world.network.sockets
    world.clock.pump([0.1] * 100)
    world.network.turn()
    world.drained()


def test_idle_timeout_spares_the_busy(world: World) -> None:
    """A connection with a request is not idle, however long it takes."""
    fetch = world.one(world.network.endpoint("a"))
    world.clock.pump([0.1] * 1000)
    world.network.turn()
    assert "asked" == fetch.state


def test_sleep_makes_idle_connections_old(world: World) -> None:
    """Connections that were idle while the process slept are closed: nobody knows what became of them."""
    world.served(world.network.endpoint("a"))
    world.clock.pump([0.1, 3600])
    world.network.turn()
    world.drained()


def test_lost_while_idle(world: World) -> None:
    """A connection that the server closes while it is idle is forgotten."""
    a = world.network.endpoint("a")
    world.served(a).lose()
    world.one(a)
    assert 1 == len(world.network.sockets)
    world.network.sockets[0].say(ok(b"hi"))
    world.drained()


def test_bytes_while_idle(world: World) -> None:
    """A connection on which bytes came that nobody asked for is not used again, and its end gives no token too many."""
    a = world.network.endpoint("a")
    tainted = world.served(a)
    tainted.say(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    fetches = world.fetch(a, 3)
    assert 1 == tainted.sent.count(b"GET")
    assert ["asked", "waiting", "waiting"] == states(fetches)
    world.network.turn()
    assert ["asked", "asked", "waiting"] == states(fetches)
    assert 2 == world.network.high["a"]


# Caps


def test_per_host(world: World) -> None:
    """No more than so many connections to a host, however many want one; and each gets one, in the order of asking."""
    a = world.network.endpoint("a")
    fetches = world.fetch(a, 10)
    for done in range(0, 10, 2):
        assert ["answered"] * done + ["asked"] * 2 + ["waiting"] * (8 - done) == states(fetches)
        for socket in world.network.to("a"):
            socket.say(ok(b"hi"))
    assert ["answered"] * 10 == states(fetches)
    assert 2 == world.network.high["a"]
    world.drained()


def test_per_host_without_keeping(new_world: NewWorld) -> None:
    """The caps hold too when every connection is closed: a new one waits until the old one is gone."""
    world = new_world(connections=4, per_host=2)
    fetches = world.fetch(world.network.endpoint("a"), 6)
    for _ in range(6):
        for socket in world.network.to("a"):
            socket.say(ok(b"hi", b"Connection: close"))
        assert 2 >= states(fetches).count("asked")
        world.network.turn()
    assert ["answered"] * 6 == states(fetches)
    assert 2 == world.network.high["a"]
    world.drained()


def test_per_host_over_all_keys(world: World) -> None:
    """The cap of a host counts connections of all keys to it; an idle one of another key makes room."""
    plain, secured = world.network.endpoint("a", "http"), world.network.endpoint("a", "tls")
    old = [world.served(plain)]
    world.one(plain)
    world.one(secured)
    assert 2 == world.network.high["a"]
    third = world.one(secured)
    assert "waiting" == third.state
    old[0].say(ok(b"hi"))
    assert "waiting" == third.state
    assert old[0].disconnected
    world.network.turn()
    assert "asked" == third.state
    assert 2 == world.network.high["a"]


def test_overall(world: World) -> None:
    """No more than so many connections in all."""
    endpoints = [world.network.endpoint(host) for host in "abc"]
    fetches = [fetch for endpoint in endpoints for fetch in world.fetch(endpoint, 2)]
    assert 4 == len(world.network.sockets)
    world.network.sockets[0].say(ok(b"hi"))
    world.network.turn()
    assert ["answered", "asked", "asked", "asked", "asked", "waiting"] == states(fetches)
    assert 4 == world.network.high[""]
    assert world.pool.overall.high == 4


def test_overall_takes_from_the_idle(world: World) -> None:
    """Where the overall cap is reached, the connection that was idle longest is gone before a new one comes."""
    idle = [world.served(world.network.endpoint(host)) for host in "abcd"]
    fetch = world.one(world.network.endpoint("e"))
    assert [True, False, False, False] == [socket.disconnected for socket in idle]
    assert "waiting" == fetch.state
    world.network.turn()
    assert "asked" == fetch.state
    assert 4 == world.network.high[""]


def test_overall_reached_twice(world: World) -> None:
    """Each request that needs room gets its own."""
    for host in "abcd":
        world.served(world.network.endpoint(host))
    fetches = [world.one(world.network.endpoint(host)) for host in "efgh"]
    world.network.turn()
    assert ["asked"] * 4 == states(fetches)
    assert 4 == world.network.high[""]


def test_eviction_that_is_over_at_once(world: World) -> None:
    """A transport that is gone as soon as it is ended makes room as well."""
    sockets = [world.served(world.network.endpoint(host)) for host in "abcd"]
    sockets[0].abortConnection = sockets[0].lose  # type: ignore[method-assign]
    fetch = world.one(world.network.endpoint("e"))
    assert "asked" == fetch.state


def test_busy_host_starves_nobody(world: World) -> None:
    """However many wait for one host, another host's requests go on."""
    a, b = world.network.endpoint("a"), world.network.endpoint("b")
    world.fetch(a, 100)
    assert "asked" == world.one(b).state


def test_hosts_in_turn(new_world: NewWorld) -> None:
    """Where the overall cap is what is short, hosts get connections by turns, not by who has asked most."""
    world = new_world(connections=2, per_host=2)
    a, b = world.network.endpoint("a"), world.network.endpoint("b")
    many, few = world.fetch(a, 50), world.fetch(b, 2)
    answered = 0
    while "waiting" in states(few):
        world.network.to("a")[0].say(ok(b"hi"))
        world.network.turn()
        answered += 1
    assert 4 > answered
    assert "waiting" in states(many)


def test_remote_cap(world: World) -> None:
    """The cap of a Remote holds over all its hosts, and over nothing else."""
    cap = Cap(1)
    mine = [world.network.endpoint(host, cap=cap) for host in "ab"]
    fetches = [world.one(endpoint) for endpoint in mine]
    other = world.one(world.network.endpoint("b"))
    assert ["asked", "waiting"] == states(fetches)
    assert "asked" == other.state
    world.network.to("a")[0].say(ok(b"hi"))
    world.network.turn()
    assert ["answered", "asked"] == states(fetches)
    assert 1 == cap.high
    world.network.to("b")[1].say(ok(b"hi"))
    world.network.to("b")[0].say(ok(b"hi"))
    world.drained()
    assert cap.unused


def test_kept_for_another_remote(world: World) -> None:
    """Remotes with equal settings use each other's connections, and each one's cap counts what is its own then."""
    first, second = Cap(1), Cap(1)
    socket = world.served(world.network.endpoint("a", cap=first))
    assert (1, 0) == (first.open, second.open)
    world.one(world.network.endpoint("a", cap=second))
    assert (0, 1) == (first.open, second.open)
    assert 2 == socket.sent.count(b"GET")
    socket.say(ok(b"hi"))
    world.one(world.network.endpoint("a"))
    assert (0, 0) == (first.open, second.open)
    socket.say(ok(b"hi"))
    world.drained()
    assert first.unused
    assert second.unused


def test_not_kept_for_a_remote_that_is_full(new_world: NewWorld) -> None:
    """A connection of another Remote is not taken over where this one's cap has no room for it."""
    world = new_world(connections=8, per_host=4)
    mine, theirs = Cap(1), Cap(4)
    elsewhere = world.served(world.network.endpoint("b", cap=mine))
    idle = world.served(world.network.endpoint("a", cap=theirs))
    fetch = world.one(world.network.endpoint("a", cap=mine))
    assert elsewhere.disconnected
    assert 1 == idle.sent.count(b"GET")
    world.network.turn()
    assert "asked" == fetch.state
    assert 1 == mine.high
    for socket in world.network.to("a"):
        socket.say(ok(b"hi"))
    world.drained()


def test_take_leaves_those_who_wait_their_turn(world: World) -> None:
    """Taking an idle connection at once needs tokens like any other way."""
    a, b, c = (world.network.endpoint(host) for host in "abc")
    assert world.pool.take("key", a) is None
    world.served(a)
    world.fetch(b, 2)
    world.fetch(c, 2)
    assert world.pool.take("key", a) is None


def test_take_leaves_a_remote_its_cap(world: World) -> None:
    """An idle connection is not taken at once for a Remote that has as many requests as it may."""
    cap = Cap(1)
    world.served(world.network.endpoint("a"))
    busy = world.one(world.network.endpoint("b", cap=cap))
    assert world.pool.take("key", world.network.endpoint("a", cap=cap)) is None
    waiting = world.one(world.network.endpoint("a", cap=cap))
    assert ["asked", "waiting"] == states([busy, waiting])


def test_take_what_is_being_lost(world: World) -> None:
    """There is nothing to take where all that is idle is being lost."""
    a = world.network.endpoint("a")
    world.served(a).say(b"unasked")
    assert world.pool.take("key", a) is None
    world.network.turn()
    world.drained()


@pytest.mark.parametrize("caps", [{"connections": 0}, {"per_host": 0}, {"connections": None}, {"per_host": 1.5}])
def test_caps_are_checked(clock: Clock, caps: Any) -> None:
    """A cap of nothing is refused, when the pool is made."""
    with pytest.raises(SettingsError):
        ConnectionPool(clock, **caps)


# Failing


@pytest.mark.parametrize("error", [ConnectError(), ValueError()])
def test_connecting_fails(world: World, error: Exception) -> None:
    """An attempt that fails is told, and gives everything back to who waits."""
    world.network.prompt = False
    a = world.network.endpoint("a")
    fetches = world.fetch(a, 3)
    a.refuse(error)
    assert error is fetches[0].error
    assert 2 == len(a.attempts)
    for _ in range(2):
        a.refuse()
    assert ["failed"] * 3 == states(fetches)
    world.drained()


def test_endpoint_that_raises(world: World) -> None:
    """An endpoint that raises fails the request alone."""

    class Raising(Endpoint):
        def connect(self, factory: Any) -> Deferred[Any]:
            raise ZeroDivisionError

    fetch = world.one(Raising(world.network, "a", "key", "a"))
    assert isinstance(fetch.error, ZeroDivisionError)
    world.drained()


def test_connect_timeout(world: World) -> None:
    """An attempt that takes too long is given up, with the pool's watch and no timer of its own."""
    world.network.prompt = False
    a = world.network.endpoint("a", timeouts=Timeouts(connect=5))
    fetch = world.one(a)
    assert 1 == len(world.clock.getDelayedCalls())
    world.clock.pump([0.1] * 49)
    assert "waiting" == fetch.state
    world.clock.pump([0.1] * 2)
    assert isinstance(fetch.error, ConnectTimeout)
    assert 5 == fetch.error.seconds
    assert not a.attempts
    world.drained()


def test_waiting_is_no_connecting(world: World) -> None:
    """The time in a queue does not count against the connect timeout."""
    a = world.network.endpoint("a", timeouts=Timeouts(connect=5, headers=None))
    fetches = world.fetch(a, 3)
    world.clock.pump([0.1] * 100)
    assert ["asked", "asked", "waiting"] == states(fetches)


def test_handshake_fails(world: World) -> None:
    """A connection whose handshake fails counts until it is gone."""
    world.network.prompt = False
    a = world.network.endpoint("a")
    fetches = world.fetch(a, 3)
    socket = a.shake()
    a.shaken(ConnectError())
    assert "failed" == fetches[0].state
    assert socket.disconnected
    assert 1 == len(a.attempts)
    world.network.turn()
    assert 2 == len(a.attempts)
    assert 2 == world.network.high["a"]
    for _ in range(2):
        a.refuse()
    world.drained()


def test_lost_in_the_handshake(world: World) -> None:
    """A connection that is gone when its handshake fails counts no more."""
    world.network.prompt = False
    a = world.network.endpoint("a")
    world.one(a)
    a.shake().lose()
    a.shaken(ConnectionLost())
    world.drained()


def test_handshake_times_out(world: World) -> None:
    """The connect timeout covers the handshake."""
    world.network.prompt = False
    a = world.network.endpoint("a", timeouts=Timeouts(connect=5))
    fetch = world.one(a)
    a.shake()
    world.clock.pump([0.1] * 60)
    assert isinstance(fetch.error, ConnectTimeout)
    world.drained()


def test_never_connected(world: World) -> None:
    """A protocol that was made for an attempt that came to nothing is no connection."""
    world.network.prompt = False
    a = world.network.endpoint("a")
    world.one(a)
    a.attempts[0][0].buildProtocol(None)  # type: ignore[arg-type]
    a.refuse()
    world.drained()


def test_one_of_two_races(world: World) -> None:
    """Where two attempts race, the one that loses counts for nothing."""
    world.network.prompt = False
    a = world.network.endpoint("a")
    fetch = world.one(a)
    loser = a.established(a.attempts[0][0])
    winner = a.accept()
    loser.loseConnection()
    world.network.turn()
    assert 1 == world.pool.overall.open
    winner.say(ok(b"hi"))
    assert "answered" == fetch.state
    world.drained()


@pytest.mark.parametrize("answer", [b"", OK, OK + b"Content-Length: 5\r\n\r\nhi"])
def test_lost_while_busy(world: World, answer: bytes) -> None:
    """A connection that is lost in the middle of a request gives its tokens back."""
    a = world.network.endpoint("a")
    fetches = world.fetch(a, 3)
    socket = world.network.sockets[0]
    if answer:
        socket.say(answer)
    socket.lose(ConnectionLost())
    assert ["asked", "asked"] == states(fetches)[1:]
    for each in world.network.to("a"):
        each.say(ok(b"hi"))
    world.drained()


# Cancelling


def test_cancel_waiting_for_a_host(world: World) -> None:
    """Who leaves the queue of a host keeps nobody waiting."""
    fetches = world.fetch(world.network.endpoint("a"), 4)
    fetches[2].deferred.cancel()
    world.network.sockets[0].say(ok(b"hi"))
    assert ["answered", "asked", "failed", "asked"] == states(fetches)
    assert isinstance(fetches[2].error, CancelledError)
    for socket in world.network.sockets:
        socket.say(ok(b"hi"))
    world.drained()


def test_cancel_waiting_for_the_overall_cap(world: World) -> None:
    """Who leaves that queue gives the token of its host back."""
    for host in "ab":
        world.fetch(world.network.endpoint(host), 2)
    c = world.network.endpoint("c")
    fetches = world.fetch(c, 3)
    fetches[0].deferred.cancel()
    fetches[1].deferred.cancel()
    world.network.sockets[0].say(ok(b"hi"))
    world.network.turn()
    assert ["failed", "failed", "asked"] == states(fetches)


def test_cancel_waiting_for_room(world: World) -> None:
    """Who leaves while a connection is being closed for it leaves the room to the next."""
    for host in "abcd":
        world.served(world.network.endpoint(host))
    e, f = world.network.endpoint("e"), world.network.endpoint("f")
    first, second = world.one(e), world.one(f)
    first.deferred.cancel()
    world.network.turn()
    assert ["failed", "asked"] == states([first, second])
    world.network.to("f")[0].say(ok(b"hi"))
    world.drained()


def test_cancel_connecting(world: World) -> None:
    """Who leaves while a connection is being made gives it up."""
    world.network.prompt = False
    a = world.network.endpoint("a")
    fetches = world.fetch(a, 3)
    fetches[0].deferred.cancel()
    assert 2 == len(a.attempts)
    assert ["failed", "waiting", "waiting"] == states(fetches)
    for _ in range(2):
        a.accept().say(ok(b"hi"))
    world.drained()


def test_cancel_asked(world: World) -> None:
    """Who leaves while its request is in progress ends the connection."""
    a = world.network.endpoint("a")
    fetches = world.fetch(a, 3)
    fetches[0].deferred.cancel()
    assert ["failed", "asked", "waiting"] == states(fetches)
    world.network.turn()
    assert ["failed", "asked", "asked"] == states(fetches)
    for socket in world.network.sockets:
        socket.say(ok(b"hi"))
    world.drained()


# Sending again


def test_sent_again(world: World) -> None:
    """A request is sent again, on a new connection, when a kept one died before a byte came."""
    a = world.network.endpoint("a")
    world.served(a)
    fetch = world.one(a)
    world.network.sockets[0].lose()
    assert "asked" == fetch.state
    world.network.sockets[0].say(ok(b"hi"))
    assert "answered" == fetch.state
    world.drained()


@pytest.mark.parametrize("error", [ConnectionLost(), None])
def test_sent_again_once(world: World, error: Exception | None) -> None:
    """It is sent again once, not for ever."""
    a = world.network.endpoint("a")
    world.served(a)
    fetch = world.one(a)
    for _ in range(2):
        world.network.sockets[0].lose(error)
    assert "failed" == fetch.state
    world.drained()


def test_sent_again_on_a_new_connection_only(world: World) -> None:
    """The second time it does not take another kept connection, which may be as dead."""
    a = world.network.endpoint("a")
    world.fetch(a, 2)
    for socket in world.network.to("a"):
        socket.say(ok(b"hi"))
    kept, dying = world.network.to("a")
    fetch = world.one(a)
    dying.lose()
    world.network.turn()
    assert 1 == kept.sent.count(b"GET")
    assert "asked" == fetch.state
    assert 2 == world.network.high["a"]


def test_not_sent_again_from_a_new_connection(world: World) -> None:
    """What fails on a new connection has failed."""
    fetch = world.one(world.network.endpoint("a"))
    world.network.sockets[0].lose()
    assert "failed" == fetch.state
    world.drained()


def test_not_sent_again_after_a_byte(world: World) -> None:
    """What fails after a byte came has failed."""
    a = world.network.endpoint("a")
    world.served(a)
    fetch = world.one(a)
    world.network.sockets[0].say(b"H")
    world.network.sockets[0].lose()
    assert "failed" == fetch.state
    world.drained()


def test_not_sent_again_when_switched_off(world: World) -> None:
    """Nothing is sent again where nobody wants it."""
    world.pool.retryAutomatically = False
    a = world.network.endpoint("a")
    world.served(a)
    fetch = world.one(a)
    world.network.sockets[0].lose()
    assert "failed" == fetch.state
    world.drained()


@pytest.mark.parametrize("method", [b"POST", b"PATCH"])
def test_not_sent_again_if_it_may_count_twice(world: World, method: bytes) -> None:
    """Only what may be done twice is sent again (RFC 9110 section 9.2.2)."""
    a = world.network.endpoint("a")
    world.served(a)
    fetch = world.one(a, get(method))
    world.network.sockets[0].lose()
    assert "failed" == fetch.state
    world.drained()


def test_not_sent_again_with_a_body(world: World) -> None:
    """A request with a body is not sent again: the body may be used up."""

    class WithBody:
        method, persistent, bodyProducer = b"PUT", True, object()

        def writeTo(self, transport: Any) -> None:
            transport.write(b"PUT")

    a = world.network.endpoint("a")
    world.served(a)
    fetch = world.one(a, WithBody())
    world.network.sockets[0].lose()
    assert "failed" == fetch.state
    world.drained()


def test_not_sent_again_when_cancelled(world: World) -> None:
    """Who cancels does not want it again."""
    a = world.network.endpoint("a")
    socket = world.served(a)
    fetch = world.one(a)
    fetch.deferred.cancel()
    world.network.turn()
    assert "failed" == fetch.state
    assert 2 == socket.sent.count(b"GET")
    world.drained()


def test_not_sent_again_after_a_timeout(world: World) -> None:
    """A server that says nothing is not asked twice."""
    a = world.network.endpoint("a", timeouts=Timeouts(headers=5))
    world.served(a)
    fetch = world.one(a)
    world.clock.pump([0.1] * 60)
    world.network.turn()
    assert "failed" == fetch.state
    world.drained()


def test_cancel_while_sending_again(world: World) -> None:
    """Cancelling reaches the second attempt."""
    a = world.network.endpoint("a")
    world.served(a)
    fetch = world.one(a)
    world.network.prompt = False
    world.network.sockets[0].lose()
    assert 1 == len(a.attempts)
    fetch.deferred.cancel()
    assert "failed" == fetch.state
    assert not a.attempts
    world.drained()


def test_sent_again_though_it_was_never_sent(world: World) -> None:
    """A kept connection that ends between being taken and being asked is as good as dead."""
    a = world.network.endpoint("a")
    socket = world.served(a)
    kept = world.pool.take("key", a)
    assert kept is not None
    socket.lose()
    answers: list[Any] = []
    kept.request(get()).addBoth(answers.append)
    world.network.sockets[0].say(ok(b"hi"))
    assert 200 == answers[0].code
    world.drained()


# Closing


def test_close_cached_connections(world: World) -> None:
    """Closing what is idle spares what is not, and says when it is done."""
    a, b = world.network.endpoint("a"), world.network.endpoint("b")
    idle = world.served(a)
    busy = world.one(b)
    over: list[None] = []
    world.pool.closeCachedConnections().addCallback(over.append)
    assert idle.disconnected
    assert not over
    world.network.turn()
    assert [None] == over
    assert "asked" == busy.state
    world.network.sockets[0].say(ok(b"hi"))
    world.drained()


def test_close_nothing(world: World) -> None:
    """Closing an empty pool is over at once."""
    over: list[None] = []
    world.pool.closeCachedConnections().addCallback(over.append)
    world.pool.close().addCallback(over.append)
    assert [None, None] == over


def test_close(world: World) -> None:
    """Closing everything fails what is in progress, and says when all is gone."""
    a, b = world.network.endpoint("a"), world.network.endpoint("b")
    world.served(a)
    fetch = world.one(b)
    over: list[None] = []
    world.pool.close().addCallback(over.append)
    assert not over
    world.network.turn()
    assert [None] == over
    assert "failed" == fetch.state
    world.drained()


def test_close_cancels_who_waits(world: World) -> None:
    """Who waits for a connection, in a queue or for an attempt, is cancelled, and nothing is opened any more."""
    a, b, c = (world.network.endpoint(host) for host in "abc")
    busy = world.fetch(a, 3)
    world.network.prompt = False
    connecting, shaking = world.one(b), world.one(c)
    c.shake()
    over: list[None] = []
    world.pool.close().addCallback(over.append)
    world.network.turn()
    assert [None] == over
    assert ["failed"] * 5 == states([*busy, connecting, shaking])
    assert isinstance(busy[2].error, CancelledError)
    assert isinstance(connecting.error, CancelledError)
    assert not a.attempts
    assert not b.attempts
    world.drained()


def test_close_waits_for_what_failed(world: World) -> None:
    """A connection whose handshake has failed is waited for, like all that is being closed."""
    world.network.prompt = False
    a = world.network.endpoint("a")
    world.one(a)
    a.shake()
    a.shaken(ConnectError())
    over: list[None] = []
    world.pool.close().addCallback(over.append)
    assert not over
    world.network.turn()
    assert [None] == over
    world.drained()


def test_close_while_sending_again(world: World) -> None:
    """A request that is about to be sent again is not."""
    a = world.network.endpoint("a")
    world.served(a)
    fetch = world.one(a)
    world.network.prompt = False
    world.network.sockets[0].lose()
    world.pool.close()
    assert "failed" == fetch.state
    assert not a.attempts
    world.drained()


def test_closing_twice(world: World) -> None:
    """A connection that is being closed already is waited for."""
    world.served(world.network.endpoint("a"))
    over: list[None] = []
    world.pool.closeCachedConnections()
    world.pool.close().addCallback(over.append)
    assert not over
    world.network.turn()
    assert [None] == over


def test_repr(world: World) -> None:
    """A pool says how full it is."""
    world.served(world.network.endpoint("a"))
    world.one(world.network.endpoint("b"))
    assert "<ConnectionPool <Cap 1 busy, 2 open of 4, 0 waiting>, 1 idle, to 2 hosts>" == repr(world.pool)


def test_watch_of_its_own(clock: Clock) -> None:
    """A pool that is given no watch makes one."""
    pool, network = ConnectionPool(clock), Network()
    Fetch(pool, network.endpoint("a"))
    network.sockets[0].say(ok(b"hi"))
    clock.pump([0.1] * 601)
    network.turn()
    assert [] == network.sockets
    clock.pump([0.1])
    assert not clock.getDelayedCalls()


def test_lease(world: World) -> None:
    """Where others have a part of a host, only ours is connected to; what is idle beyond it is closed."""
    leased: list[tuple[object, Cap]] = []

    def begun(key: object, cap: Cap) -> None:
        leased.append((key, cap))
        cap.lease(0)

    world.pool.paces.leased = begun
    fetches = world.fetch(world.network.endpoint("a"), 3)
    assert ["waiting"] * 3 == states(fetches)
    ((key, cap),) = leased
    assert {key: cap} == world.pool.paces.caps
    cap.lease(2)
    assert ["asked", "asked", "waiting"] == states(fetches)
    for socket in list(world.network.to("a")):
        socket.say(ok(b"hi"))
    world.network.to("a")[0].say(ok(b"hi"))
    assert (["answered"] * 3, 2) == (states(fetches), cap.open)
    cap.lease(1)
    world.pool.shrink(cap)
    world.network.turn()
    assert 1 == cap.open
    cap.lease(0)
    world.pool.shrink(cap)
    world.network.turn()
    world.drained()
