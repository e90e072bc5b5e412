"""Clients who read an artifact while it comes."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError, Deferred

from tests.unit.streamer.cold import BODY, Client, Surroundings
from twisted_pulp.errors import DigestMismatch
from twisted_pulp.streamer._flight import Flight
from twisted_pulp.streamer._ranges import Span
from twisted_pulp.streamer._reader import Reader


def asked(around: Surroundings, **fields: object) -> tuple[Flight, Reader, Client]:
    """Return a flight, and one who reads along, whose client has not been answered yet."""
    client = Client(**fields)  # type: ignore[arg-type]
    reader = Reader(client, around.context.reactor)
    return around.flights.join(around.wanted(), reader), reader, client


def sending(reader: Reader, flight: Flight, *pieces: bytes | Span, size: int | None = len(BODY)) -> list[object]:
    """Let *pieces* be sent; return what will say how that ended."""
    ends: list[object] = []
    reader.send(flight, pieces, size).addCallbacks(ends.append, lambda why: ends.append(why.value))
    return ends


def test_pieces(around: Surroundings) -> None:
    """Bytes and spans are sent in their order; what follows the last span waits as its last byte does."""
    flight, reader, client = asked(around)
    response = around.body()
    sending(reader, flight, b"<", Span(10, 19), b"|", Span(0, 9), b">")
    assert b"<" == client.body
    response.send(BODY[: 1 << 20])
    assert b"<" + BODY[10:20] + b"|" + BODY[:9] == client.body
    response.send(BODY[1 << 20 :])
    response.end()
    assert ("finished", b"<" + BODY[10:20] + b"|" + BODY[:10] + b">") == (client.state, bytes(client.body))


def test_far_part(around: Surroundings) -> None:
    """A part is sent as soon as its bytes are here."""
    flight, reader, client = asked(around)
    response = around.body()
    sending(reader, flight, Span(1_000_000, 1_500_000))
    response.send(BODY[:1_000_000])
    assert b"" == client.body
    response.send(BODY[1_000_000:1_300_000])
    assert BODY[1_000_000:1_300_000] == client.body


def test_early(around: Surroundings) -> None:
    """Where early ranges are allowed, nothing of a part is kept back."""
    client = around.ask(around.wanted(early_ranges=True), ("Range", "bytes=0-99"))
    response = around.body()
    response.send(BODY[: 1 << 20])
    assert ("finished", BODY[:100]) == (client.state, bytes(client.body))
    assert response.stopped is False


def test_early_whole(around: Surroundings) -> None:
    """Early ranges are no early wholes."""
    client = around.ask(around.wanted(early_ranges=True))
    response = around.body()
    response.send(BODY)
    assert ("open", len(BODY) - 1) == (client.state, len(client.body))


def test_pace(around: Surroundings) -> None:
    """It is given no more than 128 KiB beyond what it takes, however much is here."""
    flight, reader, client = asked(around, room=1)
    response = around.body()
    sending(reader, flight, Span(0, len(BODY) - 1))
    response.send(BODY)
    assert (128 << 10, 0) == (len(client.body), client.excess)
    client.take()
    assert (256 << 10, 0) == (len(client.body), client.excess)


def test_stalled(around: Surroundings) -> None:
    """Who takes nothing for 60 s is cut; who takes something is not."""
    flight, reader, client = asked(around, room=1)
    done = sending(reader, flight, Span(0, len(BODY) - 1))
    around.body().send(BODY[: 1 << 20])
    around.context.reactor.pump([1] * 59)
    client.take()
    around.context.reactor.pump([1] * 59)
    assert "open" == client.state
    around.context.reactor.pump([1] * 20)
    assert "cut" == client.state
    assert ([None], 0) == (done, flight.readers)


def test_waiting_is_no_stall(around: Surroundings) -> None:
    """Who has all that is here may wait for more as long as the upstream needs."""
    flight, reader, client = asked(around, room=1)
    sending(reader, flight, Span(0, len(BODY) - 1))
    around.body().send(BODY[: 300 << 10])
    for _ in range(5):
        client.take()
    around.context.reactor.pump([1] * 25)
    assert "open" == client.state


def test_paused_from_the_start(around: Surroundings) -> None:
    """Behind a response that is still on its way, it waits for its turn."""
    client = Client()
    client.channel._waitingForTransport = True
    reader = Reader(client, around.context.reactor)
    flight = around.flights.join(around.wanted(), reader)
    sending(reader, flight, b"x", Span(0, 9))
    assert b"" == client.body
    reader.resumeProducing()
    assert b"x" == client.body


@pytest.mark.parametrize("sent", [0, 1 << 20])
def test_left(around: Surroundings, sent: int) -> None:
    """Who leaves reads no more."""
    flight, reader, client = asked(around)
    response = around.body()
    done = reader.send(flight, [Span(0, None)], None)
    if sent:
        response.send(BODY[:sent])
    client.leave()
    assert (True, True, 0) == (done.called, reader.gone, flight.readers)


def test_stop(around: Surroundings) -> None:
    """A transport that wants no more is a client that has left."""
    flight, reader, _ = asked(around)
    done = reader.send(flight, [Span(0, None)], None)
    reader.stopProducing()
    assert (True, 0) == (done.called, flight.readers)


def test_cancelled(around: Surroundings) -> None:
    """To cancel it gives back its place, and leaves the client alone."""
    flight, reader, client = asked(around)
    done = reader.send(flight, [Span(0, None)], None)
    done.addErrback(lambda why: why.trap(CancelledError))
    done.cancel()
    assert ("open", 0) == (client.state, flight.readers)


def test_cut_before(around: Surroundings) -> None:
    """What happened before it came to sending is told then, and the connection left open."""
    flight, reader, client = asked(around)
    reader.cut(DigestMismatch())
    errors: list[object] = []
    reader.send(flight, [Span(0, 9)], None).addErrback(lambda why: errors.append(why.value))
    assert ("open", True, 1) == (client.state, isinstance(errors[0], DigestMismatch), len(errors))
    reader.cut(DigestMismatch())  # nothing more


def test_other_size(around: Surroundings) -> None:
    """Who was promised another size than there is in the end is cut."""
    flight, reader, client = asked(around)
    response = around.body()
    reader.send(flight, [Span(0, 99)], 5 << 20).addErrback(lambda _: None)
    response.send(BODY)
    response.end()
    assert "cut" == client.state


def test_ready(around: Surroundings) -> None:
    """It waits for the first byte, and knows when the client goes meanwhile."""
    flight, reader, client = asked(around)
    ready = Deferred.fromCoroutine(reader.ready(flight))
    client.leave()
    found: list[object] = []
    ready.addCallback(found.append)
    assert [False] == found
    flight.detach(reader)


def test_ready_cancelled(around: Surroundings) -> None:
    """To cancel the wait is no departure."""
    flight, reader, _ = asked(around)
    ready = Deferred.fromCoroutine(reader.ready(flight))
    ready.cancel()
    found: list[object] = []
    ready.addErrback(lambda why: found.append(why.check(CancelledError)))
    assert [CancelledError] == found
    flight.detach(reader)
