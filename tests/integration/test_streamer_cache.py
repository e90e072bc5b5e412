"""Indexes of a pulled-through tree over real connections: kept, asked about, given out when the upstream fails."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import async_yield_fixture, ensureDeferred
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from tests.integration.cold_site import Got
from tests.integration.content_site import Content, content, opened
from tests.servers.answers import head
from tests.servers.reactor import IReactor
from tests.servers.scripted import Request, Reset, Scripted, Send, Stall, Steps, Wait, chunked, cut, ok, status
from twisted_pulp.catalog import Catalog, artifacts, cached
from twisted_pulp.context import Context
from twisted_pulp.streamer._mutable import Mutable
from twisted_pulp.upkeep import Cleanup

__all__ = ["content"]

BODY = hashlib.shake_256(b"index").digest(300_000)
SHA256 = hashlib.sha256(BODY).hexdigest()
FRESH = [(b"Cache-Control", b"max-age=600"), (b"ETag", b'"v1"')]
STALE = [*FRESH, (b"Age", b"601")]


@async_yield_fixture
async def anywhere(reactor: IReactor, context: Context, catalog: Catalog, tmp_path: Path) -> AsyncIterator[Content]:
    """A site that serves nothing yet, once on each database."""
    async for made in opened(reactor, context, catalog, tmp_path):
        yield made


async def through(site: Content, scripted: Scripted, **fields: Any) -> int:
    """Serve the scripted server below /d/, and return the number of its Remote."""
    number = await site.remote(scripted.url("/up/"))
    await site.distribute("d", remote_id=number, **fields)
    return number


def headers_of(request: Request) -> dict[str, str]:
    """Return the headers of a request that came upstream."""
    return {name.decode().lower(): value.decode("latin-1") for name, value in request.headers}


def given(got: Got) -> tuple[int, bytes, bool]:
    """Return what a client has of an answer."""
    return got.status, got.body, got.whole


@ensureDeferred
async def test_fresh(anywhere: Content, scripted: Scripted) -> None:
    """While it is fresh a file comes from here, whole, in parts, or not at all where the client has it already."""
    await through(anywhere, scripted)
    scripted.on(b"/up/Packages", [ok(BODY, [*FRESH, (b"Set-Cookie", b"id=1"), (b"Content-Type", b"text/x-deb")])])
    got = await anywhere.get("d/Packages")
    assert (200, BODY, True) == given(got)
    assert got.headers["cache-status"].startswith("twisted_pulp; fwd=uri-miss; fwd-status=200; stored; ttl=")
    assert ("max-age=600", "text/x-deb", f'"{SHA256}"') == (
        got.headers["cache-control"],
        got.headers["content-type"],
        got.headers["etag"],
    )
    assert "set-cookie" not in got.headers
    for _ in range(5):
        got = await anywhere.get("d/Packages")
        assert (200, BODY, True) == given(got)
        assert got.headers["cache-status"].startswith("twisted_pulp; hit; ttl=")
        assert int(got.headers["age"]) < 600
    part = await anywhere.get("d/Packages", "Range: bytes=5-9, -1")
    assert 206 == part.status
    assert (206, BODY[5:10], True) == given(await anywhere.get("d/Packages", "Range: bytes=5-9"))
    assert 416 == (await anywhere.get("d/Packages", "Range: bytes=300000-")).status
    assert 304 == (await anywhere.get("d/Packages", f'If-None-Match: "{SHA256}"')).status
    told = await anywhere.get("d/Packages", method="HEAD")
    assert (200, "300000") == (told.status, told.headers["content-length"])
    assert 1 == len(scripted.requests)


@ensureDeferred
async def test_revalidated(anywhere: Content, scripted: Scripted) -> None:
    """What is stale is asked about, by its validator; what the upstream says about it is kept."""
    await through(anywhere, scripted)
    scripted.on(b"/up/Packages", [ok(BODY, STALE), status(304, FRESH), ok(b"other")])
    first, second, third = [await anywhere.get("d/Packages") for _ in range(3)]
    assert [(200, BODY, True)] * 3 == [given(first), given(second), given(third)]
    assert "fwd=stale; fwd-status=304; stored" in second.headers["cache-status"]
    assert "hit" in third.headers["cache-status"]
    asked = [headers_of(each).get("if-none-match") for each in scripted.requests]
    assert [None, '"v1"'] == asked


@ensureDeferred
async def test_restarted(anywhere: Content, scripted: Scripted) -> None:
    """What is kept outlives the process, and cleanups; a body that was lost is fetched again."""
    await through(anywhere, scripted)
    scripted.on(b"/up/Packages", [ok(BODY, FRESH)])
    await anywhere.get("d/Packages")
    cleanup = Cleanup(anywhere.catalog, anywhere.storage, grace=-10.0)
    assert 0 == (await cleanup.run()).bytes
    await anywhere.streamer.mutable.close()
    anywhere.streamer.mutable = Mutable(anywhere.context, anywhere.catalog, anywhere.storage)
    assert (200, BODY, True) == given(await anywhere.get("d/Packages"))
    assert 1 == len(scripted.requests)
    await anywhere.storage.remove([SHA256])
    assert (200, BODY, True) == given(await anywhere.get("d/Packages"))
    assert 2 == len(scripted.requests)


@ensureDeferred
async def test_together(content: Content, scripted: Scripted) -> None:
    """Fifty clients at once are one request upstream, and each gets all of it."""
    await through(content, scripted)
    scripted.on(b"/up/Packages", [(Wait(0.3), *ok(BODY, FRESH))])
    got = await gatherResults([Deferred.fromCoroutine(content.get("d/Packages")) for _ in range(50)])
    assert [(200, BODY, True)] * 50 == [given(each) for each in got]
    assert 1 == len(scripted.requests)


@ensureDeferred
async def test_flapping(anywhere: Content, scripted: Scripted) -> None:
    """While an upstream comes and goes it is asked once in 30 s, and clients get what is stale, or an error at once."""
    await through(anywhere, scripted)
    scripted.on(b"/up/Packages", [ok(BODY, STALE), status(503), ok(b"other", FRESH)])
    assert (200, BODY, True) == given(await anywhere.get("d/Packages"))
    scripted.requests.clear()
    for number in range(20):
        got = await anywhere.get("d/Packages")
        assert (200, BODY, True) == given(got)
        assert "detail=stale-if-error" in got.headers["cache-status"]
        other = await anywhere.get(f"d/other/{number}")
        assert (503, "no-store") == (other.status, other.headers["cache-control"])
    assert 1 == len(scripted.requests)


@pytest.mark.parametrize("how", ["reset", "refused", "cut", "half"])
@ensureDeferred
async def test_stale_if_error(content: Content, scripted: Scripted, how: str) -> None:
    """Whatever way an upstream fails in, clients get what is stale, and whole."""
    await through(content, scripted)
    failures: dict[str, list[Any]] = {
        "reset": [(Reset(),)],
        "refused": [(Reset(),)],
        "cut": [cut(ok(b"new" * 100_000, FRESH), 1000)],
        "half": [(Send(b"HTTP/1.1 200 OK\r\nContent-Le"), Reset())],
    }
    scripted.on(b"/up/Packages", [ok(BODY, STALE), *failures[how]])
    assert (200, BODY, True) == given(await content.get("d/Packages"))
    if how == "refused":
        await scripted.close()
    for _ in range(3):
        assert (200, BODY, True) == given(await content.get("d/Packages"))


@ensureDeferred
async def test_cut(content: Content, scripted: Scripted) -> None:
    """A body that is cut short is tried again, and never kept."""
    await through(content, scripted)
    whole = ok(BODY, FRESH)
    scripted.on(b"/up/a", [cut(whole, 1000), whole])
    assert (200, BODY, True) == given(await content.get("d/a"))
    scripted.on(b"/up/b", [cut(chunked(b"b" * 5000, headers=FRESH), 2000)])
    assert 502 == (await content.get("d/b")).status
    stored = [sha256 async for sha256, _, _ in content.storage.each()]
    assert [SHA256] == stored
    assert (1, len(BODY)) == await content.catalog.read(cached.total)


@pytest.mark.parametrize("code", [404, 410])
@ensureDeferred
async def test_missing(content: Content, scripted: Scripted, code: int) -> None:
    """What is not there is asked for once, and 404."""
    await through(content, scripted)
    scripted.on(b"/up/none", [status(code, FRESH, b"<h1>secret</h1>")])
    for _ in range(5):
        got = await content.get("d/none")
        assert 404 == got.status
        assert b"secret" not in got.body
    assert 1 == len(scripted.requests)


@pytest.mark.parametrize("control", [b"no-store", b"private, max-age=600"])
@ensureDeferred
async def test_unkept(content: Content, scripted: Scripted, control: bytes) -> None:
    """What must not be kept is passed on to each client, and nothing of it stays."""
    await through(content, scripted)
    scripted.on(b"/up/own", [ok(b"%d" % number, [(b"Cache-Control", control)]) for number in range(10)])
    bodies = [(await content.get("d/own")).body for _ in range(3)]
    assert [b"1", b"2", b"3"] == bodies, "the first request has only found out that it must not be kept"
    assert (0, 0) == await content.catalog.read(cached.total)


@ensureDeferred
async def test_streamed(content: Content, scripted: Scripted) -> None:
    """Where nothing is ever kept, nothing is cached."""
    await through(content, scripted, policy="streamed")
    scripted.on(b"/up/Packages", [ok(b"1", FRESH), ok(b"2", FRESH)])
    assert [b"1", b"2"] == [(await content.get("d/Packages")).body for _ in range(2)]
    assert (0, 0) == await content.catalog.read(cached.total)
    assert [] == await content.catalog.read(artifacts.each, 0, 10)


@ensureDeferred
async def test_settings(content: Content, scripted: Scripted) -> None:
    """A Distribution says which files never change, and how long the others are kept."""
    cache = {"max_age": 600, "overrides": {"live/*": {"max_age": 0}}}
    await through(content, scripted, settings={"cache": cache, "immutable": ["*.iso"]})
    stale = [(b"Cache-Control", b"no-cache, max-age=0")]
    for name in (b"index", b"live/index", b"x.iso"):
        scripted.on(b"/up/" + name, [ok(b"1", stale), ok(b"2", stale)])
    for path, bodies in (("index", [b"1", b"1"]), ("live/index", [b"1", b"2"]), ("x.iso", [b"1", b"1"])):
        assert bodies == [(await content.get(f"d/{path}")).body for _ in range(2)]
    assert "public, max-age=600" == (await content.get("d/index")).headers["cache-control"]


JSON, HTML = "application/vnd.pypi.simple.v1+json", "application/vnd.pypi.simple.v1+html"


@ensureDeferred
async def test_negotiated(anywhere: Content, scripted: Scripted) -> None:
    """Each form of an index is kept by itself; whoever wishes for nothing gets what everybody gets."""

    def answer(request: Request) -> Steps:
        accept = headers_of(request)["accept"]
        kind = next((each for each in (JSON, HTML) if accept.startswith(each)), "text/html")
        vary = (b"Vary", b"Accept, Accept-Encoding")
        return ok(kind.encode(), [*FRESH, (b"Content-Type", kind.encode()), vary])

    await through(anywhere, scripted)
    scripted.default = answer
    wishes = {f"{JSON}, {HTML};q=0.1, text/html;q=0.01": JSON, HTML: HTML, "text/html": "text/html", "*/*": "text/html"}
    for _ in range(2):
        for accept, kind in wishes.items():
            got = await anywhere.get("d/simple/pip/", f"Accept: {accept}")
            assert (200, kind, kind.encode()) == (got.status, got.headers["content-type"], got.body)
            assert "Accept, Accept-Encoding" == got.headers["vary"]
    assert 3 == len(scripted.requests)


POISON = (
    "X-Forwarded-Host: evil.test",
    "X-Forwarded-Scheme: nothttps",
    "X-Original-URL: /admin",
    "X-Rewrite-URL: /admin",
    "X-HTTP-Method-Override: POST",
    "Forwarded: host=evil.test",
    "Cookie: session=1",
    "Authorization: Basic ZXZpbDpldmls",
    "User-Agent: evil/1.0",
    "Accept-Language: tlh",
    "Accept-Encoding: gzip, br",
    "Cache-Control: no-cache, no-store",
    "Pragma: no-cache",
    'If-None-Match: W/"x"',
    "If-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT",
    "Range: bytes=100000000-",
    "Origin: http://evil.test",
)


@ensureDeferred
async def test_poison(content: Content, scripted: Scripted) -> None:
    """Of a client's headers nothing reaches the upstream, or other clients."""
    await through(content, scripted)
    scripted.default = lambda request: ok(b"".join(b"%b: %b\n" % each for each in request.headers), FRESH)
    plain = (await content.get("d/plain")).body
    await content.get("d/poisoned", *POISON)
    assert plain == (await content.get("d/poisoned")).body
    for name in (b"evil", b"admin", b"session", b"tlh", b"gzip", b"100000000", b"no-cache"):
        assert name not in plain
    assert 2 == len(scripted.requests)
    assert {b"GET"} == {each.method for each in scripted.requests}


@ensureDeferred
async def test_evicted(content: Content, scripted: Scripted) -> None:
    """However many files are asked for, only so many are kept."""
    await through(content, scripted)
    mutable = content.streamer.mutable
    content.streamer.mutable = Mutable(content.context, content.catalog, content.storage, most=10, capacity=5000)
    scripted.default = lambda request: ok(request.target * 50, FRESH)
    for number in range(30):
        body = f"/up/{number}".encode() * 50
        assert (200, body, True) == given(await content.get(f"d/{number}"))
        count, size = await content.catalog.read(cached.total)
        assert count <= 11, "there is room again once the client has its answer"
        assert size <= 5500
    assert 30 == len(scripted.requests)
    await content.streamer.mutable.close()
    count, size = await content.catalog.read(cached.total)
    assert 5 < count <= 10
    assert size <= 5000
    await mutable.close()


@ensureDeferred
async def test_closed(content: Content, scripted: Scripted) -> None:
    """A request upstream that never ends is broken off at the end, and nothing of it stays."""
    await through(content, scripted)
    scripted.on(b"/up/never", [(Send(head(200, [*FRESH, (b"Content-Length", b"9")]) + b"half"), Stall())])
    client = await content.client("d/never")
    while not scripted.requests:
        await deferLater(content.reactor, 0.01)
    await content.streamer.close()
    assert 503 == Got.of(await client.heard_all()).status
    assert (0, 0) == await content.catalog.read(cached.total)
