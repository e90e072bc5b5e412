"""Pages whose links are made to stay on the Distribution, and kept in memory for those who ask again."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Hashable, Iterable
from functools import partial
from typing import Any

from attrs import evolve, frozen
from twisted.internet.defer import Deferred

from twisted_pulp.download import Download, Source
from twisted_pulp.errors import Cancelled, HookError, PulpError, TooLarge
from twisted_pulp.interfaces import Head, IStorage
from twisted_pulp.storage import MemoryStorage
from twisted_pulp.streamer._cached import Cached
from twisted_pulp.streamer._conditions import Lookup
from twisted_pulp.streamer._entity import Entity
from twisted_pulp.streamer._fields import forwarded
from twisted_pulp.streamer._filters import LARGEST, Filters
from twisted_pulp.streamer._found import Through
from twisted_pulp.streamer._linked_page import LinkedPage
from twisted_pulp.streamer._links import Link
from twisted_pulp.streamer._moment import Moment
from twisted_pulp.streamer._negotiated import accept_of, negotiated
from twisted_pulp.streamer._recent import Recent
from twisted_pulp.threads import WriterThreads, outlasting
from twisted_pulp.transfer import Hooks

__all__ = ["Rewriting"]

# Pages whose rewritten form is known, and bytes of those that are in memory.
_MOST, _MEMORY = 10_000, 32 << 20
# Seconds of Retry-After that a client is kept waiting for.
_PATIENCE = 5.0
_DAY = 86400.0

Learn = Callable[[int, Iterable[Link]], Awaitable[None]]


@frozen
class _Rewritten:
    sha256: str
    size: int


# A page that stays what it is.
_SAME = _Rewritten("", 0)


class _Plain(HookError):
    """The page is of no type that has a filter."""


class Rewriting:
    """
    Have the pages of upstreams rewritten by filters.

    :param context: what all downloads share.
    :param storage: has the pages as they came.
    :param filters: what is done to which.
    :param learn: is told which files the pages of a Remote name.
    :param memory: bytes of rewritten pages that are kept, those that were wanted last; default 32 MiB. One that is
        larger is kept alone.
    :ivar pages: the rewritten pages.
    :ivar held: their bytes.
    """

    def __init__(
        self, context: Any, storage: IStorage, filters: Filters, learn: Learn, *, memory: int = _MEMORY
    ) -> None:
        self._context, self._storage, self._filters, self._learn = context, storage, filters, learn
        self._memory, self.held = memory, 0
        self.pages = MemoryStorage(context.now)
        self._known: Recent[Hashable, _Rewritten] = Recent(_MOST)
        self._sizes: dict[str, int] = {}
        self._running: dict[Hashable, Moment[_Rewritten]] = {}
        # Of their own: a large page takes seconds, for which no download should wait.
        self._threads = WriterThreads(context.reactor, 1)
        self._in_thread = self._threads.lane()
        self._closed = False

    def __repr__(self) -> str:
        return f"<Rewriting {len(self._running)} now, {self.held} bytes kept>"

    async def rewritten(self, found: Through, got: Cached) -> Entity | None:
        """
        Return what is to be sent for a page that is stored: it is in `pages`. None if it stays what it is.

        :raises PulpError: when the page must not be served.
        """
        kind, size = got.entity.type, got.entity.size or 0
        if self._filters.of(kind) is None or _coded(got.entity.fields):
            return None
        if size > LARGEST:
            raise TooLarge(found.place.name, LARGEST)
        page = _page(found, got.url)
        if page is None:
            return None
        sha256 = got.entity.sha256
        assert sha256 is not None
        # Once a day it is read again: who forgets files that no page names for long must not forget these.
        day = int(self._context.now() // _DAY)
        key = sha256, kind, found.remote_id, page.url, page.root, page.path, day
        made = await self._made(key, partial(self._storage.read, sha256), kind, page, found.remote_id)
        return None if made is _SAME else evolve(got.entity, sha256=made.sha256, size=made.size)

    async def fetched(self, found: Through, header: Lookup) -> Entity | None:
        """
        Return what is to be sent for a page that must not be stored, fetched for this client alone.

        :param header: gives the values of the client's headers.
        :returns: None if it is no page that has links.
        :raises PulpError: see `rewritten`; or it cannot be had.
        """
        kind = negotiated(header)
        if not (kind or found.below.partition("?")[0].endswith("/")) or _page(found, None) is None:
            return None
        try:
            body, head = await self._fetched(found, kind)
        except _Plain:
            return None
        told = forwarded(head.headers.pairs())
        page = _page(found, head.url)
        if page is None or told.type is None:
            return None
        made = await self._filtered(body, told.type, page, found.remote_id)
        if made is _SAME:
            made = self._keep(body, hashlib.sha256(body).hexdigest())
        return Entity(
            size=made.size,
            sha256=made.sha256,
            modified=told.modified,
            type=told.type,
            cache_control=told.cache_control,
            fields=told.fields,
        )

    async def _fetched(self, found: Through, kind: str) -> tuple[bytes, Head]:
        heads: list[Head] = []

        def look(_: Download, head: Head) -> None:
            told = forwarded(head.headers.pairs())
            if self._filters.of(told.type) is None or _coded(told.fields):
                raise _Plain(head.url)
            heads[:] = [head]

        remote = found.wanted.remote
        most = LARGEST if remote.limits.max_size is None else min(LARGEST, remote.limits.max_size)
        wait, tries = min(remote.retry.retry_after, _PATIENCE), min(remote.retry.retries, 1)
        retry = evolve(remote.retry, retry_after=wait, retries=tries)
        limited = evolve(remote, limits=evolve(remote.limits, max_size=most), retry=retry)
        storage = MemoryStorage()
        downloader = self._context.downloader(limited, hooks=Hooks(headers=look))
        downloader.agent = self._context.agent(remote)
        writer = storage.writer()
        headers = {"Accept": accept_of(kind)} if kind else {}
        try:
            await downloader.download(Download(Source(found.place.url), writer=writer, headers=headers))
            return await storage.read(writer.sha256 or ""), heads[0]
        finally:
            await downloader.close()
            await storage.close()

    # rewriting
    async def _made(
        self, key: Hashable, read: Callable[[], Deferred[bytes]], kind: str, page: LinkedPage, remote_id: int
    ) -> _Rewritten:
        """Return the rewritten page; whoever wants it while it is being made waits for it."""
        known = self._known.get(key)
        if known is _SAME:
            return known
        if known is not None and known.sha256 in self._sizes:
            self._sizes[known.sha256] = self._sizes.pop(known.sha256)  # the last to go now
            return known
        running = self._running.get(key)
        if running is None:
            running = self._running[key] = Moment()
            d = Deferred.fromCoroutine(self._make(read, kind, page, remote_id))
            d.addBoth(self._done, key, running)
        return await running.wait()

    def _done(self, result: Any, key: Hashable, running: Moment[_Rewritten]) -> None:
        del self._running[key]
        if isinstance(result, _Rewritten):
            self._known.put(key, result)
        running.happen(result)

    async def _make(
        self, read: Callable[[], Deferred[bytes]], kind: str, page: LinkedPage, remote_id: int
    ) -> _Rewritten:
        return await self._filtered(await read(), kind, page, remote_id)

    async def _filtered(self, body: bytes, kind: str, page: LinkedPage, remote_id: int) -> _Rewritten:
        if self._closed:
            raise Cancelled(detail="the server is going down")
        data, sha256 = await outlasting(self._in_thread(_applied, self._filters.of(kind), body, kind, page))
        if page.links:  # before a client can ask for them
            await self._learn(remote_id, page.links.values())
        return _SAME if data is None else self._keep(data, sha256)

    def _keep(self, data: bytes, sha256: str) -> _Rewritten:
        size = len(data)
        self.held -= self._sizes.pop(sha256, 0)
        while self._sizes and self.held + size > self._memory:
            oldest = next(iter(self._sizes))
            self.held -= self._sizes.pop(oldest)
            self.pages.remove([oldest])
        self._sizes[sha256] = size
        self.held += size
        self.pages.keep(data, sha256)
        return _Rewritten(sha256, size)

    async def close(self) -> None:
        """Wait for what is being rewritten, and forget all of it."""
        self._closed = True
        for running in list(self._running.values()):
            await outlasting(running.wait().addErrback(lambda _: None))
        self._threads.close()
        await self.pages.close()


def _applied(chosen: Any, body: bytes, kind: str, page: LinkedPage) -> tuple[bytes | None, str]:
    data: bytes | None = chosen.filtered(body, kind, page)
    return data, "" if data is None else hashlib.sha256(data).hexdigest()


def _coded(fields: Iterable[tuple[str, str]]) -> bool:
    """Return whether a page came packed, although nobody asked for that: then there is nothing to be read in it."""
    return any(name == "Content-Encoding" and value.lower() != "identity" for name, value in fields)


def _page(found: Through, url: str | None) -> LinkedPage | None:
    """Return the page at which links are looked at; None where there cannot be any."""
    root, mark, _ = (found.wanted.remote.url or "").partition("?")
    try:
        return LinkedPage(url or found.place.name, root, found.below, bool(mark))
    except (ValueError, PulpError):
        return None
