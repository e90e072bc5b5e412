"""Large files that may change, on their way to clients while they come."""

from __future__ import annotations

from collections.abc import Callable
from math import floor
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred, DeferredList
from zope.interface import implementer

from twisted_pulp.download import Download, DownloadReport, Source
from twisted_pulp.errors import PulpError
from twisted_pulp.interfaces import Head, IStorage, IWriter
from twisted_pulp.settings import Remote
from twisted_pulp.streamer._backlog import Backlog
from twisted_pulp.streamer._caching import Caching
from twisted_pulp.streamer._entity import Entity
from twisted_pulp.streamer._errors import told
from twisted_pulp.streamer._fields import forwarded
from twisted_pulp.streamer._flight import Flight
from twisted_pulp.streamer._media import media_type
from twisted_pulp.streamer._spool import Spool
from twisted_pulp.streamer._threshold import Threshold
from twisted_pulp.streamer._wanted import Wanted

__all__ = ["LARGE", "Body", "Coming", "Comings"]

#: Bytes up to which a file that may change is here whole before a client gets any of it.
LARGE = 4 << 20
_ALWAYS = Threshold(share=0.0)


@frozen
class Coming:
    """
    A file that comes at the moment: clients read along.

    :ivar flight: that brings it.
    :ivar entity: what is known of it.
    :ivar cache_status: the value of Cache-Status.
    """

    flight: Flight
    entity: Entity
    cache_status: str = ""


class Comings:
    """
    The large files that come at the moment.

    :param context: what all downloads share.
    :param storage: gets them.
    :param whole: tells of a media type whether such files are needed whole before a client gets any of them.
    """

    def __init__(self, context: Any, storage: IStorage, whole: Callable[[str | None], bool]) -> None:
        self._context, self._storage, self._whole = context, storage, whole
        self._backlog: Backlog | None = None
        self._flights: dict[Flight, None] = {}

    def body(self, remote: Remote, caching: Caching, begun: Callable[[Coming], object]) -> Body:
        """
        Return a writer for the body of a response.

        :param begun: called if clients can read along.
        """
        return Body(self, self._storage, remote, caching, begun)

    def coming(self, head: Head, remote: Remote, caching: Caching) -> Coming | None:
        """Return a file that begins to come, if clients are to read along."""
        said = forwarded(head.headers.pairs())
        if head.length is None or head.length <= LARGE or self._whole(said.type):
            return None
        entity = Entity(
            size=head.length,
            modified=said.modified,
            type=said.type or media_type(head.url.partition("?")[0]),
            tag=said.tag,
            cache_control=(
                said.cache_control if caching.max_age is None else f"public, max-age={floor(caching.max_age)}"
            ),
            fields=said.fields if caching.max_age is None else tuple(f for f in said.fields if f[0] != "Expires"),
        )
        context, wanted = self._context, Wanted(sources=(head.source,), remote=remote)
        flight = Flight(wanted, self._spool, _ALWAYS, context.reactor, None, self._landed)
        self._flights[flight] = None
        return Coming(flight, entity)

    def _spool(self, flight: Flight) -> Spool:
        context = self._context
        if self._backlog is None:
            self._backlog = Backlog(self._storage, context.threads)
        return Spool(self._storage, context.threads, context.reactor, flight, self._backlog)

    def _landed(self, flight: Flight) -> None:
        del self._flights[flight]

    def close(self) -> Deferred[None]:
        """Cut those who still read what has come."""
        landing = [flight.landed.wait() for flight in self._flights]
        for flight in list(self._flights):
            flight.cancel()
        return DeferredList(landing).addCallback(lambda _: None)


@implementer(IWriter)
class Body:
    """
    Take a body: to the storage, or, if it is large, to those who read along as well.

    :ivar rewindable: whether it can begin again: it can.
    """

    rewindable = True

    def __init__(
        self,
        comings: Comings,
        storage: IStorage,
        remote: Remote,
        caching: Caching,
        begun: Callable[[Coming], object],
    ) -> None:
        self._comings, self._storage, self._remote, self._caching = comings, storage, remote, caching
        self._tell = begun
        self._writer: Any = None
        self._flight: Flight | None = None

    def attempt_failed(self, download: Download, source: Source, error: PulpError) -> None:
        """Have who reads along not read what is wrong; as a hook."""
        if self._flight is not None:
            self._flight.attempt_failed(download, source, error)

    def arrived(self, report: DownloadReport) -> None:
        """All of it is here."""
        if self._flight is not None:
            self._flight.succeed(report)

    def failed(self, error: BaseException) -> None:
        """Nothing more comes."""
        if self._flight is not None:
            self._flight.fail(told(error))

    def over(self) -> None:
        """Give everything back once nobody reads any more."""
        if self._flight is not None:
            self._flight.finish()

    # IWriter
    def begin(self, head: Head) -> Any:
        """Decide, the first time, where the bytes go."""
        if self._writer is not None:
            return self._writer.begin(head)
        coming = self._comings.coming(head, self._remote, self._caching)
        if coming is None:
            self._writer = self._storage.writer()
            return self._writer.begin(head)
        self._flight, self._writer = coming.flight, coming.flight.body
        begun = self._writer.begin(head)
        self._tell(coming)
        return begun

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Pass it on."""
        self._writer.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """Pass it on."""
        self._writer.unregisterProducer()

    def write(self, data: bytes) -> None:
        """Pass it on."""
        self._writer.write(data)

    def commit(self, report: DownloadReport) -> Any:
        """Let it be an artifact."""
        return self._writer.commit(report)

    def abort(self, error: BaseException) -> Any:
        """Forget it."""
        return None if self._writer is None else self._writer.abort(error)
