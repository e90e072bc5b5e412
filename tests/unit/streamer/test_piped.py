"""Artifacts that are never kept, on their way to clients."""

from __future__ import annotations

import pytest
from twisted.internet.error import ConnectionLost as Lost

from tests.fakes import Response
from tests.unit.streamer.cold import BODY, Client, Surroundings
from twisted_pulp.errors import DigestMismatch, WriterError
from twisted_pulp.streamer._wanted import Wanted


def streamed(around: Surroundings, body: bytes = BODY, **fields: object) -> Wanted:
    """Return a wish for *body* that is not to be kept."""
    return around.wanted(body, policy="streamed", **fields)


def pumped(response: Response, body: bytes, *clients: Client) -> None:
    """Let *body* come as far as it may, in pieces of 64 KiB, while *clients* take what they are given."""
    for start in range(0, len(body), 64 << 10):
        assert not response.paused
        response.send(body[start : start + (64 << 10)])
        for client in clients:
            client.take()


def test_piped(around: Surroundings) -> None:
    """It comes as the client takes it, but for the last byte, and nothing of it is kept."""
    client = around.ask(streamed(around), room=1)
    response = around.body()
    pumped(response, BODY, client)
    assert len(BODY) - 1 == len(client.body)
    response.end()
    client.take()
    assert ("finished", BODY, []) == (client.state, bytes(client.body), around.kept)
    assert "<MemoryStorage artifacts=0>" == repr(around.storage)


@pytest.mark.parametrize("size", [0, 1, 512 << 10])
def test_small(around: Surroundings, size: int) -> None:
    """Up to 512 KiB, nothing is sent before all of it is verified."""
    body = BODY[:size]
    client = around.ask(streamed(around, body))
    response = around.body(body)
    if body:
        response.send(body)
    assert (None, b"") == (client.code, bytes(client.body))
    response.end()
    assert ("finished", 200, body) == (client.state, client.code, bytes(client.body))


def test_small_wrong_first(around: Surroundings) -> None:
    """A small one that is wrong is fetched again, and no client sees anything of it."""
    body = BODY[:1000]
    client = around.ask(streamed(around, body))
    for each in (bytes(1000), body):
        response = around.body(body)
        response.send(each)
        response.end()
    assert ("finished", body) == (client.state, bytes(client.body))


def test_paused(around: Surroundings) -> None:
    """A client that takes nothing makes its upstream wait, with at most 512 KiB between them."""
    client = around.ask(streamed(around), room=1)
    response = around.body()
    sent = 0
    while not response.paused:
        response.send(BODY[sent : sent + (64 << 10)])
        sent += 64 << 10
    assert sent <= 512 << 10
    assert 0 == client.excess
    assert len(client.body) <= 128 << 10
    while response.paused:
        client.take()
    assert not response.paused


def test_stalled(around: Surroundings) -> None:
    """A client that takes nothing for 60 s is cut, and its upstream let go."""
    client = around.ask(streamed(around), room=1)
    response = around.body()
    while not response.paused:
        response.send(bytes(64 << 10))
    around.context.reactor.pump([1] * 80)
    assert ("cut", True) == (client.state, response.stopped)


@pytest.mark.parametrize("length", [True, False])
def test_wrong(around: Surroundings, length: bool) -> None:
    """One that is wrong at its end is cut, since what has passed cannot be taken back."""
    client = around.ask(streamed(around))
    response = around.body(length=length)
    pumped(response, BODY[:-1] + b"?")
    response.end()
    assert ("cut", BODY[:-1]) == (client.state, bytes(client.body))
    assert ([], ["http://h/f"]) == (around.agent.waiting, around.failed)


def test_resumed(around: Surroundings) -> None:
    """When it breaks off, it goes on by Range, and the client notices nothing."""
    client = around.ask(streamed(around))
    response = around.body()
    pumped(response, BODY[: 1 << 20])
    response.end(Lost())
    around.context.reactor.advance(1)
    fields = [(b"Content-Range", b"bytes 1048576-%d/%d" % (len(BODY) - 1, len(BODY)))]
    around.answer(Response(206, [], fields, length=1 << 20, end=None))
    flight = next(iter(around.flights._all))
    pumped(_current(flight), BODY[1 << 20 :])
    _current(flight).end()
    assert ("finished", BODY) == (client.state, bytes(client.body))


def _current(flight: object) -> Response:
    """Return the response that the flight's body comes from."""
    return flight.body._producer  # type: ignore[attr-defined,no-any-return]


def test_shared(around: Surroundings) -> None:
    """While byte 0 is here, others join; later ones begin a transfer of their own."""
    wanted = streamed(around)
    first = around.ask(wanted, room=1)
    response = around.body()
    second = around.ask(wanted, room=1)
    assert 1 == len(around.agent.asked)
    pumped(response, BODY[: 256 << 10], first, second)
    third = around.ask(wanted, room=1)
    assert 2 == len(around.agent.asked)
    other = around.body()
    pumped(response, BODY[256 << 10 :], first, second)
    pumped(other, BODY, third)
    for each in (response, other):
        each.end()
    for client in (first, second, third):
        client.take()
    assert [("finished", BODY)] * 3 == [(each.state, bytes(each.body)) for each in (first, second, third)]


def test_held_up(around: Surroundings) -> None:
    """A client for whom others have waited 5 s is cut; the others go on."""
    wanted = streamed(around)
    first, stalled = around.ask(wanted), around.ask(wanted, room=1)
    response = around.body()
    sent = 0
    while not response.paused:
        response.send(BODY[sent : sent + (64 << 10)])
        sent += 64 << 10
    around.context.reactor.advance(4.9)
    assert ("open", True) == (stalled.state, response.paused)
    around.context.reactor.advance(0.2)
    assert ("cut", False) == (stalled.state, response.paused)
    pumped(response, BODY[sent:])
    response.end()
    assert ("finished", BODY) == (first.state, bytes(first.body))


def test_alone_and_slow(around: Surroundings) -> None:
    """A slow client for whom nobody waits may take its time."""
    client = around.ask(streamed(around), room=1)
    response = around.body()
    while not response.paused:
        response.send(bytes(64 << 10))
    around.context.reactor.advance(30)
    assert "open" == client.state


@pytest.mark.parametrize("asked", ["0-99", "100-199", "1048576-1048600", "-100", "0-0,1000-1999"])
def test_range(around: Surroundings, asked: str) -> None:
    """A part is sent as it passes, but for its last byte; the rest passes by."""
    client = around.ask(streamed(around), ("Range", f"bytes={asked}"))
    response = around.body()
    pumped(response, BODY)
    assert (206, "open") == (client.code, client.state)
    before = len(client.body)
    response.end()
    assert ("finished", True) == (client.state, len(client.body) > before)


def test_backward(around: Surroundings) -> None:
    """Ranges that go back are not followed: what has passed does not come again."""
    client = around.ask(streamed(around), ("Range", "bytes=1000-1099,0-9"))
    response = around.body()
    pumped(response, BODY)
    response.end()
    assert (200, BODY) == (client.code, bytes(client.body))


def test_all_gone(around: Surroundings) -> None:
    """When all its clients have gone, it is given up, however much has come."""
    client = around.ask(streamed(around))
    response = around.body()
    pumped(response, BODY[:2031616])
    client.leave()
    assert (True, 0) == (response.stopped, around.flights.count)


def test_begins_again(around: Surroundings) -> None:
    """One that must begin again when some has passed fails."""
    client = around.ask(streamed(around, digests={}, size=None))
    response = around.body()
    pumped(response, BODY[: 1 << 20])
    response.end(Lost())
    around.context.reactor.advance(1)
    assert "cut" == client.state


def test_sources_of_its_own(around: Surroundings) -> None:
    """One that is to be kept, and one that is not, do not share a transfer."""
    around.ask(streamed(around))
    around.ask(around.wanted())
    assert 2 == len(around.agent.asked)


def test_wrong_errors(around: Surroundings) -> None:
    """A small one that stays wrong is told so."""
    client = around.ask(streamed(around, BODY[:100]))
    for _ in range(2):
        response = around.body(BODY[:100])
        response.send(bytes(100))
        response.end()
    assert isinstance(client.error, DigestMismatch)
    assert not isinstance(client.error, WriterError)


def test_wrong_then_next_source(around: Surroundings) -> None:
    """A large body that is wrong at its end is cut, its source is noted, and the next request asks another one."""
    wanted = around.wanted(BODY, "http://a/f", "http://b/f", policy="streamed")
    client = around.ask(wanted)
    response = around.body()
    response.send(BODY[:-1] + b"?")
    response.end()
    assert ("cut", BODY[:-1]) == (client.state, bytes(client.body))
    assert ["http://a/f"] == around.failed
    again = around.ask(wanted)
    assert ["http://a/f", "http://b/f"] == [each[0] for each in around.agent.asked]
    response = around.body()
    response.send(BODY)
    response.end()
    assert ("finished", BODY) == (again.state, bytes(again.body))


def test_wrong_from_only_source(around: Surroundings) -> None:
    """One that has no other source is not asked again for a while."""
    client = around.ask(streamed(around))
    response = around.body()
    response.send(BODY[:-1] + b"?")
    response.end()
    assert "cut" == client.state
    assert isinstance(around.ask(streamed(around)).error, DigestMismatch)
    assert 1 == len(around.agent.asked)
