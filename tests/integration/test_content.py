"""Distributions over HTTP: versions, files that are fetched when they are wanted, trees that are pulled through."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import async_yield_fixture, ensureDeferred
from sqlalchemy import Connection, text
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.web.resource import Resource
from twisted.web.server import Site

from tests.integration.cold_site import Got
from tests.integration.content_site import Content, Lazy, content, opened
from tests.servers.client import Socket
from tests.servers.reactor import IReactor
from tests.servers.scripted import Scripted, Stall, ok, status
from tests.unit.streamer.attacks import PATHS
from twisted_pulp.catalog import Catalog, artifacts, distributions, remotes, sources, versions
from twisted_pulp.context import Context
from twisted_pulp.streamer import ContentResource

__all__ = ["content"]

BODY = hashlib.shake_256(b"content").digest(200_000)
SHA256 = hashlib.sha256(BODY).hexdigest()


@async_yield_fixture
async def anywhere(reactor: IReactor, context: Context, catalog: Catalog, tmp_path: Path) -> AsyncIterator[Content]:
    """A site that serves nothing yet, once on each database."""
    async for made in opened(reactor, context, catalog, tmp_path):
        yield made


@ensureDeferred
async def test_version(anywhere: Content) -> None:
    """A stored file of a version comes with its type, digest and date; whatever is not there is 404."""
    await anywhere.repository({"a/b c.txt": BODY, "a/empty": b""})
    await anywhere.distribute("some/base", "r")
    got = await anywhere.get("some/base/a/b%20c.txt")
    assert (200, BODY, True) == (got.status, got.body, got.whole)
    assert ("text/plain", "public, no-cache") == (got.headers["content-type"], got.headers["cache-control"])
    assert f'"{hashlib.sha256(BODY).hexdigest()}"' == got.headers["etag"]
    assert "Sun, 13 Sep 2020 12:26:41 GMT" == got.headers["last-modified"]
    assert (200, b"") == ((empty := await anywhere.get("some/base/a/empty")).status, empty.body)
    for missing in ("", "some", "some/", "other/a", "some/base/b", "some/base/a/b%20c.txt/", "some/bases/a/empty"):
        assert 404 == (await anywhere.get(missing)).status


@ensureDeferred
async def test_on_demand(anywhere: Content, scripted: Scripted) -> None:
    """A file that was not downloaded is fetched once, and stored from then on."""
    await anywhere.repository({"f": Lazy(BODY, (scripted.url("/bad"), scripted.url("/f")))})
    await anywhere.distribute("d", "r")
    scripted.on(b"/f", [ok(BODY)])
    for _ in range(3):
        got = await anywhere.get("d/f")
        assert (200, BODY, True) == (got.status, got.body, got.whole)
    assert 1 == len(scripted.asked(b"/f"))
    await anywhere.landed()
    assert {hashlib.sha256(BODY).hexdigest()} == await anywhere.storage.has([hashlib.sha256(BODY).hexdigest()])


@ensureDeferred
async def test_through(anywhere: Content, scripted: Scripted) -> None:
    """Below a Remote the upstream's tree is served; what cannot change is kept, the rest asked for each time."""
    scripted.on(b"/up/pool/a%2Bb.deb", [ok(BODY, [(b"Content-Type", b"application/x-thing")])])
    scripted.on(b"/up/list?x=%20", [ok(b"1"), ok(b"2")])
    await anywhere.distribute("d", remote_id=await anywhere.remote(scripted.url("/up")))
    for _ in range(2):
        got = await anywhere.get("d/pool/a%2Bb.deb")
        assert (200, BODY, "application/x-thing") == (got.status, got.body, got.headers["content-type"])
    assert 1 == len(scripted.requests)
    assert [b"1", b"2"] == [(await anywhere.get("d/list?x=%20")).body for _ in range(2)]
    assert 404 == (await anywhere.get("d/missing")).status


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "get", "X"])
@ensureDeferred
async def test_methods(content: Content, method: str) -> None:
    """Content can be read, and nothing else."""
    await content.repository({"f": BODY})
    await content.distribute("d", "r")
    got = await content.get("d/f", method=method)
    assert (405, "GET, HEAD") == (got.status, got.headers["allow"])


@ensureDeferred
async def test_head(content: Content, scripted: Scripted) -> None:
    """HEAD has the headers of GET, and fetches nothing that it does not need for them."""
    await content.repository({"f": BODY, "cold": Lazy(BODY, (scripted.url("/f"),))})
    await content.distribute("d", "r")
    for path in ("d/f", "d/cold"):
        got = await content.get(path, method="HEAD")
        assert (200, b"", str(len(BODY))) == (got.status, got.body, got.headers["content-length"])
        assert f'"{SHA256}"' == got.headers["etag"]
    assert [] == scripted.requests


@ensureDeferred
async def test_head_through(content: Content, scripted: Scripted) -> None:
    """HEAD of what only the upstream knows is a HEAD upstream."""
    scripted.on(b"/f.deb", [ok(b"")])
    await content.distribute("d", remote_id=await content.remote(scripted.url("/")))
    assert 200 == (await content.get("d/f.deb", method="HEAD")).status
    assert [b"HEAD"] == [request.method for request in scripted.requests]


@ensureDeferred
async def test_latest(content: Content) -> None:
    """A new version is served within a second or so; a distribution of one version keeps that, until it is deleted."""
    await content.repository({"a": b"1", "gone": b"1"})
    await content.distribute("latest", "r")
    await content.distribute("first", "r", number=1)
    for base in ("latest", "first"):
        assert b"1" == (await content.get(f"{base}/a")).body
    await content.repository({"a": b"2"})
    await content.aged()
    assert [b"2", b"1"] == [(await content.get(f"{base}/a")).body for base in ("latest", "first")]
    assert [404, 200] == [(await content.get(f"{base}/gone")).status for base in ("latest", "first")]
    assert "immutable" in (await content.get("first/a")).headers["cache-control"]
    await content.catalog.write(versions.delete, 1, 1)
    await content.aged()
    assert [b"2", 404] == [(await content.get("latest/a")).body, (await content.get("first/a")).status]


@ensureDeferred
async def test_distributions_change(content: Content) -> None:
    """A distribution that is moved, replaced or deleted is so within a second or so."""
    await content.repository({"b/f": b"1"})
    await content.repository({"f": b"2"}, "other")
    await content.distribute("a", "r")
    assert b"1" == (await content.get("a/b/f")).body
    await content.catalog.write(distributions.delete, "a")
    await content.distribute("a/b", "other")
    await content.aged()
    assert b"2" == (await content.get("a/b/f")).body
    await content.catalog.write(_moved, "a/b", "c")
    await content.aged()
    assert [404, 200] == [(await content.get(path)).status for path in ("a/b/f", "c/f")]


def _moved(connection: Connection, name: str, base: str) -> None:
    distributions.update(connection, name, base_path=base)


@ensureDeferred
async def test_both(content: Content, scripted: Scripted) -> None:
    """What a version has comes from there, the rest from the Remote of its distribution."""
    scripted.on(b"/up/other", [ok(b"upstream's")])
    scripted.on(b"/up/mine", [ok(b"not mine")])
    await content.repository({"mine": b"mine", "dir/x": b"x"})
    await content.distribute("d", "r", remote_id=await content.remote(scripted.url("/up/")))
    assert [b"mine", b"upstream's"] == [(await content.get(f"d/{name}")).body for name in ("mine", "other")]
    assert b"./x" in (await content.get("d/dir/")).body
    assert [b"/up/other"] == [request.target for request in scripted.requests]


@ensureDeferred
async def test_directories(content: Content) -> None:
    """Directories are listed, by links that lead to what they have, and found without the slash at their end."""
    names = ["a b/c?d", "a b/é", "a b/<x>", "z", "javascript:x"]
    await content.repository({name: name.encode() for name in names})
    await content.distribute("d", "r")
    top = await content.get("d/")
    assert (200, "text/html; charset=utf-8") == (top.status, top.headers["content-type"])
    assert ["./a%20b/", "./javascript%3Ax", "./z"] == [unescaped.replace(":", "%3A") for unescaped in links(top.body)]
    below = await content.get("d/a%20b/")
    assert ["../", "./%3Cx%3E", "./c%3Fd", "./%C3%A9"] == links(below.body)
    for link in links(below.body)[1:]:
        assert 200 == (await content.get(f"d/a%20b/{link[2:]}")).status
    assert b"<x>" not in below.body
    for path, location in (("d", "./d/"), ("d/a%20b", "./a%20b/"), ("d/a%20b?x=y", "./a%20b/")):
        moved = await content.get(path)
        assert (301, location) == (moved.status, moved.headers["location"])
    assert 404 == (await content.get("d/a/")).status


def links(page: bytes) -> list[str]:
    """Return where the links of *page* lead."""
    return re.findall(r'href="([^"]*)"', page.decode())


@ensureDeferred
async def test_large_directory(content: Content) -> None:
    """A directory of many files has pages, which have each of them once."""
    files = {f"{number:05}": b"" for number in range(2300)}
    await content.repository(files)
    await content.distribute("d", "r")
    found: list[str] = []
    path = "d/"
    while path:
        page = links((await content.get(path)).body)
        more = [link for link in page if "?after=" in link]
        found += [link[2:] for link in page if link not in more]
        assert len(found) <= len(files)
        path = f"d/{more[0][2:]}" if more else ""
    assert sorted(files) == found


@ensureDeferred
async def test_streamed(content: Content, scripted: Scripted) -> None:
    """With the policy streamed nothing is kept."""
    scripted.on(b"/f.deb", [ok(BODY)])
    await content.repository({"g": Lazy(BODY, (scripted.url("/f.deb"),))})
    await content.distribute("one", "r", policy="streamed")
    await content.distribute("two", remote_id=await content.remote(scripted.url("/")), policy="streamed")
    for path in ("one/g", "two/f.deb"):
        for _ in range(2):
            assert BODY == (await content.get(path)).body
    assert 4 == len(scripted.requests)
    assert set() == await content.storage.has([SHA256])
    assert [] == await content.catalog.read(artifacts.each, 0, 10)


@ensureDeferred
async def test_many_clients(content: Content, scripted: Scripted) -> None:
    """However many clients want a cold file, it is fetched once."""
    scripted.on(b"/f", [ok(BODY)])
    await content.repository({"f": Lazy(BODY, (scripted.url("/f"),))})
    await content.distribute("d", "r")
    found = await gatherResults([Deferred.fromCoroutine(content.get("d/f")) for _ in range(20)])
    assert {(200, BODY)} == {(got.status, got.body) for got in found}
    assert 1 == len(scripted.requests)


@ensureDeferred
async def test_stored_elsewhere(content: Content, scripted: Scripted) -> None:
    """A file of which the very bytes are stored already is not fetched."""
    await content.repository({"f": BODY}, "other")
    await content.repository({"g": Lazy(BODY, (scripted.url("/f"),))})
    await content.distribute("d", "r")
    assert BODY == (await content.get("d/g")).body
    assert [] == scripted.requests


@ensureDeferred
async def test_lost(content: Content, scripted: Scripted) -> None:
    """A file whose bytes have vanished from the storage is fetched again, and is there again."""
    scripted.on(b"/f", [ok(BODY)])
    await content.repository({"f": Lazy(BODY, (scripted.url("/f"),))})
    await content.distribute("d", "r")
    for _ in range(3):
        got = await content.get("d/f")
        assert (200, BODY) == (got.status, got.body)
        await content.landed()
        await content.storage.remove([SHA256])
    assert 3 == len(scripted.requests)


@ensureDeferred
async def test_lost_through(content: Content, scripted: Scripted) -> None:
    """The same holds for what was pulled through."""
    scripted.on(b"/f.deb", [ok(BODY)])
    await content.distribute("d", remote_id=await content.remote(scripted.url("/")))
    for _ in range(3):
        got = await content.get("d/f.deb")
        assert (200, BODY) == (got.status, got.body)
        await content.landed()
        await content.storage.remove([SHA256])
    assert 3 == len(scripted.requests)


@ensureDeferred
async def test_lost_for_good(content: Content) -> None:
    """A file that nobody has any more is no 404: it is our fault."""
    await content.repository({"f": BODY})
    await content.distribute("d", "r")
    await content.storage.remove([SHA256])
    got = await content.get("d/f")
    assert 404 != got.status >= 500
    assert b"Traceback" not in got.body


@ensureDeferred
async def test_sources(content: Content, scripted: Scripted) -> None:
    """Which source failed, and which gave the file, is known to the next one who wants something."""
    scripted.on(b"/good", [ok(BODY)])
    scripted.on(b"/wrong", [ok(BODY[:-1] + b"?")])
    urls = tuple(map(scripted.url, ("/bad", "/wrong", "/good")))
    await content.repository({"f": Lazy(BODY, urls)})
    await content.distribute("d", "r")
    assert BODY == (await content.get("d/f")).body
    await content.streamer.close()
    rows = {row.url: row.failure for row in await content.catalog.read(sources.of_file, 1)}
    assert [True, True, False] == [rows[url] is not None for url in urls]


@ensureDeferred
async def test_remotes_of_sources(content: Content, scripted: Scripted) -> None:
    """A source is reached as its Remote says, with the credentials of that, and as it is changed."""
    scripted.on(b"/f", [ok(BODY[:9])])
    scripted.on(b"/g", [ok(BODY[:8])])
    remote = await content.remote(scripted.url("/"), headers={"X-Key": "one"})
    lazy = {"f": Lazy(BODY[:9], (scripted.url("/f"),)), "g": Lazy(BODY[:8], (scripted.url("/g"),))}
    await content.repository(lazy)
    for number, row in ((1, "/f"), (2, "/g")):
        await content.catalog.write(sources.save, [sources.NewSource(number, scripted.url(row), remote)])
    await content.distribute("d", "r")
    assert 200 == (await content.get("d/f")).status
    key = content.catalog.key
    await content.catalog.write(remotes.update, "upstream", 2.0, {"headers": {"X-Key": "two"}}, key=key)
    assert 200 == (await content.get("d/g")).status
    assert [b"one", b"two"] == [dict(request.headers)[b"X-Key"] for request in scripted.requests]


@pytest.mark.parametrize(
    ("asked", "target"),
    [
        ("a%2Fb", b"/up/a%2Fb"),
        ("%7Ea/+b", b"/up/%7Ea/+b"),
        ("a;b=c,d", b"/up/a;b=c,d"),
        ("x?q=%20&r=a+b", b"/up/x?q=%20&r=a+b"),
        ("a%2541", b"/up/a%2541"),
        ("a%E2%82%AC", b"/up/a%E2%82%AC"),
        ("a//b/", b"/up/a//b/"),
        ("", b"/up/"),
    ],
)
@ensureDeferred
async def test_quoting(content: Content, scripted: Scripted, asked: str, target: bytes) -> None:
    """What is asked for upstream is quoted as the client has quoted it."""
    scripted.on(target, [ok(b"there")])
    await content.distribute("d", remote_id=await content.remote(scripted.url("/up")))
    assert b"there" == (await content.get(f"d/{asked}")).body
    assert [target] == [request.target for request in scripted.requests]


@ensureDeferred
async def test_secret_query(content: Content, scripted: Scripted) -> None:
    """The query of a Remote's URL goes with each request, is nowhere in the catalog, and no client overrules it."""
    scripted.on(b"/up/f.deb?token=S3CR3T", [ok(BODY)])
    await content.distribute("d", remote_id=await content.remote(scripted.url("/up/?token=S3CR3T")))
    assert BODY == (await content.get("d/f.deb")).body
    assert 404 == (await content.get("d/f.deb?token=mine")).status
    await content.streamer.close()
    rows = await content.catalog.read(lambda connection: connection.execute(text("SELECT url FROM pulled")).all())
    assert [(scripted.url("/up/f.deb"),)] == [tuple(row) for row in rows]


@ensureDeferred
async def test_rules(content: Content, scripted: Scripted) -> None:
    """A distribution says which files never change; those with a query always may."""
    for path in (b"/a.iso", b"/b.deb"):
        scripted.on(path, [ok(b"1"), ok(b"2")])
    remote = await content.remote(scripted.url("/"))
    await content.distribute("d", remote_id=remote, settings={"immutable": ["*.iso"]})
    assert [b"1", b"1"] == [(await content.get("d/a.iso")).body for _ in range(2)]
    assert [b"1", b"2"] == [(await content.get("d/b.deb")).body for _ in range(2)]
    assert b"2" == (await content.get("d/a.iso?x")).body


@pytest.mark.parametrize(
    ("code", "ours"), [(401, 502), (403, 502), (404, 404), (410, 404), (429, 429), (500, 502), (503, 503), (504, 504)]
)
@ensureDeferred
async def test_upstream_errors(content: Content, scripted: Scripted, code: int, ours: int) -> None:
    """404 is what the upstream says; when it fails it is its fault, and of its words nothing is passed on."""
    scripted.on(b"/f", [status(code, [(b"Set-Cookie", b"S3CR3T"), (b"Retry-After", b"7")], b"S3CR3T")])
    await content.distribute("d", remote_id=await content.remote(scripted.url("/")))
    got = await content.get("d/f")
    assert ours == got.status
    assert "S3CR3T" not in f"{got.headers}{got.body!r}"
    assert ("7" if ours in (429, 503) else None) == got.headers.get("retry-after")


@ensureDeferred
async def test_cached(content: Content, scripted: Scripted) -> None:
    """What may change is kept while it is fresh, and the client is told so; with the policy streamed it is not."""
    scripted.on(b"/index", [ok(b"1", [(b"Cache-Control", b"max-age=60")])])
    remote = await content.remote(scripted.url("/"))
    await content.distribute("d", remote_id=remote)
    await content.distribute("e", remote_id=remote, policy="streamed")
    found = [await content.get("d/index") for _ in range(3)]
    assert [b"1"] * 3 == [got.body for got in found]
    assert "hit" in found[2].headers["cache-status"]
    assert 1 == len(scripted.requests)
    assert [b"1"] * 2 == [(await content.get("e/index")).body for _ in range(2)]
    assert 3 == len(scripted.requests)


@ensureDeferred
async def test_unkeyed(content: Content, scripted: Scripted) -> None:
    """Nothing of a client's headers goes upstream, or has a say in what is kept."""
    scripted.on(b"/f.deb", [ok(BODY)])
    await content.distribute("d", remote_id=await content.remote(scripted.url("/")))
    names = ("X-Forwarded-Host", "X-Forwarded-For", "X-Original-URL", "Authorization", "Cookie", "Accept-Language", "X")
    headers = [f"{name}: evil" for name in names]
    assert BODY == (await content.get("d/f.deb", *headers)).body
    assert BODY == (await content.get("d/f.deb")).body
    (request,) = scripted.requests
    assert not any(b"evil" in value for _, value in request.headers)


@ensureDeferred
async def test_attacks(content: Content, scripted: Scripted) -> None:
    """No encoding of a path reaches a file, or anything above a Remote's URL; none is an error of ours."""
    await content.repository({"f": b"f"})
    await content.distribute("repository", "r")
    await content.distribute("remote", remote_id=await content.remote(scripted.url("/up/")))
    attacks = [each for each in PATHS if b"?" not in each]
    assert 60 <= len(attacks)
    for base in (b"", b"repository/", b"remote/", b"repository/f/", b"remote/a/"):
        for path in attacks:
            line = b"GET /content/%s%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % (base, path)
            answer = await content.raw(line)
            assert answer[9:12] in (b"400", b"404"), line
            assert b"root:" not in answer
    assert [] == scripted.requests


@ensureDeferred
async def test_any_site(content: Content) -> None:
    """Three lines put it into any Twisted site, at the root as well as deep inside."""
    await content.repository({"f": BODY})
    await content.distribute("d/e", "r")
    deep: Any = Resource()
    deep.putChild(b"inside", ContentResource(content.streamer))
    root: Any = Resource()
    root.putChild(b"deep", deep)
    for resource, path in ((root, "deep/inside/"), (ContentResource(content.streamer), "")):
        listening = content.reactor.listenTCP(0, Site(resource), interface="127.0.0.1")
        client = await Socket.to(content.reactor, listening.getHost().port)
        client.get(f"/{path}d/e/f", "Connection: close")
        assert BODY == Got.of(await client.heard_all()).body
        await listening.stopListening()


@ensureDeferred
async def test_closed(content: Content, scripted: Scripted) -> None:
    """When the streamer is closed, those who wait are cut off or told so, and nothing is left."""
    scripted.on(b"/f", [(*ok(BODY)[:1], Stall())])
    await content.repository({"f": Lazy(BODY, (scripted.url("/f"),))})
    await content.distribute("d", "r")
    client = await content.client("d/f")
    while not scripted.requests:
        await deferLater(content.reactor, 0.01)
    await content.streamer.close()
    assert not Got.of(await client.heard_all()).whole or Got.of(bytes(client.received)).status == 503
    assert 503 == (await content.get("d/f")).status
