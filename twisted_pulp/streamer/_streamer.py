"""Everything that requests for content share."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeGuard

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_pulp.catalog import Catalog
from twisted_pulp.errors import Cancelled, NotStored, PulpError, StorageDamaged
from twisted_pulp.interfaces import IStorage
from twisted_pulp.streamer._body import Stored
from twisted_pulp.streamer._cached import Passed
from twisted_pulp.streamer._client import cut
from twisted_pulp.streamer._cold import send_cold, send_coming
from twisted_pulp.streamer._coming import Coming
from twisted_pulp.streamer._entity import IMMUTABLE, Entity
from twisted_pulp.streamer._errors import Refusal, refusal_of, told
from twisted_pulp.streamer._filters import Filters, registered_filters
from twisted_pulp.streamer._flights import Flights
from twisted_pulp.streamer._found import Cold, Directory, Found, Kept, Moved, Through
from twisted_pulp.streamer._hot import Hot
from twisted_pulp.streamer._manifests import Manifests
from twisted_pulp.streamer._mutable import Mutable
from twisted_pulp.streamer._pages import send_directory, send_moved
from twisted_pulp.streamer._path import path_of
from twisted_pulp.streamer._published import Published
from twisted_pulp.streamer._records import Records
from twisted_pulp.streamer._rewriting import Rewriting
from twisted_pulp.streamer._threshold import Threshold
from twisted_pulp.threads import outlasting

__all__ = ["Streamer"]

_NOTHING = Refusal(404, "There is nothing at this path.")
_NO_PATH = Refusal(400, "This is no path that anything could have.")


class Streamer:
    """
    Serve what the distributions of a catalog say, whatever path it has to be brought on; shared by any number of
    `ContentResource`.

    :param context: what all downloads share.
    :param catalog: what is known.
    :param storage: keeps the files.
    :param memory: bytes of small files that are kept in memory; default 16 MiB.
    :param cache: bytes of files that may change and are kept all the same, at most; default 4 GiB.
    :param filters: what is done to pages of upstreams; default: `registered_filters`.
    :param finish_at: the share of a file from which on it is fetched to its end although all its clients have gone;
        default 0.5. 0 always, above 1 never.
    :param now: seconds since the epoch, as `time.time`, the default.
    :ivar flights: transfers that are under way.
    :ivar mutable: keeps files of upstreams that may change.
    :ivar published: finds what is at a path.
    """

    _log = Logger()

    def __init__(
        self,
        context: Any,
        catalog: Catalog,
        storage: IStorage,
        *,
        memory: int = 16 << 20,
        cache: int = 4 << 30,
        filters: Filters | None = None,
        finish_at: float = 0.5,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._reactor, self._now = context.reactor, now
        self._records = Records(catalog, now)
        manifests = Manifests(catalog, storage, now)
        reactor = context.reactor
        self.published = Published(catalog, self._records, manifests, reactor.seconds, clock=reactor)
        self.flights = Flights(context, storage, Threshold(share=finish_at))
        filters = registered_filters() if filters is None else filters
        of = filters.of
        self.mutable = Mutable(context, catalog, storage, capacity=cache, whole=lambda kind: of(kind) is not None)
        self._rewriting = Rewriting(context, storage, filters, self.published.learn)

        def in_thread(f: Callable[..., Any], *args: Any) -> Deferred[Any]:
            return context.threads.lane()(f, *args)  # type: ignore[no-any-return]

        self._stored = Stored(storage, context.reactor, in_thread, Hot(memory), now=now)
        self._pages = Stored(self._rewriting.pages, context.reactor, in_thread, Hot(0), now=now)
        self._turns: Any = None
        self._answering: dict[Deferred[None], None] = {}
        self._closed = False

    def __repr__(self) -> str:
        return f"<Streamer {len(self._answering)} requests, {self.flights!r}>"

    def share(self, claims: Any) -> None:
        """
        Fetch nothing that another process fetches at that moment.

        :param claims: `twisted_pulp.cluster.Claims`.
        """
        from twisted_pulp.streamer._turns import Turns

        self._turns = Turns(self._reactor, claims, self.flights)
        self.flights.begun = self._turns.begun

    def answer(self, request: Any, raw: bytes, query: bytes | None) -> None:
        """
        Answer *request*, a GET or HEAD, to its end.

        :param raw: the path below the resource, as it was sent.
        :param query: what stood behind the question mark, or None.
        """
        kept = self.published.remembered(raw) if query is None and not self._closed else None
        if kept is None:
            self._answer_later(request, self._answered(request, raw, query))
            return
        sending = self._stored.send(request, kept.entity)
        if sending is not None:
            self._answer_later(request, self._sent_or_found(request, raw, sending))

    def _answer_later(self, request: Any, answering: Any) -> None:
        d = Deferred.fromCoroutine(answering)
        if not d.called:
            self._answering[d] = None
            d.addBoth(self._forget, d)
        d.addErrback(self._refuse, request)

    def _forget(self, result: Any, d: Deferred[None]) -> Any:
        self._answering.pop(d, None)
        return result

    async def _sent_or_found(self, request: Any, raw: bytes, sending: Deferred[None]) -> None:
        try:
            await sending
        except (NotStored, StorageDamaged) as error:
            await self._brought_again(request, raw, error)

    async def _brought_again(self, request: Any, raw: bytes, error: PulpError) -> None:
        """Answer with a file of which the catalog says that it is stored, but it is not."""
        path = path_of(raw)
        found = None if path is None else await self.published.find(raw, path, missing=True)
        if found is None or isinstance(found, Kept):
            raise error
        self._log.warn("a stored file is fetched again: {error}", error=error)
        await self._send(request, raw, found)

    async def _answered(self, request: Any, raw: bytes, query: bytes | None) -> None:
        if self._closed:
            raise Cancelled(detail="the server is going down")
        path = path_of(raw, query)
        if path is None:
            _NO_PATH.send(request)
            return
        found = await self.published.find(raw, path)
        if request._disconnected:
            return
        if found is None:
            _NOTHING.send(request)
            return
        try:
            if self._turns is not None and _fetched(found) and self._turns.needed(found.wanted):
                await self._in_turn(request, raw, path, found.wanted)
            else:
                await self._send(request, raw, found)
        except (NotStored, StorageDamaged) as error:
            if request._disconnected or not isinstance(found, Kept):
                raise
            await self._brought_again(request, raw, error)

    async def _in_turn(self, request: Any, raw: bytes, path: Any, wanted: Any) -> None:
        """Answer with a file that other processes may be fetching."""
        until, again, ours = self._turns.until(), True, False
        try:
            while again and not request._disconnected:
                ours = await self._turns.wait(wanted, until)
                found = await self.published.find(raw, path)
                # What was under way here may be over, but not known yet when it was looked for.
                again = not ours and found is not None and _fetched(found) and self._turns.again(wanted, until)
            if request._disconnected:
                return
            if found is None:
                _NOTHING.send(request)
            else:
                await self._send(request, raw, found)
        finally:
            if ours:
                await self._turns.leave(wanted)

    async def _send(self, request: Any, raw: bytes, found: Found) -> None:
        if isinstance(found, Kept):
            sending = self._stored.send(request, found.entity)
            if sending is not None:
                await sending
        elif isinstance(found, Cold):
            await self._send_cold(request, found.entity, found)
        elif isinstance(found, Through):
            await self._send_through(request, found)
        elif isinstance(found, Directory):
            send_directory(request, found, self._now())
        else:
            assert isinstance(found, Moved)
            send_moved(request, request.uri.partition(b"?")[0])

    async def _send_through(self, request: Any, found: Through) -> None:
        if found.immutable:
            sha256 = found.wanted.digests.get("sha256")
            await self._send_cold(request, Entity(size=None, sha256=sha256, cache_control=IMMUTABLE), found)
        elif found.streamed:  # nothing of it is ever kept
            await self._send_passed(request, found)
        else:
            await self._send_mutable(request, found)

    async def _send_mutable(self, request: Any, found: Through, *, missing: bool = False) -> None:
        header, remote = request.requestHeaders.getRawHeaders, found.wanted.remote
        place = found.place
        got = await self.mutable.fetch(
            found.remote_id, remote, place.url, header, found.caching, name=place.name, missing=missing
        )
        if request._disconnected:
            return
        request.setHeader(b"Cache-Status", got.cache_status.encode("ascii"))
        if isinstance(got, Passed):
            await self._send_passed(request, found)
            return
        if isinstance(got, Coming):
            await send_coming(request, got, self._now(), self._reactor)
            return
        try:
            page = await self._rewriting.rewritten(found, got)
            if request._disconnected:
                return
            stored, entity = (self._stored, got.entity) if page is None else (self._pages, page)
            sending = stored.send(request, entity)
            if sending is not None:
                await sending
        except NotStored:
            if missing:
                raise
            await self._send_mutable(request, found, missing=True)

    async def _send_passed(self, request: Any, found: Through) -> None:
        """Answer with a file that may change, and must not be kept."""
        page = await self._rewriting.fetched(found, request.requestHeaders.getRawHeaders)
        if request._disconnected:
            return
        if page is None:
            await self._send_cold(request, Entity(size=None), found)
            return
        sending = self._pages.send(request, page)
        if sending is not None:
            await sending

    async def _send_cold(self, request: Any, entity: Entity, found: Cold | Through) -> None:
        await send_cold(request, self.flights, found.wanted, entity, self._now(), self._reactor)

    def _refuse(self, why: Failure, request: Any) -> None:
        if why.check(PulpError, CancelledError) is None:
            self._log.failure("a request for {path} was not answered", why, path=request.path)
        if getattr(request, "channel", None) is None or request.finished or request._disconnected:
            return
        if request.startedWriting:
            cut(request)
            return
        assert why.value is not None
        refusal = refusal_of(told(why.value))
        if refusal.status >= 500:
            path = request.path.decode("latin-1")
            self._log.warn("{status} for {path}: {error}", status=refusal.status, path=path, error=why.value)
        refusal.send(request)

    def close(self) -> Deferred[None]:
        """Break off what is under way, write to the catalog what has come, and give everything back."""
        self._closed = True
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        await outlasting(self.flights.close())
        await outlasting(self.mutable.close())
        for d in list(self._answering):
            d.cancel()
        while self._answering:
            waiting: Deferred[None] = Deferred()
            next(iter(self._answering)).addBoth(_tell, waiting)
            await waiting
        await self._rewriting.close()
        await self._records.close()


def _fetched(found: Found) -> TypeGuard[Cold | Through]:
    """Return whether it is to be fetched whole, and is the same for all."""
    return isinstance(found, Cold) or (isinstance(found, Through) and found.immutable)


def _tell(result: Any, waiting: Deferred[None]) -> Any:
    waiting.callback(None)
    return result
