"""The transfers that are under way for clients."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.python.failure import Failure

from twisted_pulp.download import Download, DownloadReport
from twisted_pulp.errors import Cancelled, PulpError
from twisted_pulp.interfaces import IStorage
from twisted_pulp.streamer._ahead import Far
from twisted_pulp.streamer._backlog import Backlog
from twisted_pulp.streamer._circuit import Circuit
from twisted_pulp.streamer._flight import Flight, IReader
from twisted_pulp.streamer._moment import Moment
from twisted_pulp.streamer._piped import Pipe
from twisted_pulp.streamer._roads import Roads
from twisted_pulp.streamer._spool import Spool
from twisted_pulp.streamer._threshold import Threshold
from twisted_pulp.streamer._wanted import Wanted

__all__ = ["Flights"]


class Flights:
    """
    The transfers that are under way for clients: one of each artifact, however many want it.

    :param context: what all downloads share.
    :param storage: keeps the artifacts.
    :param threshold: says which transfers go on when all their clients have gone; default: those that are half done, or
        have 1 MiB to go.
    :ivar far: says which parts are fetched ahead of the rest of an artifact; may be changed.
    :ivar begun: called with each flight that begins; default None.
    """

    def __init__(self, context: Any, storage: IStorage, threshold: Threshold | None = None) -> None:
        self.far = Far()
        self._context, self._storage = context, storage
        self._threshold = threshold or Threshold()
        self._flights: dict[Hashable, Flight] = {}
        self._all: dict[Flight, None] = {}
        self._heads: dict[Hashable, Moment[DownloadReport]] = {}
        self._asking: dict[Deferred[None], None] = {}
        self._roads = Roads(context)
        self._circuit = Circuit(context.reactor.seconds, context.now)
        self._backlog = Backlog(storage, context.threads, context.reactor)
        self._closed = False
        self.begun: Callable[[Flight], object] | None = None

    def __repr__(self) -> str:
        return f"<Flights {self.count} readers={self.readers} {self._circuit!r}>"

    @property
    def count(self) -> int:
        """Transfers under way, or whose last clients still read."""
        return len(self._all)

    @property
    def readers(self) -> int:
        """Clients who read or wait."""
        return sum(flight.readers for flight in self._all)

    def join(self, wanted: Wanted, reader: IReader) -> Flight:
        """
        Return the flight that brings *wanted*, which may begin now; *reader* reads along until it is detached.

        :raises PulpError: why it failed a moment ago, if so; `Cancelled` when this is closed.
        """
        flight = self.under_way(wanted)
        if flight is None:
            self._check(wanted)
            flight = self._begun(wanted, reader)
        else:
            flight.attach(reader)
        return flight

    def under_way(self, wanted: Wanted) -> Flight | None:
        """Return the flight that brings *wanted* and can be joined, or None."""
        flight = self._flights.get(wanted.key)
        return None if flight is None or not flight.joinable or not flight.body.joinable else flight

    def _check(self, wanted: Wanted) -> None:
        if self._closed:
            raise Cancelled(detail="the server is going down")
        refusal = self._circuit.refusal(wanted)
        if refusal is not None:
            raise refusal.with_traceback(None)

    def _begun(self, wanted: Wanted, reader: IReader) -> Flight:
        reactor, circuit = self._context.reactor, self._circuit
        flight = Flight(wanted, self._body, self._threshold, reactor, circuit, self._landed, self.far)
        self._flights[wanted.key] = flight
        self._all[flight] = None
        flight.attach(reader)
        if self.begun is not None:
            self.begun(flight)
        flight.start(self._roads.take(wanted.remote))
        return flight

    def _landed(self, flight: Flight) -> None:
        del self._all[flight]
        if self._flights.get(flight.wanted.key) is flight:
            del self._flights[flight.wanted.key]
        self._roads.leave(flight.wanted.remote)

    def _body(self, flight: Flight) -> Spool | Pipe:
        context = self._context
        if flight.wanted.policy == "streamed":
            return Pipe(context.reactor, flight)
        sha256 = flight.wanted.digests.get("sha256")
        return Spool(self._storage, context.threads, context.reactor, flight, self._backlog, sha256)

    def refused(self, url: str) -> tuple[float, PulpError] | None:
        """Return for how many seconds nothing of the host of *url* is asked for, and why; None: it may be."""
        return self._circuit.host(url)

    # HEAD
    def head(self, wanted: Wanted) -> Deferred[DownloadReport]:
        """
        Return a Deferred of what one HEAD upstream says of *wanted*, however many ask at once.

        :returns: a Deferred of a report with a status and headers; it fails as a download does.
        """
        moment = self._heads.get(wanted.key)
        if moment is None:
            self._check(wanted)
            moment = self._heads[wanted.key] = Moment()
            asking = Deferred.fromCoroutine(self._asked(wanted, moment))
            if not asking.called:
                self._asking[asking] = None
                asking.addBoth(lambda _: self._asking.pop(asking))
        return moment.wait()

    async def _asked(self, wanted: Wanted, moment: Moment[DownloadReport]) -> None:
        downloader = self._roads.take(wanted.remote)
        try:
            report = await downloader.head(Download(wanted.sources))
            self._circuit.answered(wanted, report.source.url)
            moment.happen(report)
        except Exception as error:
            self._circuit.failed(wanted, error)
            moment.happen(Failure())
        finally:
            del self._heads[wanted.key]
            self._roads.leave(wanted.remote)

    def close(self) -> Deferred[None]:
        """Break everything off; fires when everything was given back."""
        self._closed = True
        self._backlog.hurry()
        landing = [flight.landed.wait() for flight in self._all]
        for flight in list(self._all):
            flight.cancel()
        asking = list(self._asking)
        for each in asking:
            each.cancel()
        return DeferredList([*landing, *asking]).addCallback(lambda _: self._roads.close())
