"""Pages that are rewritten, without a site: what is kept of them, and what goes wrong."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from attrs import define, field
from pytest_twisted import async_yield_fixture, ensureDeferred
from twisted.internet.defer import Deferred, gatherResults
from zope.interface import implementer

from twisted_pulp.context import Context
from twisted_pulp.download import Source
from twisted_pulp.errors import Cancelled, CatalogError, MetadataError, TooLarge
from twisted_pulp.settings import Remote
from twisted_pulp.storage import MemoryStorage
from twisted_pulp.streamer import Filters, IBodyFilter, LinkedPage
from twisted_pulp.streamer._cached import Cached
from twisted_pulp.streamer._entity import Entity
from twisted_pulp.streamer._filters import LARGEST
from twisted_pulp.streamer._found import Through
from twisted_pulp.streamer._links import Link
from twisted_pulp.streamer._rewriting import Rewriting
from twisted_pulp.streamer._upstream import Place
from twisted_pulp.streamer._wanted import Wanted

URL = "http://upstream.example/"


@implementer(IBodyFilter)
class Lines:
    """Has a link in each line."""

    types = ("text/x-list",)

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    def filtered(self, body: bytes, kind: str, page: LinkedPage) -> bytes | None:
        self.seen.append(body)
        if body.startswith(b"wrong"):
            raise MetadataError(page.url, detail="this must not be served")
        if body.startswith(b"same"):
            return None
        return "".join(f"{page.here(line)}\n" for line in body.decode().splitlines()).encode()


@define(eq=False)
class Rewritten:
    """Pages, a filter that sees them, and what is learned from them."""

    rewriting: Rewriting
    filter: Lines
    storage: MemoryStorage
    learned: list[tuple[int, list[str]]] = field(factory=list)
    fails: bool = False

    async def learn(self, remote_id: int, links: Iterable[Link]) -> None:
        """Take note of what a page names, if that is possible."""
        if self.fails:
            raise CatalogError("the catalog is not there")
        self.learned.append((remote_id, [link.url for link in links]))

    async def get(self, body: bytes, name: str = "a/list", kind: str = "text/x-list", remote: str = URL) -> bytes:
        """Return what is sent for a page."""
        entity = Entity(size=len(body), sha256=self.storage.keep(body), type=kind)
        wanted = Wanted(sources=(Source(URL + name),), remote=Remote(url=remote))
        found = Through(7, Place(URL + name, URL + name), name, name, immutable=False, wanted=wanted)
        made = await self.rewriting.rewritten(found, Cached(entity, ""))
        if made is None:
            return body
        assert made.sha256 is not None
        sent = await self.rewriting.pages.read(made.sha256)
        assert (made.size, made.sha256) == (len(sent), hashlib.sha256(sent).hexdigest())
        return sent


@async_yield_fixture
async def pages(context: Context) -> AsyncIterator[Rewritten]:
    """Pages, of which 130 bytes are kept."""
    lines, storage, made = Lines(), MemoryStorage(), []  # type: Lines, MemoryStorage, list[Rewritten]

    async def learn(remote_id: int, links: Iterable[Link]) -> None:
        await made[0].learn(remote_id, links)

    rewriting = Rewriting(context, storage, Filters([lines]), learn, memory=130)
    made.append(Rewritten(rewriting, lines, storage))
    yield made[0]
    await rewriting.close()
    await storage.close()


@ensureDeferred
async def test_once(pages: Rewritten) -> None:
    """A page is rewritten once, and what it names is learned once, before it is sent."""
    for _ in range(3):
        assert b"../+files/http/other.example/x\n" == await pages.get(b"http://other.example/x\n")
    assert 1 == len(pages.filter.seen)
    assert [(7, ["http://other.example/x"])] == pages.learned


@ensureDeferred
async def test_together(pages: Rewritten) -> None:
    """Those who want a page while it is being rewritten wait for that."""
    got = await gatherResults([Deferred.fromCoroutine(pages.get(b"/x\n")) for _ in range(5)])
    assert [b"../x\n"] * 5 == got
    assert 1 == len(pages.filter.seen)


@ensureDeferred
async def test_places(pages: Rewritten) -> None:
    """The same bytes at another place have other links."""
    assert b"../x\n" == await pages.get(b"/x\n")
    assert b"../../x\n" == await pages.get(b"/x\n", "a/b/list")


@ensureDeferred
async def test_same(pages: Rewritten) -> None:
    """A page that stays what it is is not looked at again."""
    for _ in range(2):
        assert b"same" == await pages.get(b"same")
    assert [b"same"] == pages.filter.seen


@pytest.mark.parametrize(("kind", "remote"), [("text/plain", URL), ("text/x-list", "file:///srv/")])
@ensureDeferred
async def test_not_looked_at(pages: Rewritten, kind: str, remote: str) -> None:
    """Pages of other types, and of what is not reached by HTTP, are sent as they are."""
    assert b"/x\n" == await pages.get(b"/x\n", kind=kind, remote=remote)
    assert [] == pages.filter.seen


@ensureDeferred
async def test_memory(pages: Rewritten) -> None:
    """Pages that nobody asked for longest go when there is no room for them; they are made again."""
    a, b, c = (f"/{letter * 54}\n".encode() for letter in "abc")
    for number, body in enumerate((a, b, a, c, a, b), 1):
        assert b".." + body == await pages.get(body)
        assert min(number, 2) * 58 == pages.rewriting.held
    assert [a, b, c, b] == pages.filter.seen


@ensureDeferred
async def test_larger_than_memory(pages: Rewritten) -> None:
    """A page that is larger than all that is to be kept is kept alone."""
    body = b"/" + b"x" * 1000 + b"\n"
    assert b"../y\n" == await pages.get(b"/y\n")
    for _ in range(2):
        assert b".." + body == await pages.get(body)
    assert 2 == len(pages.filter.seen)


@ensureDeferred
async def test_too_large(pages: Rewritten) -> None:
    """A page that is too large to be looked at is not served: its links would lead elsewhere."""
    entity = Entity(size=LARGEST + 1, sha256="a" * 64, type="text/x-list")
    wanted = Wanted(sources=(Source(f"{URL}a"),), remote=Remote(url=URL))
    found = Through(7, Place(f"{URL}a", f"{URL}a"), "a", "a", immutable=False, wanted=wanted)
    with pytest.raises(TooLarge):
        await pages.rewriting.rewritten(found, Cached(entity, ""))


@ensureDeferred
async def test_refused(pages: Rewritten) -> None:
    """A page that its filter refuses is not served."""
    with pytest.raises(MetadataError, match="must not be served"):
        await pages.get(b"wrong")


@ensureDeferred
async def test_not_learned(pages: Rewritten) -> None:
    """As long as it cannot be noted what a page names, the page is not served; later it is."""
    pages.fails = True
    with pytest.raises(CatalogError):
        await pages.get(b"http://other.example/x\n")
    pages.fails = False
    assert b"../+files/http/other.example/x\n" == await pages.get(b"http://other.example/x\n")


@ensureDeferred
async def test_closed(pages: Rewritten) -> None:
    """What is being rewritten at the end is finished; nothing else begins."""
    got: Any = Deferred.fromCoroutine(pages.get(b"same"))
    await pages.rewriting.close()
    assert b"same" == await got
    with pytest.raises(Cancelled):
        await pages.get(b"/x\n")
