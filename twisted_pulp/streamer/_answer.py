"""What is answered to a request for a representation: decided first, then sent."""

from __future__ import annotations

from attrs import frozen
from twisted.web.iweb import IRequest

from twisted_pulp.streamer._conditions import Lookup, Verdict, range_applies, verdict
from twisted_pulp.streamer._entity import Entity
from twisted_pulp.streamer._multipart import content_range, new_boundary, pieces_of
from twisted_pulp.streamer._ranges import Ranges, Span, ranges_of

__all__ = ["SAFE", "Answer", "answer_of"]

Pairs = tuple[tuple[bytes, bytes], ...]

#: What keeps a browser from running what is served: it may come from anybody.
SAFE: Pairs = (
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Content-Security-Policy", b"default-src 'none'; style-src 'unsafe-inline'; sandbox"),
)


@frozen
class Answer:
    """
    A status, headers, and what the body consists of.

    :ivar status: 200, 206, 304, 412 or 416.
    :ivar headers: names and values, Content-Length among them wherever it is known.
    :ivar pieces: bytes to be sent as they are, and spans of the representation, in the order in which they are sent.
    """

    status: int
    headers: Pairs
    pieces: tuple[bytes | Span, ...] = ()

    @property
    def spans(self) -> tuple[Span, ...]:
        """The bytes of the representation that the body has."""
        return tuple(piece for piece in self.pieces if isinstance(piece, Span))

    def begin(self, request: IRequest) -> None:
        """Give *request* the status and the headers, which go out with its first byte."""
        request.setResponseCode(self.status)
        headers = request.responseHeaders
        for name, value in self.headers:
            headers.setRawHeaders(name, [value])

    def retract(self, request: IRequest) -> None:
        """Take back what `begin` gave; possible until something was written."""
        for name, _ in self.headers:
            request.responseHeaders.removeHeader(name)


def answer_of(method: bytes, header: Lookup, entity: Entity, now: float, boundary: bytes | None = None) -> Answer:
    """
    Return the answer to a GET or HEAD.

    :param header: gives the values of the request's headers, as ``request.requestHeaders.getRawHeaders``.
    :param now: seconds since the epoch.
    :param boundary: of a multipart body; default a new one.
    """
    outcome = verdict(method, header, entity)
    if outcome is not Verdict.SEND:
        length: Pairs = ((b"Content-Length", b"0"),) if outcome is Verdict.FAILED else ()
        return Answer(outcome.value, (*entity.validators, *length))
    if method != b"GET":  # section 14.2: a Range means something to GET only
        return _whole(entity, body=False)
    asked = header(b"Range")
    if asked is None or entity.size is None or not range_applies(header, entity, now):
        return _whole(entity)
    # Of several Range headers, which no client sends, none counts.
    found = ranges_of(asked[0] if len(asked) == 1 else None, entity.size)
    if found is Ranges.WHOLE:
        return _whole(entity)
    if found is Ranges.UNSATISFIABLE:
        missed = ((b"Content-Range", b"bytes */%d" % entity.size), (b"Content-Length", b"0"))
        return Answer(416, (*entity.validators, *missed, *SAFE))
    assert not isinstance(found, Ranges)
    if len(found) == 1:
        return _one(entity, found[0], entity.size)
    return _several(entity, found, entity.size, boundary or new_boundary())


def _whole(entity: Entity, *, body: bool = True) -> Answer:
    headers = (*entity.metadata, _type(entity), *SAFE)
    if entity.size is None:
        return Answer(200, headers, (Span(0, None),) if body else ())
    headers = (*headers, (b"Content-Length", b"%d" % entity.size))
    return Answer(200, headers, (Span(0, entity.size - 1),) if body and entity.size else ())


def _one(entity: Entity, span: Span, size: int) -> Answer:
    length = ((b"Content-Range", content_range(span, size)), (b"Content-Length", b"%d" % span.length()))
    return Answer(206, (*entity.metadata, _type(entity), *SAFE, *length), (span,))


def _several(entity: Entity, spans: tuple[Span, ...], size: int, boundary: bytes) -> Answer:
    pieces = pieces_of(spans, size, _type(entity)[1], boundary)
    length = sum(piece.length() if isinstance(piece, Span) else len(piece) for piece in pieces)
    kind = (b"Content-Type", b"multipart/byteranges; boundary=" + boundary)
    return Answer(206, (*entity.metadata, kind, *SAFE, (b"Content-Length", b"%d" % length)), pieces)


def _type(entity: Entity) -> tuple[bytes, bytes]:
    return b"Content-Type", entity.type.encode("latin-1")
