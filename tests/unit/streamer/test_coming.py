"""Large files that may change go to clients while they come, and are kept all the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost as Lost
from twisted.python.failure import Failure
from twisted.web._newclient import ResponseFailed

from tests.fakes import Threads
from tests.unit.streamer.cold import Client
from tests.unit.streamer.upstream import EPOCH, URL, Cache
from twisted_pulp.errors import Cancelled, PulpError
from twisted_pulp.streamer._cached import Cached
from twisted_pulp.streamer._caching import Caching
from twisted_pulp.streamer._cold import send_coming
from twisted_pulp.streamer._coming import LARGE, Coming
from twisted_pulp.testing import FakeResponse

BODY = bytes(range(256)) * (LARGE // 256) + b"end"
FRESH = {"Cache-Control": "max-age=60", "ETag": '"1"', "Content-Type": "text/x-index", "Vary": "Accept"}


@pytest.fixture
def cache() -> Iterator[Cache]:
    """A cache whose threads work at once, that leaves nothing."""
    cache = Cache()
    cache.context.threads = Threads()  # type: ignore[assignment]
    yield cache
    closing: list[Any] = []
    cache.mutable.close().addBoth(closing.append)
    cache.clock.advance(0)
    assert [None] == closing
    cache.storage.close()


def offered(cache: Cache, length: int | None = len(BODY), **headers: str) -> FakeResponse:
    """Let the upstream answer with a body that is yet to come."""
    given = {**FRESH, **({} if length is None else {"Content-Length": str(length)}), **headers}
    response = FakeResponse(200, None, given, URL)
    if length is not None:
        response.length = length
    cache.upstream.answer = lambda asked: response
    return response


def client(cache: Cache, coming: Coming, *headers: tuple[str, str], **fields: Any) -> Client:
    """Return a client that reads along."""
    made = Client(**fields)
    for name, value in headers:
        made.requestHeaders.addRawHeader(name, value)

    def over(result: Any) -> None:
        made.over = True
        made.error = result.value if isinstance(result, Failure) else None

    Deferred.fromCoroutine(send_coming(made, coming, EPOCH, cache.clock)).addBoth(over)
    return made


def test_along(cache: Cache) -> None:
    """Clients get a large file while it comes, all but its last byte; then it is kept, and given out from there."""
    response = offered(cache)
    coming = cache.get()
    assert isinstance(coming, Coming)
    assert "twisted_pulp; fwd=uri-miss; fwd-status=200; stored" == coming.cache_status
    first = client(cache, coming)
    response.send(BODY[: LARGE // 2])
    assert BODY[: LARGE // 2] == bytes(first.body)
    late = cache.get()
    assert "collapsed" in late.cache_status
    second = client(cache, late)
    response.send(BODY[LARGE // 2 :])
    assert [BODY[:-1]] * 2 == [bytes(each.body) for each in (first, second)]
    response.end()
    assert [("finished", BODY)] * 2 == [(each.state, bytes(each.body)) for each in (first, second)]
    assert ("text/x-index", '"1"', "max-age=60", str(len(BODY))) == tuple(
        first.header(name) for name in ("Content-Type", "ETag", "Cache-Control", "Content-Length")
    )
    kept = cache.get()
    assert isinstance(kept, Cached)
    assert (hashlib.sha256(BODY).hexdigest(), BODY, 1) == (kept.entity.sha256, cache.body(kept), cache.asked())


@pytest.mark.parametrize("length", [LARGE, None])
def test_whole(cache: Cache, length: int | None) -> None:
    """What is no larger than 4 MiB, or perhaps not, is here whole before a client gets any of it."""
    response = offered(cache, length, **({} if length else {"Transfer-Encoding": "chunked"}))
    results: list[Any] = []
    cache.begin().addBoth(results.append)
    response.send(BODY[:LARGE])
    assert [] == results
    response.end()
    assert isinstance(results[0], Cached)


def test_pages_are_whole() -> None:
    """A page that is to be rewritten is here whole, however large it is."""
    cache = Cache(whole=lambda kind: kind == "text/x-index")
    response = offered(cache)
    results: list[Any] = []
    cache.begin().addBoth(results.append)
    response.send(BODY)
    assert [] == results
    response.end()
    assert isinstance(results[0], Cached)


def test_cut(cache: Cache) -> None:
    """When it cannot be had to its end clients are cut, nothing is kept, and it is asked for again."""
    response = offered(cache)
    reading = client(cache, cache.get(), room=1000)
    response.send(BODY[:LARGE])
    cache.upstream.answer = lambda asked: 404
    response.end(ResponseFailed([Failure(Lost())]))
    cache.clock.advance(10)
    assert "cut" == reading.state
    response = offered(cache)
    cache.clock.advance(100)
    assert isinstance(cache.get(), Coming)
    response.send(BODY)
    response.end()


def test_failed_just_now(cache: Cache) -> None:
    """Who would read along, and comes too late, is told what has failed."""
    response = offered(cache)
    coming = cache.get()
    cache.upstream.answer = lambda asked: 404
    response.end(ResponseFailed([Failure(Lost())]))
    cache.clock.advance(10)
    assert isinstance(client(cache, coming).error, PulpError)


def test_nobody_left(cache: Cache) -> None:
    """It is fetched to its end although its clients have gone."""
    response = offered(cache)
    reading = client(cache, cache.get(), room=1)
    response.send(BODY[:1000])
    reading.leave()
    response.send(BODY[1000:])
    response.end()
    assert BODY == cache.body(cache.get())


def test_head_and_range(cache: Cache) -> None:
    """A part is sent as soon as it is here, and HEAD needs none of it."""
    response = offered(cache)
    coming = cache.get()
    asked = client(cache, coming, ("Range", "bytes=1000-1009"))
    head = client(cache, coming, method=b"HEAD")
    response.send(BODY)
    response.end()
    assert (206, BODY[1000:1010]) == (asked.code, bytes(asked.body))
    assert ("finished", b"", str(len(BODY))) == (head.state, bytes(head.body), head.header("Content-Length"))


def test_max_age(cache: Cache) -> None:
    """Clients are told how long it is fresh as the Distribution says it."""
    response = offered(cache, Expires="Thu, 01 Jan 1970 00:00:00 GMT")
    coming = cache.get(caching=Caching(max_age=7.0))
    assert "public, max-age=7" == coming.entity.cache_control
    assert ["Vary"] == [name for name, _ in coming.entity.fields]
    response.send(BODY)
    response.end()


def test_closed(cache: Cache) -> None:
    """To close breaks it off, and cuts who still reads what has come."""
    response = offered(cache)
    coming = cache.get()
    reading = client(cache, coming, room=1000)
    response.send(BODY[:1000_000])
    cache.mutable.close()
    assert ("cut", True) == (reading.state, isinstance(reading.error, Cancelled) or reading.over)


def test_closed_with_slow_client(cache: Cache) -> None:
    """To close does not wait for a client who reads what has come whole."""
    response = offered(cache)
    reading = client(cache, cache.get(), room=1000)
    response.send(BODY)
    response.end()
    assert "open" == reading.state
    cache.mutable.close()
    assert "cut" == reading.state
