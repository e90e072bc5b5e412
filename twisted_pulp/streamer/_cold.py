"""Answer a request for an artifact that is not here yet."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from attrs import evolve
from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from twisted_pulp.download import DownloadReport
from twisted_pulp.headers import Fields
from twisted_pulp.streamer._answer import Answer, answer_of
from twisted_pulp.streamer._body import send_all
from twisted_pulp.streamer._coming import Coming
from twisted_pulp.streamer._conditions import Lookup
from twisted_pulp.streamer._entity import Entity
from twisted_pulp.streamer._fields import forwarded
from twisted_pulp.streamer._flight import Flight
from twisted_pulp.streamer._flights import Flights
from twisted_pulp.streamer._hot import SMALL
from twisted_pulp.streamer._reader import Reader
from twisted_pulp.streamer._wanted import Wanted

__all__ = ["completed", "send_cold", "send_coming"]

_log = Logger()
_OF_A_CACHE = frozenset({"Age", "Expires", "Vary"})


async def send_cold(request: Any, flights: Flights, wanted: Wanted, entity: Entity, now: float, clock: Any) -> None:
    """
    Answer *request*, a GET or HEAD, with an artifact that is not here yet; it may be under way for others.

    :param entity: what is known of it; the upstream tells the rest.
    :param now: seconds since the epoch.
    :param clock: the reactor.
    :raises PulpError: when nothing was sent yet, so that the client can be told something else. Later errors cut the
        connection, and are logged.
    """
    header = request.requestHeaders.getRawHeaders
    if request.method == b"HEAD" or entity.size is not None:
        if entity.size is None:
            entity = completed(entity, *_told_by(await flights.head(wanted)))
        answer = answer_of(request.method, header, entity, now)
        if request.method == b"HEAD" or (answer.status >= 300 and entity.etag is not None):
            _send_head(request, answer)
            return
    reader = Reader(request, clock)
    flight = flights.join(wanted, reader)
    request.caching = "miss" if flight.readers == 1 else "collapsed"  # for who counts
    await _along(request, flight, reader, entity, now)


async def send_coming(request: Any, coming: Coming, now: float, clock: Any) -> None:
    """Answer *request*, a GET or HEAD, with a file that comes at the moment; as `send_cold` otherwise."""
    flight = coming.flight
    if flight.ended.past and flight.ended.result is None:
        await flight.ended.wait()  # it has failed just now
    reader = Reader(request, clock)
    flight.attach(reader)
    await _along(request, flight, reader, coming.entity, now)


async def _along(request: Any, flight: Flight, reader: Reader, entity: Entity, now: float) -> None:
    """Let *reader* read along, to its end."""
    try:
        await _sent(request, flight, reader, entity, now)
    except Exception as error:
        if not request.startedWriting or isinstance(error, CancelledError):
            raise
        _log.info("a response was cut: {error}", error=error)
    finally:
        flight.detach(reader)


def _send_head(request: Any, answer: Answer) -> None:
    answer.begin(request)
    request.finish()


async def _sent(request: Any, flight: Flight, reader: Reader, entity: Entity, now: float) -> None:
    if not (flight.verified or await reader.ready(flight)) or reader.gone:
        return
    head = flight.head.result or await flight.head.wait()
    report = flight.ended.result
    entity = completed(entity, head.headers, head.length, report)
    answer = _answered(request, flight, entity, now)
    if not answer.pieces:
        _send_head(request, answer)
        return
    if report is not None and flight.verified and flight.length == entity.size and flight.written <= SMALL:
        send_all(request, answer, flight.body.read(0, flight.written))
        return
    answer.begin(request)
    early = flight.wanted.early_ranges and answer.status == 206
    try:
        await reader.send(flight, answer.pieces, entity.size, early=early)
    except Exception:
        if not request.startedWriting:  # another answer will have other headers
            answer.retract(request)
        raise


def _answered(request: Any, flight: Flight, entity: Entity, now: float) -> Answer:
    header: Lookup = request.requestHeaders.getRawHeaders
    answer = answer_of(request.method, header, entity, now)
    spans = answer.spans
    if flight.body.forgets and any(a.last is None or a.last >= b.first for a, b in pairwise(spans)):
        # What has passed does not come again: such a Range, which nothing obliges us to follow, is not followed.
        return answer_of(request.method, lambda name: None if name == b"Range" else header(name), entity, now)
    return answer


def _told_by(report: DownloadReport) -> tuple[Fields, int | None]:
    fields = report.headers
    assert isinstance(fields, Fields)
    return fields, report.size


def completed(entity: Entity, fields: Fields, length: int | None, report: DownloadReport | None = None) -> Entity:
    """
    Return *entity* with what the upstream says about what it leaves open.

    :param fields: the upstream's.
    :param length: that the upstream gives, or None.
    :param report: of the transfer, if it has ended.
    """
    told = forwarded(fields.pairs())
    size = length if report is None else report.size
    sha256 = entity.sha256 or (None if report is None else report.digests["sha256"])
    ours = entity.cache_control is not None
    known = {name for name, _ in entity.fields} | (_OF_A_CACHE if ours else frozenset())
    return evolve(
        entity,
        size=size if entity.size is None else entity.size,
        sha256=sha256,
        modified=told.modified if entity.modified is None else entity.modified,
        type=told.type or entity.type,
        tag=entity.tag or told.tag,
        cache_control=entity.cache_control if ours else told.cache_control,
        fields=entity.fields + tuple(pair for pair in told.fields if pair[0] not in known),
    )
