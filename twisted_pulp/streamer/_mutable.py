"""Files of an upstream that may change: kept, and asked about again, as RFC 9111 has it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_pulp.catalog import Catalog, cached
from twisted_pulp.errors import Cancelled, HTTPStatusError, NotFound, PulpError, shown
from twisted_pulp.interfaces import IStorage
from twisted_pulp.settings import Remote
from twisted_pulp.streamer._asking import Asking, Unkept
from twisted_pulp.streamer._cache import Consultation, consulted
from twisted_pulp.streamer._cached import NAME, Cached, Known, Passed, answered, asked_of, passed, status_of
from twisted_pulp.streamer._caching import DEFAULT, Caching
from twisted_pulp.streamer._coming import Coming, Comings
from twisted_pulp.streamer._conditions import Lookup
from twisted_pulp.streamer._lifetime import Times
from twisted_pulp.streamer._moment import Moment
from twisted_pulp.streamer._negotiated import negotiated
from twisted_pulp.streamer._outages import Outages, excusable
from twisted_pulp.streamer._page import Page
from twisted_pulp.streamer._recent import Recent
from twisted_pulp.streamer._room import Room
from twisted_pulp.streamer._shelf import Shelf

__all__ = ["Mutable"]

_log = Logger()
# Files that are not to be had, or not to be kept, and seconds for which nobody tries to keep the latter.
_REFUSED, _PASS = 10_000, 60.0
_NEVER = Times(0.0, 0.0)
_Came = Known | Coming | None


class Mutable:
    """
    Give out files of upstreams that may change, fresh ones without a request.

    Many who want the same at once wait for one request. Nothing of a client's request but the form it wants, one of a
    few that are known, has any effect on what is asked, kept or given out.

    :param context: what all downloads share.
    :param catalog: knows what is kept.
    :param storage: has the bodies.
    :param most: responses that are kept at most; default 100,000.
    :param capacity: bytes that their bodies may have; default 4 GiB.
    :param whole: tells of a media type whether clients get such files only when all of it is here, however large they
        are; default: of none.
    """

    def __init__(
        self,
        context: Any,
        catalog: Catalog,
        storage: IStorage,
        *,
        most: int = 100_000,
        capacity: int = 4 << 30,
        whole: Callable[[str | None], bool] = lambda _: False,
    ) -> None:
        self._now, self._seconds = context.now, context.reactor.seconds
        self._comings = Comings(context, storage, whole)
        self._asking = Asking(context, self._comings)
        self._outages = Outages(self._seconds)
        self._room = Room(catalog, storage, most, capacity, self._now)
        self._shelf = Shelf(catalog, storage, self._room, self._now, self._seconds)
        self._missing: Recent[Hashable, tuple[float, NotFound]] = Recent(_REFUSED)
        self._passing: Recent[Hashable, float] = Recent(_REFUSED)
        self._flights: dict[Hashable, Moment[_Came]] = {}
        self._running: dict[Deferred[Any], bool] = {}
        self._closed = False

    def __repr__(self) -> str:
        return f"<Mutable {len(self._flights)} requests upstream, {len(self._shelf)} responses in memory>"

    def fetch(
        self,
        remote_id: int,
        remote: Remote,
        url: str,
        header: Lookup,
        caching: Caching = DEFAULT,
        *,
        name: str | None = None,
        missing: bool = False,
    ) -> Deferred[Cached | Coming | Passed]:
        """
        Return a Deferred of the file at *url*, as fresh as it must be.

        :param remote_id: the Remote's number in the catalog: what one has brought is never given out by another.
        :param url: that is asked for.
        :param header: gives the values of the client's headers; only Accept is looked at.
        :param caching: how long files are kept.
        :param name: what the file is known by, if *url* has secrets; default *url*.
        :param missing: whether the body, which should be stored, is not.
        :returns: a Deferred of what is stored; or of `Coming`, a large file that comes at the moment; or of `Passed`:
            then it must be fetched for this client alone. To cancel it disturbs nobody else. It fails as a download
            does, with `NotFound` only when the upstream said so.
        """
        if self._closed:
            raise Cancelled(detail="the server is going down")
        page = Page(remote_id, name or url, negotiated(header), remote, url, caching)
        return Deferred.fromCoroutine(self._fetch(page, missing))

    async def _fetch(self, page: Page, missing_body: bool) -> Cached | Coming | Passed:
        known = None if missing_body else self._shelf.remembered(page)
        consultation = self._consulted(page, known)
        if not consultation.fresh:
            known = await self._shelf.find(page)
            consultation = self._consulted(page, known)
        if known is not None and consultation.fresh:
            return self._given(known, consultation, "hit")
        reason = "uri-miss" if known is None else "vary-miss" if consultation.lifetime is None else "stale"
        if self._seconds() < (self._passing.peek(page.flight) or 0.0) or len(page.name) > cached.LONGEST:
            return passed("bypass")
        missing = self._missing.peek(page.key)
        if missing is not None and self._seconds() < missing[0]:
            raise missing[1].with_traceback(None)
        return await self._asked(page, known, consultation, reason)

    async def _asked(
        self, page: Page, known: Known | None, consultation: Consultation, reason: str
    ) -> Cached | Coming | Passed:
        lifetime, outage = consultation.lifetime, self._outages.of(page.host)
        if known is not None and lifetime is not None and lifetime.while_asking(self._now()):
            if outage is None:
                self._flight(page, known, consultation)
            return self._given(known, consultation, "hit; detail=stale-while-revalidate")
        if outage is not None:
            return self._despite(outage, known, consultation, "hit; detail=stale-if-error")
        joined = page.flight in self._flights
        try:
            came = await self._flight(page, known, consultation).wait()
        except PulpError as error:
            status = status_of(reason, getattr(error, "status", None), "detail=stale-if-error", joined=joined)
            return self._despite(error, known, consultation, status)
        if came is None:
            return passed(reason)
        if isinstance(came, Coming):
            return evolve(came, cache_status=f"{NAME}; {status_of(reason, 200, 'stored', joined=joined)}")
        status = status_of(reason, came.status, "stored", joined=joined)
        return self._given(came, self._consulted(page, came), status)

    def _consulted(self, page: Page, known: Known | None) -> Consultation:
        if known is None:
            return consulted(None, {}, _NEVER, asked_of(page.remote, page.kind), page.caching, self._now())
        return known.consulted(page.remote, page.caching, self._now())

    def _given(self, known: Known, consultation: Consultation, status: str) -> Cached:
        if self._shelf.use(known):
            self._later(Deferred.fromCoroutine(self._shelf.tell(known)))
        assert consultation.lifetime is not None
        return answered(known, consultation.lifetime, self._now(), status)

    def _despite(self, error: PulpError, known: Known | None, consultation: Consultation, status: str) -> Cached:
        """Give out what is stored although it is stale, if that is allowed; else raise *error*."""
        lifetime = consultation.lifetime
        if known is None or lifetime is None or isinstance(error, Cancelled) or not excusable(error):
            raise error.with_traceback(None)
        if not lifetime.after_error(self._now()):
            raise error.with_traceback(None)
        _log.warn("{name} is stale, but given out: {error}", name=shown(known.row.url), error=error)
        return self._given(known, consultation, status)

    # requests upstream
    def _flight(self, page: Page, known: Known | None, consultation: Consultation) -> Moment[_Came]:
        """Return the one request upstream for what is wanted, which may begin now."""
        flight = self._flights.get(page.flight)
        if flight is None:
            flight = self._flights[page.flight] = Moment()
            d = self._later(Deferred.fromCoroutine(self._flown(page, known, consultation, flight)), asking=True)
            d.addBoth(self._landed, page, flight)
        return flight

    def _landed(self, result: Any, page: Page, flight: Moment[_Came]) -> None:
        del self._flights[page.flight]
        flight.happen(result)

    async def _flown(
        self, page: Page, known: Known | None, consultation: Consultation, flight: Moment[_Came]
    ) -> Known | None:
        """Ask, and keep what comes; return None when it must not be kept."""
        lifetime = consultation.lifetime
        stale = lifetime is not None and lifetime.after_error(self._now())
        try:
            received = await self._asking.ask(
                page.remote, page.url, page.kind, consultation, page.caching, stale=stale, begun=flight.happen
            )
        except Unkept:
            self._outages.succeeded(page.host)
            self._passing.put(page.flight, self._seconds() + _PASS)
            await self._shelf.forget(page, known)
            return None
        except PulpError as error:
            await self._failed(page, known, error)
            raise
        self._outages.succeeded(page.host)
        came = await self._shelf.keep(page, received, known)
        self._later(Deferred.fromCoroutine(self._room.make()))
        return came

    async def _failed(self, page: Page, known: Known | None, error: PulpError) -> None:
        self._outages.failed(page.host, error)
        if isinstance(error, NotFound):
            self._outages.succeeded(page.host)
            if page.caching.negative > 0:
                again = HTTPStatusError.of(page.url, error.status)
                assert isinstance(again, NotFound)
                self._missing.put(page.key, (self._seconds() + page.caching.negative, again))
            await self._shelf.forget(page, known)

    # the end
    def _later(self, d: Deferred[Any], *, asking: bool = False) -> Deferred[Any]:
        """
        Have `close` wait for *d*.

        :param asking: whether it asks an upstream: then it is broken off, and clients hear what it has failed with.
        """
        if not d.called:
            self._running[d] = asking

        def over(result: Any) -> Any:
            self._running.pop(d, None)
            if isinstance(result, Failure) and not asking:
                if result.check(PulpError):
                    _log.warn("the cache is behind: {error}", error=result.value)
                else:
                    _log.failure("the cache has failed", result)
                return None
            return result

        return d.addBoth(over)

    def close(self) -> Deferred[None]:
        """Break off what is asked upstream, and finish the rest."""
        self._closed = True
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        for d in [d for d, asking in self._running.items() if asking]:
            d.cancel()
        while self._running:
            waiting: Deferred[None] = Deferred()
            next(iter(self._running)).addBoth(_tell, waiting)
            await waiting
        await self._comings.close()


def _tell(result: Any, waiting: Deferred[None]) -> Any:
    waiting.callback(None)
    return result
