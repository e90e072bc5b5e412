"""Pages of simple indexes on their way through a Distribution: over sockets, from a scripted upstream."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import async_yield_fixture, ensureDeferred

from tests.integration.content_site import Content, content, opened
from tests.servers.reactor import IReactor
from tests.servers.scripted import Scripted, ok, status
from twisted_pulp.catalog import Catalog
from twisted_pulp.context import Context

__all__ = ["content"]

BODY = hashlib.shake_256(b"wheel").digest(30_000)
SHA256 = hashlib.sha256(BODY).hexdigest()
HTML = (b"Content-Type", b"text/html")
FRESH = (b"Cache-Control", b"max-age=600")


def page(*links: str) -> bytes:
    """Return a page with links."""
    return "".join(f'<a href="{each}">x</a>\n' for each in links).encode()


def html(*links: str, headers: tuple[tuple[bytes, bytes], ...] = (HTML, FRESH)) -> Any:
    """Return the answer with a page."""
    return ok(page(*links), list(headers))


@async_yield_fixture
async def anywhere(reactor: IReactor, context: Context, catalog: Catalog, tmp_path: Path) -> AsyncIterator[Content]:
    """A site that serves nothing yet, once on each database."""
    async for made in opened(reactor, context, catalog, tmp_path):
        yield made


@ensureDeferred
async def test_remembered(
    reactor: IReactor, context: Context, catalog: Catalog, scripted: Scripted, tmp_path: Path
) -> None:
    """What pages have named is known after a restart, on both databases."""
    scripted.on(b"/simple/a/", [html(f"/files/a.tar.gz#sha256={SHA256}", scripted.url("/else/b.tar.gz"))])
    scripted.on(b"/files/a.tar.gz", [ok(BODY)])
    async for first in opened(reactor, context, catalog, tmp_path):
        await first.distribute("d", remote_id=await first.remote(scripted.url("/simple/")))
        got = await first.get("d/a/")
        assert (
            page(
                f"../+files/http/127.0.0.1:{scripted.port}/files/a.tar.gz#sha256={SHA256}",
                f"../+files/http/127.0.0.1:{scripted.port}/else/b.tar.gz",
            )
            == got.body
        )
    async for again in opened(reactor, context, catalog, tmp_path):
        for _ in range(2):
            got = await again.get(f"d/+files/http/127.0.0.1:{scripted.port}/files/a.tar.gz")
            assert (200, BODY, f'"{SHA256}"') == (got.status, got.body, got.headers["etag"])
            assert "immutable" in got.headers["cache-control"]
        assert 404 == (await again.get(f"d/+files/http/127.0.0.1:{scripted.port}/files/b.tar.gz")).status
    assert [1, 1, 0] == [len(scripted.asked(each)) for each in (b"/simple/a/", b"/files/a.tar.gz", b"/files/b.tar.gz")]


@ensureDeferred
async def test_stored_already(anywhere: Content, scripted: Scripted) -> None:
    """A file that is stored, as a page's digest shows, is not fetched, wherever it came from."""
    await anywhere.repository({"whatever": BODY})
    scripted.on(b"/simple/a/", [html(f"/files/a.tar.gz#sha256={SHA256}")])
    await anywhere.distribute("d", remote_id=await anywhere.remote(scripted.url("/")))
    await anywhere.get("d/simple/a/")
    got = await anywhere.get("d/files/a.tar.gz")
    assert (200, BODY) == (got.status, got.body)
    assert 1 == len(scripted.requests)


@ensureDeferred
async def test_wrong_digest(content: Content, scripted: Scripted) -> None:
    """Below the Remote, too, a file is what the page says, or is not served."""
    scripted.on(b"/simple/a/", [html(f"/files/a.tar.gz#sha256={SHA256}")])
    scripted.on(b"/files/a.tar.gz", [ok(BODY[:-1] + b"x")])
    await content.distribute("d", remote_id=await content.remote(scripted.url("/")))
    await content.get("d/simple/a/")
    assert 502 == (await content.get("d/files/a.tar.gz")).status


@ensureDeferred
async def test_redirected(content: Content, scripted: Scripted) -> None:
    """Links of a page begin where it was in the end, from the cache as well; a query of that place stays secret."""
    moved = status(301, [(b"Location", b"/other/deep/a/?token=S3CR3T")], b"")
    scripted.on(b"/simple/a/", [moved])
    scripted.on(b"/other/deep/a/?token=S3CR3T", [html(f"../a.whl#sha256={SHA256}", "#x")])
    await content.distribute("d", remote_id=await content.remote(scripted.url("/")))
    expected = page(f"../../other/deep/a.whl#sha256={SHA256}", "../../other/deep/a/#x")
    assert [expected] * 2 == [(await content.get("d/simple/a/")).body for _ in range(2)]
    assert 1 == len(scripted.asked(b"/simple/a/"))


@ensureDeferred
async def test_revalidated(content: Content, scripted: Scripted) -> None:
    """A page that was found to be right still (304) is the one that was rewritten."""
    headers = (HTML, (b"ETag", b'"1"'), (b"Cache-Control", b"no-cache"))
    scripted.on(b"/simple/a/", [html("/x", headers=headers), status(304, [(b"ETag", b'"1"')], b"")])
    await content.distribute("d", remote_id=await content.remote(scripted.url("/")))
    assert [page("../../x")] * 2 == [(await content.get("d/simple/a/")).body for _ in range(2)]
    headers = dict(scripted.asked(b"/simple/a/")[1].headers)
    assert b'"1"' == headers[b"If-None-Match"]


@pytest.mark.parametrize("control", [b"max-age=600", b"no-store"])
@ensureDeferred
async def test_packed(content: Content, scripted: Scripted, control: bytes) -> None:
    """A page that came packed, although nobody asked for that, is passed on as it is."""
    body = b"\x1f\x8b" + page("/x")
    headers = [HTML, (b"Content-Encoding", b"gzip"), (b"Cache-Control", control)]
    scripted.on(b"/simple/a/", [ok(body, headers)])
    await content.distribute("d", remote_id=await content.remote(scripted.url("/")))
    got = await content.get("d/simple/a/")
    assert (body, "gzip") == (got.body, got.headers["content-encoding"])


@ensureDeferred
async def test_other_pages(content: Content, scripted: Scripted) -> None:
    """Pages that are none of an index stay as they are, kept or not."""
    body = page("/x", "https://elsewhere.example/y.tar.gz")
    scripted.on(b"/a/", [ok(body, [HTML, FRESH])])
    for path in (b"/b/", b"/c"):
        scripted.on(path, [ok(body, [HTML, (b"Cache-Control", b"no-store")])])
    await content.distribute("d", remote_id=await content.remote(scripted.url("/")))
    for path in ("d/a/", "d/b/", "d/c"):
        assert (200, body) == ((got := await content.get(path)).status, got.body)


@ensureDeferred
async def test_crowd(content: Content, scripted: Scripted) -> None:
    """Many who want a page at once get one that was rewritten once."""
    from twisted.internet.defer import Deferred, gatherResults

    links = [f"/files/{number}.whl#sha256={SHA256}" for number in range(2000)]
    scripted.on(b"/simple/a/", [html(*links)])
    await content.distribute("d", remote_id=await content.remote(scripted.url("/")))
    got = await gatherResults([Deferred.fromCoroutine(content.get("d/simple/a/")) for _ in range(20)])
    assert {page(*(f"../..{each}" for each in links))} == {each.body for each in got}
    assert 1 == len(scripted.asked(b"/simple/a/"))
