"""How long clients of one transfer wait beside one that takes nothing, by a clock that no other program slows down."""

from __future__ import annotations

from tests.unit.streamer.cold import BODY, Surroundings

# Clients, and the seconds between two pieces of the transfer.
CLIENTS, PIECE, APART = 40, 32 << 10, 0.01


def p99(around: Surroundings, *, stalls: bool) -> float:
    """Return in which time 99 of a hundred clients have all."""
    clock, wanted = around.context.reactor, around.wanted()
    stalled = around.ask(wanted, room=1) if stalls else None
    clients = [around.ask(wanted) for _ in range(CLIENTS)]
    began, times, waiting = clock.seconds(), [], clients
    response, pieces = around.body(), [BODY[start : start + PIECE] for start in range(0, len(BODY), PIECE)]
    while waiting:
        clock.advance(APART)
        assert clock.seconds() - began < 60
        if pieces and not response.paused:
            response.send(pieces.pop(0))
            if not pieces:
                response.end()
        done = [client for client in waiting if client.state == "finished"]
        times += [clock.seconds() - began] * len(done)
        waiting = [client for client in waiting if client not in done]
    assert {BODY} == {bytes(client.body) for client in clients}
    if stalled is not None:
        assert 0 < len(stalled.body) < len(BODY)
        stalled.leave()
    return sorted(times)[-(-99 * len(times) // 100) - 1]


def test_row_83_p99() -> None:
    """Row 83: beside a client that takes nothing, 99 of a hundred others get a file at most 5 % later."""
    times = []
    for stalls in (False, True):
        around = Surroundings()
        times.append(p99(around, stalls=stalls))
        around.close()
    assert 0.5 < times[0]
    assert times[1] <= 1.05 * times[0]
