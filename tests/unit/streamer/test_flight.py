"""One transfer of an artifact, however many clients."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionLost as Lost

from tests.fakes import DONE, Response, refusal
from tests.leaks import LoggedErrors
from tests.unit.streamer.cold import BODY, Surroundings, sha256
from twisted_pulp.errors import Cancelled, DigestMismatch, NotFound, StorageFull
from twisted_pulp.streamer._threshold import Threshold

SMALL = BODY[: 1 << 20]


def stored(around: Surroundings, body: bytes = BODY) -> bool:
    """Return whether *body* is in the storage."""
    found: list[set[str]] = []
    around.storage.has([sha256(body)]).addCallback(found.append)
    return bool(found[0])


def test_one_transfer(around: Surroundings) -> None:
    """All clients of an artifact share one transfer, also those who come late; each gets it from byte 0."""
    wanted = around.wanted()
    first, second = around.ask(wanted), around.ask(wanted)
    response = around.body()
    response.send(BODY[: 1 << 20])
    late = around.ask(wanted)
    assert [1 << 20] * 3 == [len(each.body) for each in (first, second, late)]
    response.send(BODY[1 << 20 :])
    assert [len(BODY) - 1] * 3 == [len(each.body) for each in (first, second, late)]
    response.end()
    assert [("finished", BODY)] * 3 == [(each.state, bytes(each.body)) for each in (first, second, late)]
    assert (1, 1, True) == (len(around.agent.asked), len(around.kept), stored(around))
    assert 0 == around.flights.count


def test_small(around: Surroundings) -> None:
    """Up to 1 MiB, nothing is sent before all of it is verified."""
    client = around.ask(around.wanted(SMALL))
    response = around.body(SMALL)
    response.send(SMALL)
    assert (b"", None) == (bytes(client.body), client.code)
    response.end()
    assert ("finished", 200, SMALL) == (client.state, client.code, bytes(client.body))


@pytest.mark.parametrize("length", [True, False])
def test_large(around: Surroundings, length: bool) -> None:
    """Above 1 MiB, it is sent as it comes, but for the last byte; without a length, once so much is here."""
    body = BODY[: (1 << 20) + 1]
    client = around.ask(around.wanted(body, size=None))
    response = around.body(body, length=length)
    response.send(body[:300_000])
    assert (300_000 if length else 0) == len(client.body)
    response.send(body[300_000:])
    assert 1 << 20 == len(client.body)
    response.end()
    assert ("finished", body) == (client.state, bytes(client.body))


def test_wrong(around: Surroundings) -> None:
    """A body that is wrong twice from each source cuts those who read, and says which sources failed."""
    client = around.ask(around.wanted(BODY, "http://a/f", "http://b/f"))
    wrong = BODY[:-2] + b"??"
    for _ in range(4):
        response = around.body()
        response.send(wrong)
        response.end()
        around.context.reactor.advance(1)
    assert ("cut", wrong[:-1]) == (client.state, bytes(client.body))
    assert {"http://a/f", "http://b/f"} == set(around.failed)
    assert (False, []) == (stored(around), around.kept)
    assert around.context.health.ordered(around.wanted(BODY, "http://a/f", "http://c/f").sources)[0].url == "http://c/f"


def test_small_wrong(around: Surroundings) -> None:
    """A small body that is wrong is told as an error, without a byte of it."""
    client = around.ask(around.wanted(SMALL))
    for _ in range(2):
        response = around.body(SMALL)
        response.send(bytes(len(SMALL)))
        response.end()
    assert isinstance(client.error, DigestMismatch)
    assert (b"", "open") == (bytes(client.body), client.state)


def test_begun_again(around: Surroundings) -> None:
    """When it begins again, those who have a wrong byte are cut; others wait and go on behind what they have."""
    wanted = around.wanted()
    ahead, behind = around.ask(wanted), around.ask(wanted, room=100_000)
    response = around.body()
    response.send(BODY[: 1 << 20])
    response.send(BODY[1 << 20 : -2] + b"??")
    late = around.ask(wanted, room=100_000)
    response.end()
    assert ["open"] * 3 == [each.state for each in (ahead, behind, late)]
    between = around.ask(wanted)
    assert b"" == between.body
    response = around.body()
    response.send(BODY[:1000])
    before = len(behind.body)
    behind.take()
    assert before == len(behind.body)
    response.send(BODY[1000:])
    response.end()
    assert "cut" == ahead.state
    for client in (behind, late):
        for _ in range(100):
            if client.state == "open":
                client.take()
    ends = [(each.state, bytes(each.body)) for each in (behind, late, between)]
    assert [("finished", BODY)] * 3 == ends


def test_other_length(around: Surroundings) -> None:
    """When the file has another length at the next try, those who were promised the first are cut."""
    wanted = around.wanted(size=None, digests={})
    client = around.ask(wanted)
    response = around.body()
    response.send(BODY[:300_000])
    response.end(Lost())
    around.context.reactor.advance(1)
    response = around.body(BODY + BODY)
    around.context.reactor.advance(0)
    assert ("cut", True) == (client.state, response.stopped)
    other = around.ask(wanted)
    response = around.body(BODY + BODY)
    response.send(BODY + BODY)
    response.end()
    assert ("finished", BODY + BODY) == (other.state, bytes(other.body))


def test_length_later(around: Surroundings) -> None:
    """That a length becomes known later is no other length."""
    client = around.ask(around.wanted(size=None))
    response = around.body(length=False)
    response.send(BODY[: 3 << 19])
    response.end(Lost())
    around.context.reactor.advance(1)
    response = around.body()
    response.send(BODY)
    response.end()
    assert ("finished", BODY) == (client.state, bytes(client.body))


def test_resumed(around: Surroundings) -> None:
    """When it breaks off, the rest comes from the next source by Range, and clients notice nothing."""
    client = around.ask(around.wanted(BODY, "http://a/f", "http://b/f"))
    response = around.body()
    response.send(BODY[: 1 << 20])
    response.end(Lost())
    assert {"range": "bytes=1048576-"}.items() <= around.agent.asked[1][1].items()
    fields = [(b"Content-Range", b"bytes 1048576-%d/%d" % (len(BODY) - 1, len(BODY)))]
    rest = around.answer(Response(206, [BODY[1 << 20 :]], fields, length=1 << 20, end=None))
    rest.end(DONE)
    assert ("finished", BODY, ["http://a/f"]) == (client.state, bytes(client.body), around.failed)


def test_missing(around: Surroundings) -> None:
    """What the upstream says of an artifact it does not have is told to all who wait."""
    wanted = around.wanted()
    clients = [around.ask(wanted) for _ in range(3)]
    around.answer(refusal(404))
    assert [True] * 3 == [isinstance(each.error, NotFound) for each in clients]
    assert [None] * 3 == [each.code for each in clients]


def test_later(around: Surroundings) -> None:
    """A long Retry-After is told to the client instead of making it wait; a short one is waited for."""
    client = around.ask(around.wanted())
    around.answer(refusal(429, retry_after="2"))
    assert not client.over
    around.context.reactor.advance(2)
    around.answer(refusal(429, retry_after="60"))
    assert (429, "60") == (client.error.status, client.error.retry_after)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("share", "threshold", "kept"),
    [
        (0.4, Threshold(), False),
        (0.5, Threshold(), True),
        (0.4, Threshold(share=0.0), True),
        (0.4, Threshold(left=2 << 20), True),
        (0.9, Threshold(share=2.0, left=0), False),
    ],
)
def test_all_gone(share: float, threshold: Threshold, kept: bool) -> None:
    """When all clients have gone, it is finished and kept, or given up, by the threshold."""
    around = Surroundings(threshold)
    clients = [around.ask(around.wanted()) for _ in range(2)]
    response = around.body()
    some = int(share * len(BODY))
    response.send(BODY[:some])
    clients[0].leave()
    assert not response.stopped
    clients[1].leave()
    assert kept is not response.stopped
    if kept:
        response.send(BODY[some:])
        response.end()
    assert (kept, int(kept)) == (stored(around), len(around.kept))
    around.close()


def test_all_gone_before(around: Surroundings) -> None:
    """When all clients have gone before a response came, the request is given up."""
    client = around.ask(around.wanted())
    client.leave()
    assert (True, None, 0) == (client.over, client.error, around.flights.count)


def test_joined_after_all_had_gone(around: Surroundings) -> None:
    """A transfer that goes on without clients is joined by the next one."""
    first = around.ask(around.wanted())
    response = around.body()
    response.send(BODY[: 1 << 20])
    first.leave()
    second = around.ask(around.wanted())
    response.send(BODY[1 << 20 :])
    response.end()
    assert ("finished", BODY, 1) == (second.state, bytes(second.body), len(around.agent.asked))


def test_keep_waited_for(around: Surroundings) -> None:
    """Until it is noted down that an artifact is here, those who come are served from the transfer; none waits."""
    noted: Deferred[None] = Deferred()
    wanted = around.wanted(SMALL, keep=lambda *_: noted)
    first = around.ask(wanted)
    response = around.body(SMALL)
    response.send(SMALL)
    response.end()
    second = around.ask(wanted)
    assert [("finished", SMALL)] * 2 == [(each.state, bytes(each.body)) for each in (first, second)]
    assert (1, 1) == (around.flights.count, len(around.agent.asked))
    noted.callback(None)
    assert 0 == around.flights.count


def test_keep_fails(around: Surroundings, logged_errors: LoggedErrors) -> None:
    """That an artifact could not be noted down is logged, and no client's business."""

    def failing(*_: object) -> None:
        raise ValueError("noted nowhere")

    client = around.ask(around.wanted(SMALL, keep=failing))
    response = around.body(SMALL)
    response.send(SMALL)
    response.end()
    assert "finished" == client.state
    assert 1 == len(logged_errors.flush(ValueError))


def test_failed_fails(around: Surroundings, logged_errors: LoggedErrors) -> None:
    """That the failure of a source could not be noted down is logged, and the next one is tried."""

    def failing(*_: object) -> None:
        raise ValueError("noted nowhere")

    client = around.ask(around.wanted(SMALL, "http://a/f", "http://b/f", failed=failing))
    around.answer(refusal(404))
    response = around.body(SMALL)
    response.send(SMALL)
    response.end()
    assert "finished" == client.state
    assert 1 == len(logged_errors.flush(ValueError))


def test_storage_full_small(around: Surroundings) -> None:
    """A small file that cannot be stored is served all the same, and not noted down; the next client fetches it."""
    tiny = BODY[:1000]
    fail_all(around)
    client = around.ask(around.wanted(tiny))
    response = around.body(tiny)
    response.send(tiny)
    response.end()
    assert ("finished", tiny) == (client.state, bytes(client.body))
    assert ([], 0) == (around.kept, around.flights.count)
    around.ask(around.wanted(tiny))
    assert 2 == len(around.agent.asked)


def test_storage_full_large(around: Surroundings) -> None:
    """A large file that cannot be stored is not served as if it were, and its upstream is not blamed."""
    fail_all(around)
    client = around.ask(around.wanted())
    response = around.body()
    response.send(BODY)
    response.end()
    assert ("cut", []) == (client.state, around.kept)
    assert "<Circuit artifacts=0 hosts=0>" in repr(around.flights)


def fail_all(around: Surroundings) -> None:
    """Let nothing become an artifact."""
    around.storage.adopt = lambda files: succeed([StorageFull(detail="full") for _ in files])  # type: ignore[assignment,method-assign,misc]


@pytest.mark.parametrize("sent", [None, 0, 1 << 20])
def test_closed(sent: int | None) -> None:
    """To close cuts everybody, and gives everything back; whoever comes then is told."""
    around = Surroundings()
    client = around.ask(around.wanted())
    if sent is not None:
        response = around.body()
        if sent:
            response.send(BODY[:sent])
    around.close()
    assert "cut" == client.state if sent else isinstance(client.error, Cancelled)
    assert isinstance(around.ask(around.wanted()).error, Cancelled)


def test_closed_with_slow_client() -> None:
    """To close does not wait for a client who still reads what has come whole."""
    around = Surroundings()
    client = around.ask(around.wanted(), room=1000)
    response = around.body()
    response.send(BODY)
    response.end()
    assert "open" == client.state
    around.close()
    assert "cut" == client.state


def test_repr(around: Surroundings) -> None:
    """What goes on can be seen."""
    around.ask(around.wanted())
    around.body().send(BODY[:600_000])
    assert "<Flights 1 readers=1 <Circuit artifacts=0 hosts=0>>" == repr(around.flights)
    assert "<Flight 600000 of 2097152 bytes, 1 readers>" == repr(next(iter(around.flights._all)))
