"""The transfers under way: what shares one, HEAD, and what is not asked for again at once."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError
from twisted.python.failure import Failure

from tests.fakes import Response, refusal, result_of
from tests.unit.streamer.cold import BODY, Surroundings, sha256
from twisted_pulp.download import DownloadReport, Source
from twisted_pulp.errors import (
    Cancelled,
    ConnectionLost,
    ConnectTimeout,
    DigestMismatch,
    NotFound,
    SettingsError,
    StorageFull,
)
from twisted_pulp.settings import Remote, Retry
from twisted_pulp.streamer._circuit import Circuit
from twisted_pulp.streamer._entity import IMMUTABLE, Entity
from twisted_pulp.streamer._moment import Moment
from twisted_pulp.streamer._roads import Roads
from twisted_pulp.streamer._wanted import Wanted

SMALL = BODY[:1000]


def test_key() -> None:
    """What has a sha256 is known by it; all else by where it comes from."""
    one, other = Remote(), Remote(headers={"A": "b"})

    def key(url: str, remote: Remote, **fields: object) -> object:
        return Wanted(sources=(Source(url),), remote=remote, **fields).key  # type: ignore[arg-type]

    digests = {"sha256": sha256(BODY)}
    assert key("http://a/f", one, digests=digests) == key("http://b/g", other, digests=digests)
    assert key("http://a/f", one, digests=digests) != key("http://a/f", one, digests=digests, policy="streamed")
    assert key("http://a/f", one, scope=1) == key("http://a/f", one, scope=1)
    assert key("http://a/f", one, scope=1) != key("http://a/f", one, scope=2)
    assert key("http://a/f", one) != key("http://a/g", one)
    assert key("http://a/f", one, size=1) != key("http://a/f", one, size=2)
    assert key("http://a/f", one, digests={"md5": "0" * 32}) != key("http://a/f", one, digests={"md5": "1" * 32})
    with pytest.raises(SettingsError):
        Wanted(sources=(), remote=one)


def test_head_known(around: Surroundings) -> None:
    """HEAD of an artifact whose size is known asks nobody."""
    client = around.ask(around.wanted(), method=b"HEAD")
    assert ("finished", str(len(BODY)), b"") == (client.state, client.header("Content-Length"), bytes(client.body))
    assert [] == around.agent.asked


def test_head_asked(around: Surroundings) -> None:
    """HEAD of one of which nothing is known is one HEAD upstream for all who ask meanwhile, and no transfer."""
    wanted = around.wanted(size=None, digests={})
    clients = [around.ask(wanted, method=b"HEAD") for _ in range(3)]
    fields = [(b"Content-Length", b"77"), (b"Content-Type", b"text/x-test"), (b"Set-Cookie", b"a")]
    around.answer(Response(200, [], fields, url=b"http://h/f"))
    assert [b"HEAD"] == around.agent.methods
    assert [("finished", "77", "text/x-test", None)] * 3 == [
        (each.state, each.header("Content-Length"), each.header("Content-Type"), each.header("Set-Cookie"))
        for each in clients
    ]


def test_head_fails(around: Surroundings) -> None:
    """What HEAD upstream fails with is told, and remembered for a while."""
    wanted = around.wanted(size=None, digests={})
    client = around.ask(wanted, method=b"HEAD")
    around.answer(refusal(404))
    assert isinstance(client.error, NotFound)
    assert isinstance(around.ask(wanted, method=b"HEAD").error, NotFound)
    assert 1 == len(around.agent.asked)


def test_head_closed(around: Surroundings) -> None:
    """To close ends it too."""
    client = around.ask(around.wanted(size=None), method=b"HEAD")
    around.flights.close()
    assert isinstance(client.error, Cancelled | CancelledError)


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [("If-None-Match", f'"{sha256(BODY)}"', 304), ("If-Match", '"other"', 412), ("Range", "bytes=9999999-", 416)],
)
def test_no_transfer(around: Surroundings, name: str, value: str, status: int) -> None:
    """What can be answered without the bytes begins no transfer."""
    client = around.ask(around.wanted(), (name, value))
    assert (status, "finished", []) == (client.code, client.state, around.agent.asked)


def test_told_by_upstream(around: Surroundings) -> None:
    """What is not known of an artifact is what the upstream says, and the digest of what came."""
    client = around.ask(around.wanted(size=None, digests={}))
    fields = [(b"Content-Type", b"text/x-test"), (b"Cache-Control", b"max-age=5"), (b"Expires", b"0"), (b"X", b"y")]
    around.answer(Response(200, [SMALL], [*fields, (b"Last-Modified", b"Thu, 01 Jan 1970 00:00:10 GMT")]))
    names = ["Content-Type", "Cache-Control", "Last-Modified", "Content-Length", "ETag", "X"]
    assert ["text/x-test", "max-age=5", "Thu, 01 Jan 1970 00:00:10 GMT", "1000", f'"{sha256(SMALL)}"', None] == [
        client.header(name) for name in names
    ]
    assert client.header("Expires") is not None


def test_known_before(around: Surroundings) -> None:
    """What is known of it is not changed by an upstream, and no other cache's age is passed on with it."""
    entity = Entity(size=1000, sha256=sha256(SMALL), modified=20, type="text/known", cache_control=IMMUTABLE)
    client = around.ask(around.wanted(SMALL), entity=entity)
    fields = [(b"Cache-Control", b"max-age=5"), (b"Age", b"7"), (b"Expires", b"0"), (b"ETag", b'"x"')]
    around.answer(Response(200, [SMALL], fields))
    assert (IMMUTABLE, None, None, f'"{sha256(SMALL)}"', "Thu, 01 Jan 1970 00:00:20 GMT") == tuple(
        client.header(name) for name in ("Cache-Control", "Age", "Expires", "ETag", "Last-Modified")
    )


def test_empty(around: Surroundings) -> None:
    """An empty artifact is fetched as every other."""
    client = around.ask(around.wanted(b""))
    around.answer(Response(200, [], length=0))
    assert ("finished", "0", 1) == (client.state, client.header("Content-Length"), len(around.kept))


def test_another_answer(around: Surroundings) -> None:
    """A response that had not begun leaves none of its headers to the error that follows."""
    client = around.ask(around.wanted())
    response = around.body()
    response.end(ConnectionLost())
    for _ in range(3):
        around.context.reactor.advance(1)
        around.body().end(ConnectionLost())
    assert (False, True, None) == (client.startedWriting, client.error is not None, client.header("Content-Length"))


# What failed a moment ago


def test_artifact_left_alone(around: Surroundings) -> None:
    """An artifact that failed is left alone for 5 s, and others of its host are not."""
    wanted = around.wanted()
    around.ask(wanted)
    around.answer(refusal(404))
    assert isinstance(around.ask(wanted).error, NotFound)
    assert 1 == len(around.agent.asked)
    around.ask(around.wanted(SMALL))
    assert 2 == len(around.agent.asked)
    around.context.reactor.advance(5)
    around.ask(wanted)
    assert 3 == len(around.agent.asked)


def test_host_left_alone(around: Surroundings) -> None:
    """A host that does not answer is asked once in 30 s, until it answers."""
    remote = around.remote
    lone = Remote(retry=type(remote.retry)(retries=0))
    wishes = [
        around.wanted(SMALL + bytes([number]), remote=lone, sources=(Source("http://h/f"),)) for number in range(9)
    ]
    around.ask(wishes[0])
    around.answer(ConnectTimeout("http://h/f"))
    assert all(isinstance(around.ask(each).error, ConnectTimeout) for each in wishes)
    around.context.reactor.advance(30)
    probe = around.ask(wishes[1])
    assert (False, 2) == (probe.over, len(around.agent.asked))
    assert isinstance(around.ask(wishes[2]).error, ConnectTimeout)
    response = around.body(SMALL + b"\1")
    assert not around.ask(wishes[2]).over
    response.send(SMALL + b"\1")
    response.end()
    assert ("finished", 3) == (probe.state, len(around.agent.asked))


def test_other_host(around: Surroundings) -> None:
    """An artifact that another host has too is still asked for there."""
    clock = [0.0]
    circuit = Circuit(lambda: clock[0], lambda: 0.0)
    here = Wanted(sources=(Source("http://a/f"),), remote=around.remote)
    both = Wanted(sources=(Source("http://a/f"), Source("http://b/f")), remote=around.remote, scope=1)
    circuit.failed(here, ConnectTimeout())
    assert (False, True) == (circuit.refusal(here) is None, circuit.refusal(both) is None)
    assert "<Circuit artifacts=1 hosts=1>" == repr(circuit)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (refusal(503, retry_after="100"), 100.0),
        (refusal(429, retry_after="9999"), 300.0),
        (refusal(429), 30.0),
        (ConnectionLost(), 30.0),
        (refusal(500), 0.0),
        (DigestMismatch(), 0.0),
        (StorageFull(), 0.0),
    ],
)
def test_host_is_to_blame(around: Surroundings, error: Exception, seconds: float) -> None:
    """A host is left alone when it is silent or overloaded, for as long as it asks for within reason."""
    clock = [0.0]
    circuit = Circuit(lambda: clock[0], lambda: 0.0)
    failed = Wanted(sources=(Source("http://a/f"),), remote=around.remote)
    other = Wanted(sources=(Source("http://a/g"),), remote=around.remote)
    circuit.failed(failed, error)
    if seconds:
        clock[0] = seconds - 0.1
        assert error is circuit.refusal(other)
    clock[0] = seconds
    assert circuit.refusal(other) is None


def test_lost_in_the_middle(around: Surroundings) -> None:
    """A host that answered, and then broke off, is not silent."""
    circuit = Circuit(lambda: 0.0, lambda: 0.0)
    error = ConnectionLost()
    error.report = DownloadReport(url="http://a/f", status=200)  # type: ignore[attr-defined]
    circuit.failed(Wanted(sources=(Source("http://a/f"),), remote=around.remote), error)
    assert circuit.refusal(Wanted(sources=(Source("http://a/g"),), remote=around.remote)) is None


def test_answers_again(around: Surroundings) -> None:
    """A host that answers, if only that something is missing, is no longer left alone."""
    circuit = Circuit(lambda: 0.0, lambda: 0.0)
    one, other = (Wanted(sources=(Source(f"http://a/{name}"),), remote=around.remote) for name in "fg")
    circuit.failed(one, ConnectTimeout())
    circuit.failed(one, refusal(404))
    assert circuit.refusal(other) is None


def test_not_too_many(around: Surroundings) -> None:
    """What is remembered is bounded."""
    circuit = Circuit(lambda: 0.0, lambda: 0.0)
    for number in range(5000):
        circuit.failed(Wanted(sources=(Source(f"http://a{number}/"),), remote=around.remote), ConnectTimeout())
    assert len(circuit._hosts) <= 4096
    assert len(circuit._artifacts) <= 4096


def test_many_remotes(around: Surroundings) -> None:
    """Those that nobody uses are forgotten when there are many; one that is used is not."""
    roads, used, closed = Roads(around.context), Remote(), []
    taken = roads.take(used)
    for _ in range(300):
        remote = Remote()
        made = roads.take(remote)
        made.close = lambda: closed.append(1)
        roads.leave(remote)
    assert (True, True) == (len(roads._roads) <= 256, len(closed) >= 44)
    assert taken is roads.take(used)


def test_patience(around: Surroundings) -> None:
    """Whatever a Remote says, clients do not wait for hours, but for as long as it says at most."""
    roads = Roads(around.context)
    waits = [roads.take(Remote(retry=Retry(retry_after=each))).remote.retry.retry_after for each in (3600.0, 2.0)]
    assert [5.0, 2.0] == waits


# Moments


def test_moment() -> None:
    """Whoever waits, before or afterwards, is told; only the first time counts."""
    moment: Moment[int] = Moment()
    before, cancelled = moment.wait(), moment.wait()
    cancelled.addErrback(lambda why: why.trap(CancelledError))
    cancelled.cancel()
    moment.happen(1)
    moment.happen(2)
    assert (1, 1, True) == (result_of(before), result_of(moment.wait()), moment.past)


def test_moment_fails() -> None:
    """One that fails is told as a failure, and nobody need listen."""
    moment: Moment[int] = Moment()
    moment.happen(Failure(ValueError("what happened")))
    with pytest.raises(ValueError, match="what happened"):
        result_of(moment.wait())


def test_counted(around: Surroundings) -> None:
    """It is noted on requests who began a transfer, and who came to it later."""
    wanted = around.wanted(BODY)
    clients = [around.ask(wanted) for _ in range(3)]
    around.body(BODY)
    for client in clients:
        client.leave()
    assert ["miss", "collapsed", "collapsed"] == [client.caching for client in clients]


def test_refused(around: Surroundings) -> None:
    """It can be asked which host is left alone, for how long and why."""
    flights, remote = around.flights, Remote(retry=type(around.remote.retry)(retries=0))
    assert None is flights.refused("http://h/x")
    around.ask(around.wanted(SMALL, remote=remote, sources=(Source("http://h/f"),)))
    around.answer(ConnectTimeout("http://h/f"))
    refused = flights.refused("http://h/x")
    assert refused is not None
    assert (30, ConnectTimeout) == (refused[0], type(refused[1]))
    assert None is flights.refused("http://other/x")
    around.context.reactor.advance(30)
    assert None is flights.refused("http://h/x")
