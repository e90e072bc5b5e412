"""Distributions over HTTP: versions, files that are fetched when they are wanted, trees that are pulled through."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

from pytest_twisted import async_yield_fixture, ensureDeferred

from tests.integration.content_site import Content, Lazy, content, opened
from tests.servers.reactor import IReactor
from tests.servers.scripted import Scripted, ok
from twisted_pulp.catalog import Catalog
from twisted_pulp.context import Context

__all__ = ["content"]

BODY = hashlib.shake_256(b"content").digest(200_000)


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
