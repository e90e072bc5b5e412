"""HTTP/2 in the pool: who gets a stream, when there is another connection, and that the caps hold."""

from __future__ import annotations

from typing import Any

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock

from tests.unit.h2_network import H2Endpoint, H2Socket, H2World
from tests.unit.test_h2_connection import going, reset
from tests.unit.test_pool import Fetch, states
from tests.unit.wire import get, ok
from twisted_pulp.errors import ConnectTimeout, HeadersTimeout, StreamReset
from twisted_pulp.http import Cap
from twisted_pulp.settings import Timeouts


@pytest.fixture
def world(clock: Clock) -> H2World:
    """A world whose pool allows 4 connections, 2 for each host."""
    return H2World(clock, connections=4, per_host=2)


@pytest.fixture
def a(world: H2World) -> H2Endpoint:
    """A host that speaks HTTP/2."""
    return world.endpoint("a")


def begun(world: H2World, a: H2Endpoint, streams: int | None = None) -> H2Socket:
    """Return a connection that rests, whose server has said how many streams there may be."""
    world.one(a)
    world.turn()
    (socket,) = world.to(a.host)
    if streams is not None:
        allow(socket, streams)
    socket.answer(1)
    world.turn()
    return socket  # type: ignore[no-any-return]


def allow(socket: Any, streams: int) -> None:
    """Let the server say how many streams there may be."""
    socket.server.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: streams})
    socket.say(socket.server.say())


def finish(world: H2World, fetches: list[Fetch], least: int = 1) -> None:
    """Answer everything, in as many turns as it takes."""
    for _ in range(len(fetches) + 5):
        world.turn()
        for socket in list(world.network.sockets):
            if isinstance(socket, H2Socket):
                socket.answer(*[number for number, each in socket.server.h2.streams.items() if each.open])
    assert ["answered"] * len(fetches) == states(fetches)


def test_one_connection(world: H2World, a: H2Endpoint) -> None:
    """Many requests share one connection, even those that came before there was one."""
    world.network.prompt = False
    fetches = world.fetch(a, 50)
    assert 1 == len(a.attempts)
    socket: Any = a.accept()
    world.turn()
    assert 50 == len(socket.server.requests)
    fetches += world.fetch(a, 10)
    finish(world, fetches)
    assert 1 == world.network.high["a"]
    world.drained()


def test_rests(world: H2World, a: H2Endpoint) -> None:
    """A connection without streams rests like any other: its token is free, and it makes room for others."""
    socket = begun(world, a)
    assert 4 == world.pool.overall.semaphore.tokens
    assert "1 idle" in repr(world.pool)
    fetch = world.one(a)
    assert 3 == world.pool.overall.semaphore.tokens
    world.turn()
    socket.answer(3)
    assert "answered" == fetch.state
    world.turn()
    assert [socket] == world.network.sockets
    world.clock.pump([0.1] * 700)
    world.network.turn()
    assert [] == world.network.sockets
    world.drained()


def test_one_after_the_other(world: H2World, a: H2Endpoint) -> None:
    """Who asks within the turn of an answer gets the same connection, without leaving its place to others."""
    socket = begun(world, a)
    world.one(a)
    world.turn()
    socket.answer(3)
    fetch = world.one(a)
    assert "asked" == fetch.state
    world.turn()
    socket.answer(5)
    assert "answered" == fetch.state


def test_second_connection(world: H2World, a: H2Endpoint) -> None:
    """When the first is full there is a second, up to the cap; the rest waits, first come first served."""
    first = begun(world, a, 3)
    fetches = world.fetch(a, 10)
    world.turn()
    second = world.to("a")[1]
    allow(second, 2)
    assert 3 == len(first.server.h2.streams) - 1 + (1 if 1 not in first.server.h2.streams else 0)
    assert 7 == second.serve()
    finish(world, fetches)
    assert 2 == world.network.high["a"]
    world.drained()


def test_fifo(world: H2World, a: H2Endpoint) -> None:
    """Streams are given in the order of asking, as they become free."""
    socket = begun(world, a, 1)
    world.pool._hosts["a"].ceiling = 1  # no second connection
    fetches = world.fetch(a, 3)
    for number, expected in [(3, 1), (5, 2), (7, 3)]:
        world.turn()
        assert ["asked"] * expected == ["asked" if state == "answered" else state for state in states(fetches)][
            :expected
        ]
        assert "waiting" not in states(fetches)[:expected]
        assert all(state == "waiting" for state in states(fetches)[expected:])
        socket.answer(number)
    assert ["answered"] * 3 == states(fetches)


def test_fewer_streams(world: H2World, a: H2Endpoint) -> None:
    """A server may allow fewer streams in the middle, and more again."""
    socket = begun(world, a, 5)
    world.pool._hosts["a"].ceiling = 1
    fetches = world.fetch(a, 5)
    world.turn()
    allow(socket, 1)
    late = world.one(a)
    socket.answer(3, 5, 7)
    world.turn()
    assert "waiting" == late.state
    allow(socket, 3)
    world.turn()
    assert "asked" == late.state
    finish(world, [*fetches, late])


def test_at_most_a_hundred(world: H2World, a: H2Endpoint) -> None:
    """However many a server allows, one connection has no more than a hundred."""
    socket = begun(world, a, 1000)
    world.pool._hosts["a"].ceiling = 1
    world.fetch(a, 150)
    world.turn()
    assert 100 == socket.serve()


def test_starved(world: H2World) -> None:
    """A server that allows no stream at all is waited for, but not for ever, and not with more connections."""
    a = world.endpoint("a", timeouts=Timeouts(headers=5))
    socket = begun(world, a, 0)
    world.pool._hosts["a"].ceiling = 1
    fetches = world.fetch(a, 2)
    world.clock.pump([0.1] * 30)
    allow(socket, 1)
    world.turn()
    assert ["asked", "waiting"] == states(fetches)
    allow(socket, 0)
    socket.answer(3)
    world.turn()
    assert 1 == len(world.to("a"))
    world.clock.pump([0.1] * 60)
    assert ["answered", "failed"] == states(fetches)
    assert isinstance(fetches[1].error, HeadersTimeout)
    world.drained()


def test_starved_for_ever(world: H2World, a: H2Endpoint) -> None:
    """Without a timeout it is waited for as long as it takes."""
    socket = begun(world, a, 0)
    fetch = world.one(a)
    world.clock.pump([0.1] * 5000)
    assert "waiting" == fetch.state
    allow(socket, 1)
    finish(world, [fetch])


# HTTP/1.1


@pytest.mark.parametrize("speaks", [b"http/1.1", None])
def test_falls_back(world: H2World, speaks: bytes | None) -> None:
    """Where the server wants HTTP/1.1, the same connection is one for that, and so are all others."""
    a = world.endpoint("a", speaks=speaks)
    world.network.prompt = False
    fetches = world.fetch(a, 3)
    assert 1 == len(a.attempts)
    a.accept()
    assert ["asked", "waiting", "waiting"] == states(fetches)
    assert 1 == len(a.attempts)
    a.accept()
    assert ["asked", "asked", "waiting"] == states(fetches)
    for socket in world.to("a"):
        socket.say(ok(b"hi"))
    world.to("a")[0].say(ok(b"hi"))
    assert ["answered"] * 3 == states(fetches)
    assert 2 == world.network.high["a"]
    assert b"HTTP/1.1" in world.to("a")[0].sent
    world.drained()


def test_changes_its_mind(world: H2World) -> None:
    """A server that wanted HTTP/1.1 may speak HTTP/2 later."""
    a = world.endpoint("a", speaks=None)
    world.one(a)
    world.to("a")[0].say(ok(b"hi", b"Connection: close"))
    a.speaks = b"h2"
    again = world.one(a)
    world.turn()
    fetches = [again, *world.fetch(a, 5)]
    finish(world, fetches)
    assert 1 == len([socket for socket in world.network.sockets if socket.negotiatedProtocol])  # type: ignore[attr-defined]
    world.drained()


def test_both_at_once(world: H2World) -> None:
    """One server may speak both, each connection what was agreed on there."""
    a = world.endpoint("a")
    begun(world, a, 1)
    fetches = [world.one(a)]
    a.speaks = None
    fetches += world.fetch(a, 2)
    world.turn()
    _, plain = world.to("a")
    assert 1 == plain.sent.count(b"GET")
    plain.say(ok(b"hi"))
    plain.say(ok(b"hi"))
    finish(world, fetches)
    world.drained()


# Failing


def test_cannot_connect(world: H2World, a: H2Endpoint) -> None:
    """An attempt that fails fails everybody who waited for it, each with an error of its own."""
    world.network.prompt = False
    fetches = world.fetch(a, 3)
    a.refuse(ConnectTimeout(seconds=3))
    assert ["failed"] * 3 == states(fetches)
    assert 3 == len({id(fetch.error) for fetch in fetches})
    assert [3] * 3 == [fetch.error.seconds for fetch in fetches]
    world.drained()


def test_cannot_grow(world: H2World, a: H2Endpoint) -> None:
    """Where one connection is there, a second that cannot be made fails nobody, and is not tried over and over."""
    socket = begun(world, a, 1)
    world.network.prompt = False
    fetches = world.fetch(a, 3)
    a.refuse()
    world.turn()
    assert ["asked", "waiting", "waiting"] == states(fetches)
    assert [] == a.attempts
    socket.answer(3)
    world.turn()
    assert ["answered", "asked", "waiting"] == states(fetches)
    socket.lose(ConnectionLost())
    assert 1 == len(a.attempts)  # it was lost before a byte came: asked again
    a.accept()
    finish(world, fetches)
    world.drained()


def test_connect_timeout(world: H2World) -> None:
    """The connect timeout holds."""
    a = world.endpoint("a", timeouts=Timeouts(connect=5))
    world.network.prompt = False
    fetch = world.one(a)
    world.clock.pump([0.1] * 60)
    assert isinstance(fetch.error, ConnectTimeout)
    world.drained()


def test_cancel_waiting(world: H2World, a: H2Endpoint) -> None:
    """Who leaves the queue keeps nobody waiting; when the last has left, no connection is made."""
    world.network.prompt = False
    fetches = world.fetch(a, 3)
    fetches[0].deferred.cancel()
    assert 1 == len(a.attempts)
    fetches[1].deferred.cancel()
    fetches[2].deferred.cancel()
    assert 0 == len(a.attempts)
    assert ["failed"] * 3 == states(fetches)
    world.drained()


def test_cancel_waiting_for_a_stream(world: H2World, a: H2Endpoint) -> None:
    """Who leaves while it waits for a stream leaves its place to the next."""
    socket = begun(world, a, 1)
    world.pool._hosts["a"].ceiling = 1
    fetches = world.fetch(a, 3)
    world.turn()
    fetches[1].deferred.cancel()
    socket.answer(3)
    world.turn()
    assert ["answered", "failed", "asked"] == states(fetches)
    finish(world, [fetches[0], fetches[2]])
    world.drained()


def test_everybody_left(world: H2World, a: H2Endpoint) -> None:
    """A connection that is ready when nobody wants it any more rests."""
    socket = begun(world, a, 1)
    world.network.prompt = False
    fetches = world.fetch(a, 2)
    socket.say(b"")
    world.turn()
    socket.answer(3)
    world.turn()
    assert "asked" == fetches[1].state
    a.accept()
    world.turn()
    assert 2 == len(world.to("a"))
    finish(world, fetches)
    world.drained()


def test_cancel_asked(world: H2World, a: H2Endpoint) -> None:
    """Who leaves while its request is in progress leaves the connection to the others."""
    fetches = world.fetch(a, 3)
    world.turn()
    fetches[0].deferred.cancel()
    assert "failed" == fetches[0].state
    finish(world, fetches[1:])
    assert 1 == len(world.to("a"))
    world.drained()


def test_lost(world: H2World, a: H2Endpoint) -> None:
    """A new connection that is lost fails its requests."""
    fetches = world.fetch(a, 3)
    world.turn()
    world.to("a")[0].lose(ConnectionLost())
    assert ["failed"] * 3 == states(fetches)
    world.drained()


def test_asked_again(world: H2World, a: H2Endpoint) -> None:
    """Where a connection that has served is lost before a byte came, requests are made again, once."""
    socket = begun(world, a)
    fetches = world.fetch(a, 3)
    world.turn()
    socket.lose(ConnectionLost())
    world.turn()
    assert ["asked"] * 3 == states(fetches)
    world.to("a")[0].lose(ConnectionLost())
    assert ["failed"] * 3 == states(fetches)
    world.drained()


@pytest.mark.parametrize("method", [b"POST", b"GET"])
def test_not_asked_again(world: H2World, a: H2Endpoint, method: bytes) -> None:
    """What may count twice is not made again, nor is anything where nobody wants that."""
    world.pool.retryAutomatically = method == b"POST"
    socket = begun(world, a)
    fetch = world.one(a, get(method))
    world.turn()
    socket.lose()
    assert "failed" == fetch.state
    world.drained()


def test_not_asked_again_after_a_byte(world: H2World, a: H2Endpoint) -> None:
    """What fails in its body has failed."""
    socket = begun(world, a)
    fetch = world.one(a)
    world.turn()
    socket.server.h2.send_headers(3, [(":status", "200")])
    socket.say(socket.server.say())
    socket.lose()
    assert "ResponseFailed" == fetch.body.end
    world.drained()


def test_refused(world: H2World, a: H2Endpoint) -> None:
    """A request that the server did nothing about is made again, by itself, but not for ever."""
    world.pool.retryAutomatically = False  # that is about something else
    fetch = world.one(a, get(b"POST"))
    world.turn()
    (socket,) = world.to("a")
    for number in (1, 3, 5):
        socket.say(reset(number, ErrorCodes.REFUSED_STREAM))
        world.turn()
        assert "asked" == fetch.state
    socket.say(reset(7, ErrorCodes.REFUSED_STREAM))
    assert "failed" == fetch.state
    assert isinstance(fetch.error.reasons[0].value, StreamReset)
    world.turn()
    world.drained()


def test_reset(world: H2World, a: H2Endpoint) -> None:
    """Any other reset is told."""
    fetch = world.one(a)
    world.turn()
    world.to("a")[0].say(reset(1, ErrorCodes.INTERNAL_ERROR))
    assert "failed" == fetch.state
    world.turn()
    world.drained()


def test_going_away(world: H2World, a: H2Endpoint) -> None:
    """What a server that goes did nothing about is asked on another connection; the rest goes on where it is."""
    fetches = world.fetch(a, 3)
    world.turn()
    (old,) = world.to("a")
    old.say(going(1))
    world.turn()
    _, new = world.to("a")
    assert ["asked"] * 3 == states(fetches)
    assert 2 == new.serve()
    fetches += world.fetch(a, 2)
    world.turn()
    assert 4 == new.serve()
    old.answer(1)
    world.turn()
    assert [new] == world.to("a")
    finish(world, fetches)
    world.drained()


def test_going_away_at_the_cap(world: H2World, a: H2Endpoint) -> None:
    """Where there is no room for another connection, the others wait until the old one is gone."""
    begun(world, a)
    world.pool._hosts["a"].ceiling = 1
    world.pool._hosts["a"].semaphore.tokens = 1
    fetches = world.fetch(a, 2)
    world.turn()
    (old,) = world.to("a")
    old.say(going(3))
    world.turn()
    assert [old] == world.to("a")
    old.answer(3)
    world.turn()
    finish(world, fetches)
    assert 1 == world.network.high["a"]


def test_going_away_while_resting(world: H2World, a: H2Endpoint) -> None:
    """A connection that goes while it rests is not used again."""
    socket = begun(world, a)
    socket.say(going(1))
    fetch = world.one(a)
    world.turn()
    assert socket not in world.to("a")
    finish(world, [fetch])
    world.drained()


def test_seat_without_room(world: H2World, a: H2Endpoint) -> None:
    """Who is slow to ask, and finds its place taken, gets another."""
    begun(world, a, 1)
    got: list[Any] = []
    for _ in range(2):
        world.pool.getConnection("key", a).addCallback(got.append)  # type: ignore[arg-type]
    first, second = got
    first.request(get())
    second.request(get())
    world.turn()
    assert 2 == len(world.to("a"))
    assert [1, 1] == [socket.serve() for socket in world.to("a")]
    for socket in world.to("a"):
        socket.answer(*[number for number, each in socket.server.h2.streams.items() if each.open])
    world.turn()
    world.drained()


# Caps


def test_caps_hold(world: H2World) -> None:
    """Connections of both kinds count together."""
    a, b = world.endpoint("a"), world.endpoint("b", speaks=None)
    plain = world.network.endpoint("a")
    idle = world.served(plain)
    world.one(plain)
    fetches = world.fetch(a, 300)
    assert 2 == world.network.high["a"]
    assert not idle.disconnected
    finish(world, fetches[:200] + fetches[200:])
    world.fetch(b, 9)
    assert 4 >= world.network.high[""]
    assert 2 == world.network.high["b"]


def test_evicted(world: H2World, a: H2Endpoint) -> None:
    """A connection that rests makes room for another host."""
    socket = begun(world, a)
    for host in "bcde":
        world.one(world.network.endpoint(host))
    assert socket.disconnected
    world.network.turn()
    assert 4 == world.network.high[""]
    assert socket not in world.network.sockets


def test_remote_cap(world: H2World) -> None:
    """Remotes with a cap share connections with nobody while they use them, and take over what rests."""
    first, second = Cap(1), Cap(1)
    mine, theirs = world.endpoint("a", cap=first), world.endpoint("a", cap=second)
    fetches = world.fetch(mine, 3)
    world.turn()
    assert (1, 0) == (first.open, second.open)
    fetches += world.fetch(theirs, 3)
    world.turn()
    assert (1, 1) == (first.open, second.open)
    finish(world, fetches)
    world.to("a")[1].lose()
    fetch = world.one(theirs)
    assert (0, 1) == (first.open, second.open)
    finish(world, [fetch])
    world.drained()
    assert first.unused
    assert second.unused


def test_close(world: H2World, a: H2Endpoint) -> None:
    """Closing the pool ends streams, who waits, and who connects."""
    fetches = world.fetch(a, 101)
    world.network.prompt = False
    fetches += world.fetch(a, 5)
    done: list[None] = []
    world.pool.close().addCallback(done.append)
    world.network.turn()
    assert [None] == done
    assert {"failed"} == set(states(fetches))
    world.drained()
