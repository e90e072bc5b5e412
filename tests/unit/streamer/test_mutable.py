"""Files that may change, between clients and an upstream, on a clock."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.web._newclient import PotentialDataLoss, ResponseDone, ResponseFailed, _DataLoss
from twisted.web.iweb import UNKNOWN_LENGTH

from tests.unit.streamer.upstream import EPOCH, URL, Asked, Cache, date, reply
from twisted_pulp.catalog import artifacts, cached
from twisted_pulp.catalog.cached import CachedRow
from twisted_pulp.errors import (
    Cancelled,
    ConnectionRefused,
    HTTPStatusError,
    NotFound,
    StorageFull,
    Truncated,
    Unproven,
)
from twisted_pulp.settings import Limits, Remote, Retry
from twisted_pulp.streamer._cached import Passed
from twisted_pulp.streamer._caching import Caching
from twisted_pulp.testing import FakeResponse

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"


def fresh(body: bytes = b"one", **headers: str) -> Any:
    """Return an answer that is fresh for a minute."""
    return reply(body, **{"Cache-Control": "max-age=60", **headers})


def later(cache: Cache) -> tuple[Deferred[Any], list[Any], list[Any]]:
    """Have *cache* wait for an answer; return its Deferred, and the results of three clients."""
    answer: Deferred[Any] = Deferred()
    cache.upstream.answer = lambda asked: answer
    results: list[Any] = []
    clients = [cache.begin() for _ in range(3)]
    for each in clients:
        each.addBoth(results.append)
    return answer, results, clients


def asked(url: str = URL) -> Asked:
    """Return a request."""
    return Asked("GET", url, {})


def test_kept() -> None:
    """What came once is given out while it is fresh, without a request."""
    cache = Cache()
    cache.upstream.answer = fresh(Date=date(0))
    first = cache.get()
    expected = b"one", "twisted_pulp; fwd=uri-miss; fwd-status=200; stored; ttl=60"
    assert expected == (cache.body(first), first.cache_status)
    cache.clock.advance(59)
    again = cache.get()
    assert (b"one", "twisted_pulp; hit; ttl=1") == (cache.body(again), again.cache_status)
    assert 1 == cache.asked()


def test_entity() -> None:
    """A client gets a strong ETag of the bytes, their length, and the upstream's date and type."""
    cache = Cache()
    cache.upstream.answer = fresh(ETag='W/"x"', Last_Modified=date(-50), Content_Type="text/x-y; charset=utf-8")
    entity, sha256 = cache.get().entity, hashlib.sha256(b"one").hexdigest()
    assert (f'"{sha256}"', 3, EPOCH - 50) == (entity.etag, entity.size, entity.modified)
    assert "text/x-y; charset=utf-8" == entity.type


@pytest.mark.parametrize(
    ("given", "type"), [(None, "text/html"), ("text/html\x01", "text/html"), ("a/b", "a/b"), ("", "text/html")]
)
def test_type(given: str | None, type: str) -> None:
    """Where the upstream says no type its name tells."""
    cache = Cache()
    cache.upstream.answer = fresh(**({} if given is None else {"Content-Type": given}))
    assert type == cache.get("http://h/index.html").entity.type


def test_restart() -> None:
    """What is kept outlives the process."""
    cache = Cache()
    cache.upstream.answer = fresh()
    cache.get()
    cache.restart()
    assert b"one" == cache.body(cache.get())
    assert 1 == cache.asked()


def test_memory() -> None:
    """A fresh response that was given out a moment ago is given out without the catalog."""
    cache = Cache()
    cache.upstream.answer = fresh()
    cache.get()
    calls = cache.catalog.calls
    for _ in range(100):
        cache.get()
    assert calls == cache.catalog.calls
    cache.clock.advance(11)
    cache.get()
    assert calls + 1 == cache.catalog.calls


# one request for all
def test_together() -> None:
    """However many want the same at once, the upstream is asked once."""
    cache = Cache()
    answer, results, _ = later(cache)
    assert (1, []) == (cache.asked(), results)
    answer.callback(reply(b"one")(asked()))
    assert [b"one"] * 3 == [cache.body(each) for each in results]
    assert ["; collapsed" in each.cache_status for each in results] == [False, True, True]


def test_together_failed() -> None:
    """They all hear of a failure, which is asked about once."""
    cache = Cache()
    answer, results, _ = later(cache)
    answer.errback(HTTPStatusError(URL, 500))
    assert [500] * 3 == [each.value.status for each in results]
    assert 1 == cache.asked()


def test_left() -> None:
    """A client that leaves disturbs nobody, and what it wanted is kept though all have left."""
    cache = Cache()
    answer, results, clients = later(cache)
    clients[0].cancel()
    assert [None is not each.check(Exception) for each in results] == [True]
    for each in clients:
        each.cancel()
    answer.callback(fresh()(asked()))
    assert b"one" == cache.body(cache.get())
    assert 1 == cache.asked()


def test_close() -> None:
    """At the end what is asked is broken off, and clients are told."""
    cache = Cache()
    _, results, _ = later(cache)
    closed: list[object] = []
    cache.mutable.close().addCallback(closed.append)
    assert ([None], [Cancelled] * 3) == (closed, [each.type for each in results])
    with pytest.raises(Cancelled):
        cache.begin()
    assert "<Mutable 0 requests upstream, 0 responses in memory>" == repr(cache.mutable)


def test_raced() -> None:
    """What came while a client looked into the catalog is not asked for again."""
    cache = Cache()
    cache.upstream.answer = fresh()
    held: Deferred[None] = Deferred()
    read = cache.catalog.read
    cache.catalog.read = lambda *args: read(*args).addCallback(lambda found: held.addCallback(lambda _: found))
    slow: list[Any] = []
    cache.begin().addBoth(slow.append)
    cache.catalog.read = read
    assert b"one" == cache.body(cache.get())
    held.callback(None)
    assert [b"one"] == [cache.body(each) for each in slow]
    assert 1 == cache.asked()


# bodies
def failing(body: bytes, reason: Exception, length: Any = UNKNOWN_LENGTH) -> Any:
    """Return an answer whose body ends for *reason*."""

    class Ending(FakeResponse):
        def deliverBody(self, protocol: Any) -> None:
            super().deliverBody(protocol)
            if not self.transport.told:  # it is wanted
                self.send(body)
                self.end(reason)

    return lambda asked: Ending(200, None, {"Cache-Control": "max-age=60"}, asked.url, length)


def test_cut() -> None:
    """A body that was cut short is kept by nobody, and given to nobody."""
    cache = Cache()
    cache.upstream.answer = failing(b"on", ResponseFailed([Failure(ConnectionDone()), Failure(_DataLoss())]), 3)
    with pytest.raises(Truncated):
        cache.get()
    cache.clock.advance(31)
    cache.upstream.answer = fresh()
    assert b"one" == cache.body(cache.get())
    assert [hashlib.sha256(b"one").hexdigest()] == list(cache.storage._artifacts)


def test_cut_later() -> None:
    """What was whole stays when what follows is cut short."""
    cache = Cache()
    cache.upstream.answer = fresh()
    cache.get()
    cache.clock.advance(60)
    cache.upstream.answer = failing(b"tw", ResponseFailed([Failure(ConnectionDone()), Failure(_DataLoss())]), 3)
    assert b"one" == cache.body(cache.get())


@pytest.mark.parametrize("unproven", [False, True])
def test_by_end(unproven: bool) -> None:
    """A body of which only the connection's end says that it is whole is never kept."""
    cache = Cache()
    cache.remote = evolve(cache.remote, allow_unproven=unproven)
    cache.upstream.answer = failing(b"one", PotentialDataLoss())
    if unproven:
        assert isinstance(cache.get(), Passed)
    else:
        with pytest.raises(Unproven):
            cache.get()
    assert [] == list(cache.storage._artifacts)


def test_chunked() -> None:
    """A body whose length nobody has said is kept when it has ended as it should."""
    cache = Cache()
    cache.upstream.answer = failing(b"one", ResponseDone())
    assert b"one" == cache.body(cache.get())


@pytest.mark.parametrize("length", [11, UNKNOWN_LENGTH])
def test_large(length: Any) -> None:
    """A file that is too large to be kept is passed on, and nothing of it stays."""
    cache = Cache()
    cache.upstream.answer = failing(b"x" * 11, ResponseDone(), length)
    assert isinstance(cache.get(caching=Caching(largest=10)), Passed)
    assert [] == list(cache.storage._artifacts)


def test_too_large() -> None:
    """A file that is larger than the Remote allows is an error."""
    cache = Cache()
    cache.remote = evolve(cache.remote, limits=Limits(max_size=10))
    cache.upstream.answer = fresh(b"x" * 11)
    with pytest.raises(Exception, match="11 bytes, more than the 10 allowed"):
        cache.get()


def test_long_url() -> None:
    """What is no key in every database is not kept."""
    cache = Cache()
    cache.upstream.answer = fresh()
    assert isinstance(cache.get("http://h/" + "x" * 2000), Passed)
    assert 0 == cache.asked()


def test_partial() -> None:
    """A part of a file is none, whatever it says."""
    cache = Cache()
    cache.upstream.answer = reply(b"one", 206, **{"Cache-Control": "max-age=60", "Content-Range": "bytes 0-2/9"})
    with pytest.raises(Exception, match="206"):
        cache.get()


def test_replaced() -> None:
    """A body that was replaced goes a while later, one that others have stays."""
    cache = Cache()
    cache.upstream.answer = fresh()
    cache.get()
    cache.get("http://h/same")
    for body in (b"two", b"three"):
        cache.clock.advance(61)
        cache.upstream.answer = fresh(body)
        cache.get()
    cache.clock.advance(61)
    cache.upstream.answer = fresh(b"four")
    cache.get()
    names = {hashlib.sha256(body).hexdigest() for body in (b"one", b"three", b"four")}
    assert names == set(cache.storage._artifacts), "three was replaced just now"


def test_evicted() -> None:
    """When there is too much, what was wanted longest ago goes, its body a while later."""
    cache = Cache(capacity=30)
    for number in range(4):
        cache.upstream.answer = fresh(b"%010d" % number)
        cache.get(f"http://h/{number}")
        cache.clock.advance(1)
    assert (2, 20) == cache.catalog.do(cached.total)
    assert 4 == len(list(cache.storage._artifacts))
    cache.clock.advance(61)
    cache.upstream.answer = fresh(b"last")
    cache.get("http://h/last")
    assert (3, 24) == cache.catalog.do(cached.total)
    assert 3 == len(list(cache.storage._artifacts))
    assert 3 == len(cache.catalog.do(artifacts.each, 0, 100))
    cache.upstream.answer = fresh(b"new")
    assert b"new" == cache.body(cache.get("http://h/0"))


def test_evicted_wanted() -> None:
    """What somebody takes for his own in the moment in which it goes, the catalog does not count as stored."""
    cache = Cache(capacity=30)
    remove = cache.storage.remove
    taken: list[str] = []

    def taking(names: Any) -> Any:
        taken.extend(names)
        cache.catalog.do(artifacts.save, [artifacts.NewArtifact(name, 10) for name in names], cache.now())
        return remove(names)

    cache.storage.remove = taking  # type: ignore[method-assign]
    for number in range(5):
        cache.upstream.answer = fresh(b"%010d" % number)
        cache.get(f"http://h/{number}")
        cache.clock.advance(61)
    assert taken
    assert {} == cache.catalog.do(artifacts.find, [("sha256", name) for name in taken])


def test_evicted_used() -> None:
    """What is wanted again and again stays, even if it came first."""
    cache = Cache(most=3)
    cache.upstream.answer = reply(b"x", Cache_Control="max-age=100000")
    for number in range(5):
        cache.get("http://h/hot")
        cache.get(f"http://h/{number}")
        cache.clock.advance(400)
    assert None is not cache.catalog.do(cached.find, 1, "http://h/hot", "")
    assert 1 == sum(each.url == "http://h/hot" for each in cache.upstream.requests)


def test_body_lost() -> None:
    """A body that somebody has removed is fetched again, without conditions."""
    cache = Cache()
    cache.upstream.answer = fresh(ETag='"x"')
    sha256 = cache.get().entity.sha256
    cache.storage.remove([sha256])
    cache.clock.advance(11)
    assert b"one" == cache.body(cache.get())
    cache.storage.remove([sha256])
    begun: list[Any] = []
    cache.mutable.fetch(1, cache.remote, URL, lambda name: None, missing=True).addBoth(begun.append)
    assert b"one" == cache.body(begun[0])
    assert [{}] * 3 == [each.headers for each in cache.upstream.requests]


def test_other_process() -> None:
    """What another process has fetched meanwhile is given out."""
    cache = Cache()
    cache.upstream.answer = fresh()
    cache.get()
    old = cache.mutable
    cache.clock.advance(61)
    cache.restart()
    cache.upstream.answer = fresh(b"two")
    cache.get()
    cache.mutable = old
    assert b"two" == cache.body(cache.get())
    assert 2 == cache.asked()


def test_storage_full() -> None:
    """What is stale is given out when there is no room for what is new; else the client is told."""
    cache = Cache()
    cache.upstream.answer = fresh()
    cache.get()
    cache.clock.advance(61)

    def full(data: bytes) -> str:
        raise StorageFull("/disk", "no space left")

    cache.storage.keep = full  # type: ignore[method-assign, assignment]
    assert b"one" == cache.body(cache.get())
    with pytest.raises(StorageFull):
        cache.get("http://h/other")


# what the upstream does not have
@pytest.mark.parametrize("status", [404, 410])
def test_missing(status: int) -> None:
    """What the upstream does not have is not asked for again for a minute."""
    cache = Cache()
    cache.upstream.answer = lambda asked: status
    for _ in range(3):
        with pytest.raises(NotFound, match=str(status)):
            cache.get()
        cache.clock.advance(29)
    assert 1 == cache.asked()
    cache.upstream.answer = fresh()
    assert b"one" == cache.body(cache.get())


def test_missing_other() -> None:
    """What one URL does not have says nothing about others, nor one Remote about another, nor one form."""
    cache = Cache()
    cache.upstream.answer = lambda asked: 404
    with pytest.raises(NotFound):
        cache.get()
    cache.upstream.answer = fresh()
    cache.get("http://h/other")
    cache.get(remote_id=2)
    cache.get(headers={"Accept": JSON})
    assert 4 == cache.asked()


def test_missing_never() -> None:
    """A Distribution may have it asked for each time."""
    cache = Cache()
    cache.upstream.answer = lambda asked: 404
    for _ in range(3):
        with pytest.raises(NotFound):
            cache.get(caching=Caching(negative=0))
    assert 3 == cache.asked()


@pytest.mark.parametrize("status", [400, 401, 403, 500, 501])
def test_other_statuses(status: int) -> None:
    """Nothing else that is no file is remembered."""
    cache = Cache()
    cache.upstream.answer = lambda asked: status
    for _ in range(3):
        with pytest.raises(HTTPStatusError, match=str(status)):
            cache.get()
    assert 3 == cache.asked()


# upstreams that fail
def refused(asked: Asked) -> Any:
    """Answer nothing."""
    raise ConnectionRefused(asked.url)


@pytest.mark.parametrize("answer", [refused, lambda _: 502, lambda _: 503, lambda _: 504, lambda _: 429])
def test_outage(answer: Any) -> None:
    """A host that does not answer is left alone for 30 s, whatever is wanted of it."""
    cache = Cache()
    cache.upstream.answer = fresh()
    cache.get()
    cache.clock.advance(61)
    cache.upstream.answer = answer
    for number in range(10):
        with pytest.raises((HTTPStatusError, ConnectionRefused)):
            cache.get(f"http://h/{number}")
        assert b"one" == cache.body(cache.get()), "it is stale, and given out"
    assert 2 == cache.asked()
    cache.clock.advance(30)
    with pytest.raises((HTTPStatusError, ConnectionRefused)):
        cache.get("http://h/0")
    assert 3 == cache.asked()
    cache.clock.advance(30)
    cache.upstream.answer = fresh(b"back")
    assert b"back" == cache.body(cache.get("http://h/0"))
    assert b"back" == cache.body(cache.get())


def test_outage_asked() -> None:
    """A host that asks to be left alone for longer is, within reason."""
    cache = Cache()
    for told, pause in (("90", 90.0), ("5", 30.0), ("100000", 300.0), ("soon", 30.0)):
        before = cache.asked()
        cache.upstream.answer = reply(b"", 503, **{"Retry-After": told})
        for seconds in (0.0, pause - 1.0, 1.0):
            cache.clock.advance(seconds)
            if seconds == 1.0:
                cache.upstream.answer = fresh()
                cache.get(f"http://h/{told}")
            else:
                with pytest.raises(Exception, match=r"503|wait"):
                    cache.get(f"http://h/{told}")
        assert before + 2 == cache.asked()


def test_outage_other_host() -> None:
    """Other hosts are asked all the same, and so is this one for another Remote."""
    cache = Cache()
    cache.upstream.answer = refused
    with pytest.raises(ConnectionRefused):
        cache.get()
    cache.upstream.answer = fresh()
    cache.get("http://other/index")
    cache.get("http://h:81/index")
    cache.get(remote_id=2)
    assert 4 == cache.asked()


def test_while_asking_outage() -> None:
    """Nothing is asked in the background, either, of a host that does not answer."""
    cache = Cache()
    cache.upstream.answer = fresh(**{"Cache-Control": "max-age=60, stale-while-revalidate=3600"})
    cache.get()
    cache.clock.advance(61)
    cache.upstream.answer = refused
    for _ in range(10):
        assert b"one" == cache.body(cache.get())
    assert 2 == cache.asked()


@pytest.mark.parametrize(("stale", "tries"), [(False, 2), (True, 1)])
def test_retry(stale: bool, tries: int) -> None:
    """The upstream is tried once more only while clients can be helped by nothing else."""
    cache = Cache()
    cache.remote = Remote(url="http://h/", retry=Retry(retries=5, base=0.001, cap=0.001))
    if stale:
        cache.upstream.answer = fresh()
        cache.get()
        cache.clock.advance(61)
    before = cache.asked()
    cache.upstream.answer = lambda asked: 503
    results: list[Any] = []
    cache.begin().addBoth(results.append)
    for _ in range(100):
        cache.clock.advance(0.01)
    assert (tries, 1) == (cache.asked() - before, len(results))


# who may have an effect
def test_remotes() -> None:
    """What one Remote has brought is not given out by another, which may have other credentials."""
    cache = Cache()
    cache.upstream.answer = fresh()
    cache.get()
    cache.upstream.answer = fresh(b"two")
    assert b"two" == cache.body(cache.get(remote_id=2))
    assert b"one" == cache.body(cache.get())


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, ""),
        ("*/*", ""),
        ("text/html", ""),
        (JSON, JSON),
        (HTML, HTML),
        (f"{JSON}, {HTML};q=0.2, text/html;q=0.01", JSON),
        (f"{JSON};q=0.1, {HTML};q=0.2, text/html;q=0.01", HTML),
        (f"{JSON};q=0", ""),
        (f"{JSON};q=2", ""),
        (f"{JSON};q=x, {HTML};q=0.5", HTML),
        (f"text/html, {JSON};q=0.9", ""),
        (f" {JSON.upper()} ; q = 0.5 ,*/*", JSON),
        (f"{JSON}, " + "x/y, " * 300, ""),
        ("application/vnd.pypi.simple.latest+json", ""),
        ("\xff\xfe, a/b;;;=,;q", ""),
    ],
)
def test_kinds(accept: str | None, kind: str) -> None:
    """Of a client's wishes only the forms of an index that are known go upstream, in words of our own."""
    cache = Cache()
    cache.upstream.answer = fresh(Vary="Accept")
    cache.get(headers={} if accept is None else {"Accept": accept})
    expected = {"accept": f"{kind}, */*;q=0.1"} if kind else {}
    assert expected == cache.upstream.requests[0].headers
    for _ in range(2):
        cache.get(headers={"Accept": kind} if kind else {})
    assert 1 == cache.asked(), "they are the same"
    cache.get(headers={"Accept": HTML if kind == JSON else JSON})
    assert 2 == cache.asked(), "another form is kept by itself"


#: Headers that change what some server or cache says, and by which caches have been poisoned.
POISON = {
    "Host": "evil.test",
    "X-Forwarded-Host": "evil.test",
    "X-Forwarded-For": "127.0.0.1",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Scheme": "nothttps",
    "X-Forwarded-Port": "1337",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Server": "evil.test",
    "X-Forwarded-Path": "/admin",
    "X-Forwarded-SSL": "off",
    "Forwarded": "host=evil.test;proto=http",
    "X-Host": "evil.test",
    "X-HTTP-Host-Override": "evil.test",
    "X-Original-URL": "/admin",
    "X-Rewrite-URL": "/admin",
    "X-Original-Host": "evil.test",
    "X-HTTP-Method-Override": "POST",
    "X-HTTP-Method": "DELETE",
    "X-Method-Override": "PUT",
    "X-Real-IP": "10.0.0.1",
    "X-Client-IP": "10.0.0.1",
    "True-Client-IP": "10.0.0.1",
    "CF-Connecting-IP": "10.0.0.1",
    "X-Backend-Host": "evil.test",
    "X-Proxy-URL": "http://evil.test/",
    "X-WAP-Profile": "http://evil.test/wap.xml",
    "Proxy": "http://evil.test/",
    "Via": "1.1 evil",
    "Origin": "http://evil.test",
    "Referer": "http://evil.test/",
    "Cookie": "session=evil",
    "Authorization": "Basic ZXZpbDpldmls",
    "Proxy-Authorization": "Basic ZXZpbDpldmls",
    "User-Agent": "evil/1.0",
    "Accept-Encoding": "gzip, br, zstd",
    "Accept-Language": "tlh",
    "Accept-Charset": "utf-7",
    "Range": "bytes=0-0",
    "If-Range": '"x"',
    "If-None-Match": "*",
    "If-Match": '"x"',
    "If-Modified-Since": "Sat, 01 Jan 2050 00:00:00 GMT",
    "If-Unmodified-Since": "Sat, 01 Jan 2000 00:00:00 GMT",
    "Cache-Control": "no-cache, no-store, max-age=0",
    "Pragma": "no-cache, akamai-x-get-cache-key",
    "Upgrade": "h2c",
    "Connection": "Accept, X-Forwarded-Host",
    "Expect": "100-continue",
    "TE": "trailers",
    "Max-Forwards": "0",
    "Content-Length": "5",
    "Transfer-Encoding": "chunked",
    "Surrogate-Capability": 'evil="ESI/1.0"',
    "X-Cache-Key": "other",
    "X-Accel-Internal": "/etc/passwd",
    "X-Amz-Website-Redirect-Location": "http://evil.test/",
    "X-Timer": "S1,VS0",
    "Fastly-FF": "x",
    "X-Custom": "\xff",
}


@pytest.mark.parametrize("name", POISON)
def test_poison(name: str) -> None:
    """No header of a client's request reaches the upstream, changes what is kept, or hides it from others."""
    cache = Cache()

    def answer(asked: Asked) -> Any:
        return fresh(repr(sorted(asked.headers.items())).encode() + asked.url.encode())(asked)

    cache.upstream.answer = answer
    poisoned = cache.get(headers={name: POISON[name]})
    assert (b"[]http://h/index", 1) == (cache.body(poisoned), cache.asked())
    assert poisoned.entity == cache.get().entity
    cache.restart()
    assert poisoned.entity == cache.get(headers={name: "other"}).entity
    assert 1 == cache.asked()


def test_varied() -> None:
    """What depends on a header of the Remote's own is not given out once that is another one."""
    cache = Cache()
    cache.upstream.answer = fresh(Vary="User-Agent, Accept-Language", ETag='"x"')
    cache.get()
    cache.remote = Remote(url="http://h/", user_agent="other/1.0")
    cache.upstream.answer = fresh(b"two", Vary="User-Agent")
    got = cache.get()
    assert (b"two", {}) == (cache.body(got), cache.upstream.requests[1].headers)
    assert "fwd=vary-miss" in got.cache_status
    cache.get()
    assert 2 == cache.asked()


def test_no_secrets() -> None:
    """Nothing of a Remote's credentials is kept beside a response, not even what depends on them."""
    cache = Cache()
    secret = "s3cr3t"
    cache.remote = Remote(url="http://h/", password=secret, username=secret, headers={"X-Token": secret})
    cache.upstream.answer = fresh(Vary="Authorization, X-Token")
    cache.get()
    row = cache.catalog.do(cached.find, 1, URL, "")
    assert isinstance(row, CachedRow)
    assert secret not in repr(row)
    cache.get()
    assert 1 == cache.asked()


def test_name() -> None:
    """A file whose URL has a secret is known by another name."""
    cache = Cache()
    cache.upstream.answer = fresh()
    cache.mutable.fetch(1, cache.remote, f"{URL}?token=secret", lambda name: None, name=URL)
    assert b"one" == cache.body(cache.get())
    assert [f"{URL}?token=secret"] == [each.url for each in cache.upstream.requests]
