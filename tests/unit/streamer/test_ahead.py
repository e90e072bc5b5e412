"""Parts far ahead of a transfer, fetched by requests of their own."""

from __future__ import annotations

import errno
import os
from typing import Any

import pytest
from twisted.internet.defer import fail

from tests.conftest import LoggedErrors
from tests.fakes import Response, refusal
from tests.unit.streamer.cold import BODY, Client, Surroundings
from twisted_pulp.errors import ConnectionLost, StorageFull
from twisted_pulp.streamer._ahead import Far

KIB = 1 << 10
FIRST, LAST = 1200 * KIB, 1800 * KIB - 1
TAG = (b"ETag", b'"v1"')


@pytest.fixture
def far(around: Surroundings) -> Surroundings:
    """Surroundings in which 256 KiB are far, if they take a second."""
    around.flights.far = Far(least=256 * KIB, seconds=1, most=2)
    return around


def transfer(far: Surroundings, come: int = 300 * KIB, **wanted: Any) -> tuple[Any, Client, Response]:
    """Return what is wanted, a client who wants all of it, and the transfer, which has brought some of it."""
    wish = far.wanted(**wanted)
    client = far.ask(wish)
    response = far.body(headers=[TAG])
    response.send(BODY[:come])
    far.context.reactor.advance(3)
    return wish, client, response


def part(far: Surroundings, first: int = FIRST, last: int = LAST, body: bytes = b"", **fields: Any) -> Response:
    """Answer the oldest request as the upstream does that has the part."""
    given: dict[str, Any] = {
        "headers": [TAG, (b"Content-Range", b"bytes %d-%d/%d" % (first, last, len(BODY)))],
        "length": last + 1 - first,
    }
    response = Response(206, end=None, **given | fields)
    far.answer(response)
    for start in range(0, len(body), 64 * KIB):
        if not response.stopped:
            response.send(body[start : start + 64 * KIB])
    return response


def asking(first: int = FIRST, last: int = LAST) -> tuple[str, str]:
    """Return the header that asks for a part."""
    return "Range", f"bytes={first}-{last}"


def finish(response: Response, come: int = 300 * KIB, body: bytes = BODY) -> None:
    """Let the rest of a transfer come."""
    for start in range(come, len(body), 64 * KIB):
        response.send(body[start : start + 64 * KIB])
    response.end()


def _parts(far: Surroundings) -> Any:
    """Return the parts of the one transfer."""
    return next(iter(far.flights._all)).ahead._parts


def test_fetched_for_itself(far: Surroundings) -> None:
    """A part far ahead is asked for at once, of the same version; its last byte is kept back until all is proven."""
    wanted, whole, response = transfer(far)
    client = far.ask(wanted, asking())
    assert ("http://h/f", {"range": f"bytes={FIRST}-{LAST}", "if-range": '"v1"'}) == far.agent.asked[-1]
    part(far, body=BODY[FIRST : LAST + 1]).end()
    assert (206, BODY[FIRST:LAST]) == (client.code, bytes(client.body))
    finish(response)
    assert ("finished", BODY[FIRST : LAST + 1]) == (client.state, bytes(client.body))
    assert ("finished", BODY) == (whole.state, bytes(whole.body))
    assert (2, 1) == (len(far.agent.asked), len(far.kept))


def test_grows(far: Surroundings) -> None:
    """What has come of a part is given before the rest of it."""
    wanted, _, response = transfer(far)
    client = far.ask(wanted, asking())
    coming = part(far, body=BODY[FIRST : FIRST + 300 * KIB])
    assert BODY[FIRST : FIRST + 256 * KIB] == bytes(client.body)
    coming.send(BODY[FIRST + 300 * KIB : LAST + 1])
    coming.end()
    assert BODY[FIRST:LAST] == bytes(client.body)
    finish(response)
    assert "finished" == client.state


def test_shared(far: Surroundings) -> None:
    """Who wants some of the same part has it from the same request; what lies before it is asked for up to there."""
    wanted, _, response = transfer(far)
    first, second = far.ask(wanted, asking()), far.ask(wanted, asking(FIRST + 10, FIRST + 19))
    before = far.ask(wanted, asking(FIRST - 100 * KIB, FIRST + 19))
    assert [f"bytes={FIRST}-{LAST}", f"bytes={FIRST - 100 * KIB}-{FIRST - 1}"] == [
        headers["range"] for _, headers in far.agent.asked[1:]
    ]
    part(far, body=BODY[FIRST : LAST + 1]).end()
    part(far, FIRST - 100 * KIB, FIRST - 1, BODY[FIRST - 100 * KIB : FIRST]).end()
    later = far.ask(wanted, asking(FIRST + 20, FIRST + 29))
    assert [LAST - FIRST, 9, 100 * KIB + 19, 9] == [len(each.body) for each in (first, second, before, later)]
    assert 3 == len(far.agent.asked)
    finish(response)
    assert ["finished"] * 4 == [each.state for each in (first, second, before, later)]


def test_only_so_many(far: Surroundings) -> None:
    """Only so many parts are asked for at a time."""
    wanted, _, response = transfer(far)
    for first in (1000 * KIB, 1300 * KIB, 1600 * KIB):
        far.ask(wanted, asking(first, first + 99))
    assert 3 == len(far.agent.asked)
    assert f"<Part {1000 * KIB}-{1000 * KIB + 100} up to {1000 * KIB}>" == repr(_parts(far)[0])
    assert "<Ahead 2 of 2 parts under way>" == repr(next(iter(far.flights._all)).ahead)
    finish(response)


@pytest.mark.parametrize("seconds", [3, 0.001])
def test_not_far(far: Surroundings, seconds: float) -> None:
    """A part that is here soon is waited for: one that is near, and any while the transfer is fast."""
    far.flights.far = Far(least=256 * KIB, seconds=1)
    wanted = far.wanted()
    far.ask(wanted)
    response = far.body()
    response.send(BODY[: 600 * KIB])
    far.context.reactor.advance(seconds)
    near = far.ask(wanted, asking(700 * KIB, 799 * KIB))
    away = far.ask(wanted, asking()) if seconds < 1 else near
    assert 1 == len(far.agent.asked)
    finish(response, 600 * KIB)
    assert ("finished", "finished") == (near.state, away.state)


def test_streamed(far: Surroundings) -> None:
    """What is never kept has no parts."""
    wanted, _, _ = transfer(far, come=10, policy="streamed")
    far.ask(wanted, asking())
    assert [{}] * 2 == [headers for _, headers in far.agent.asked]


def test_early(far: Surroundings) -> None:
    """Where early ranges are allowed, the part goes out whole."""
    wanted, _, response = transfer(far, early_ranges=True)
    client = far.ask(wanted, asking())
    part(far, body=BODY[FIRST : LAST + 1]).end()
    assert ("finished", BODY[FIRST : LAST + 1]) == (client.state, bytes(client.body))
    finish(response)


@pytest.mark.parametrize(
    "answer",
    [
        Response(200, length=len(BODY), end=None),
        Response(
            206, headers=[(b"Content-Range", b"bytes %d-%d/9" % (FIRST, LAST))], length=LAST + 1 - FIRST, end=None
        ),
        Response(
            206,
            headers=[(b"ETag", b'"v2"'), (b"Content-Range", b"bytes %d-%d/%d" % (FIRST, LAST, len(BODY)))],
            length=LAST + 1 - FIRST,
            end=None,
        ),
        refusal(416),
        ConnectionLost("http://h/f"),
    ],
)
def test_refused(far: Surroundings, answer: Any) -> None:
    """Whatever else the upstream says to it, the client waits for the transfer, and no other part is asked for."""
    wanted, _, response = transfer(far)
    client = far.ask(wanted, asking())
    far.answer(answer)
    other = far.ask(wanted, asking(FIRST + 1, FIRST + 9))
    assert (2, b"") == (len(far.agent.asked), bytes(client.body))
    finish(response)
    assert ("finished", "finished") == (client.state, other.state)
    assert BODY[FIRST : LAST + 1] == bytes(client.body)


def test_unexpected(far: Surroundings, logged_errors: LoggedErrors) -> None:
    """A mistake of ours harms no client."""
    wanted, _, response = transfer(far)
    client = far.ask(wanted, asking())
    far.agent.waiting.pop(0).errback(ZeroDivisionError())
    assert 1 == len(logged_errors.flush(ZeroDivisionError))
    finish(response)
    assert "finished" == client.state


def test_wrong_part(far: Surroundings) -> None:
    """Who was given another part than the transfer brings is cut as soon as that shows; nobody else is."""
    wanted, whole, response = transfer(far)
    client = far.ask(wanted, asking())
    part(far, body=b"x" * (LAST + 1 - FIRST)).end()
    assert b"x" * (LAST - FIRST) == bytes(client.body)
    finish(response)
    assert ("cut", "finished", BODY) == (client.state, whole.state, bytes(whole.body))


def test_cut_short(far: Surroundings) -> None:
    """Of a part that breaks off, what has come counts, and the transfer brings the rest."""
    wanted, _, response = transfer(far)
    client = far.ask(wanted, asking())
    part(far, body=BODY[FIRST : FIRST + 10 * KIB]).end(ConnectionLost("http://h/f"))
    assert BODY[FIRST : FIRST + 10 * KIB] == bytes(client.body)
    finish(response)
    assert ("finished", BODY[FIRST : LAST + 1]) == (client.state, bytes(client.body))


def test_too_much(far: Surroundings) -> None:
    """A part that is longer than it was to be is broken off, and the transfer brings it."""
    wanted, _, response = transfer(far)
    client = far.ask(wanted, asking(FIRST, FIRST + 99))
    coming = part(far, FIRST, FIRST + 99)
    coming.send(b"x" * 101)
    assert coming.stopped
    finish(response)
    assert ("finished", BODY[FIRST : FIRST + 100]) == (client.state, bytes(client.body))


def test_gone(far: Surroundings) -> None:
    """A part that nobody waits for any more is broken off, asked for or under way; others can be asked for."""
    wanted, _, response = transfer(far)
    one, other = far.ask(wanted, asking(FIRST, FIRST + 99)), far.ask(wanted, asking(FIRST + 200, LAST))
    staying = far.ask(wanted, asking(FIRST + 10, FIRST + 49))
    far.agent.waiting.append(far.agent.waiting.pop(0))
    coming = part(far, FIRST + 200, LAST)
    coming.send(BODY[FIRST + 200 : FIRST + 300])
    other.leave()
    assert coming.stopped
    one.leave()
    assert not far.agent.waiting[0].called
    staying.leave()
    assert far.agent.waiting.pop(0).called
    far.ask(wanted, asking())
    assert 4 == len(far.agent.asked)
    finish(response)


def test_overtaken(far: Surroundings) -> None:
    """A part that the transfer has reached is broken off, and changes nothing of what the transfer has brought."""
    wanted, _, response = transfer(far)
    client = far.ask(wanted, asking())
    coming = part(far, body=BODY[FIRST : FIRST + 10 * KIB])
    for start in range(300 * KIB, FIRST + 100 * KIB, 100 * KIB):
        response.send(BODY[start : start + 100 * KIB])
    far.context.reactor.advance(1)
    assert not coming.stopped
    coming.send(b"x" * 10 * KIB)
    assert coming.stopped
    finish(response, FIRST + 100 * KIB)
    assert ("finished", BODY[FIRST : LAST + 1]) == (client.state, bytes(client.body))


def test_begins_again(far: Surroundings) -> None:
    """When all of it turns out wrong, nobody reads the parts any more, and who had right ones goes on."""
    wanted, _, response = transfer(far)
    client = far.ask(wanted, asking())
    part(far, body=BODY[FIRST : LAST + 1]).end()
    finish(response, body=BODY[:-1] + b"x")
    again = far.body()
    assert (BODY[FIRST:LAST], "open") == (bytes(client.body), client.state)
    finish(again, 0)
    assert ("finished", BODY[FIRST : LAST + 1]) == (client.state, bytes(client.body))


def test_backpressure(far: Surroundings) -> None:
    """The upstream of a part waits for the disk."""
    wanted, _, response = transfer(far)
    client = far.ask(wanted, asking())
    far.context.threads.late = True
    coming = part(far, body=BODY[FIRST : FIRST + 600 * KIB - 1])
    assert coming.paused
    far.context.threads.work()
    assert not coming.paused
    coming.send(BODY[LAST : LAST + 1])
    coming.end()
    far.context.threads.work()
    assert BODY[FIRST:LAST] == bytes(client.body)
    far.context.threads.late = False
    finish(response)
    assert "finished" == client.state


def test_written_too_late(far: Surroundings) -> None:
    """What is written of a part after everybody has gone is nobody's."""
    wanted, whole, response = transfer(far)
    client = far.ask(wanted, asking())
    far.context.threads.late = True
    coming = part(far, body=BODY[FIRST : FIRST + 300 * KIB])
    client.leave()
    assert coming.stopped
    far.context.threads.work()
    far.context.threads.late = False
    assert FIRST == _parts(far)[0].written
    finish(response)
    assert "finished" == whole.state


@pytest.mark.parametrize("over", [False, True])
def test_disk_full(far: Surroundings, monkeypatch: pytest.MonkeyPatch, over: bool) -> None:
    """A part that cannot be written is broken off; what the transfer meets is its own."""
    wanted, _, response = transfer(far)
    client = far.ask(wanted, asking())
    flight = next(iter(far.flights._all))
    flight.body.put = lambda *_: fail(StorageFull(detail="full"))
    coming = part(far, body=BODY[FIRST : FIRST + (100 if over else 300) * KIB])
    if over:
        coming.end(ConnectionLost("http://h/f"))
    assert coming.stopped is not over
    finish(response)
    assert ("finished", BODY[FIRST : LAST + 1]) == (client.state, bytes(client.body))


def test_before_the_first_byte(far: Surroundings) -> None:
    """A part may be here before the transfer has brought anything; a disk that fails then is told."""
    wanted = far.wanted()
    whole = far.ask(wanted)
    response = far.body()
    client = far.ask(wanted, asking())
    far.context.reactor.advance(3)
    part(far, body=BODY[FIRST : LAST + 1]).end()
    assert BODY[FIRST:LAST] == bytes(client.body)
    finish(response, 0)
    assert ("finished", "finished", BODY) == (client.state, whole.state, bytes(whole.body))


def test_put_fails(far: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the disk is one of the storage's."""
    wanted, _, response = transfer(far)
    client = far.ask(wanted, asking())
    write = os.pwrite

    def failing(fd: int, data: Any, at: int) -> int:
        if at >= FIRST:
            raise OSError(errno.ENOSPC, "no space")
        return write(fd, data, at)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", failing)
        coming = part(far, body=BODY[FIRST : FIRST + 300 * KIB])
    assert coming.stopped
    finish(response)
    assert "finished" == client.state
