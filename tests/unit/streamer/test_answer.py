"""What is answered to a request for a representation."""

from __future__ import annotations

from base64 import b64decode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.web.http_headers import Headers
from twisted.web.test.requesthelper import DummyRequest

from twisted_pulp.streamer._answer import Answer, answer_of
from twisted_pulp.streamer._entity import IMMUTABLE, Entity
from twisted_pulp.streamer._ranges import Span

BODY = bytes(range(100))
THEN = 1_700_000_000
ENTITY = Entity(
    size=100,
    sha256=sha256(BODY).hexdigest(),
    modified=THEN,
    type="text/plain",
    cache_control=IMMUTABLE,
    fields=(("Content-Language", "de"), ("Vary", "Accept")),
)


def answered(method: bytes = b"GET", entity: Entity = ENTITY, **headers: bytes) -> Answer:
    """Return the answer to a request with these headers."""
    found = Headers({name.replace("_", "-").encode(): [value] for name, value in headers.items()})
    return answer_of(method, found.getRawHeaders, entity, THEN + 10, b"BOUNDARY")


def body_of(answer: Answer) -> bytes:
    """Return the body that *answer* stands for, of `BODY`."""
    parts = []
    for piece in answer.pieces:
        if isinstance(piece, Span):
            assert piece.last is not None
            parts.append(BODY[piece.first : piece.last + 1])
        else:
            parts.append(piece)
    return b"".join(parts)


def test_whole() -> None:
    """Everything comes with all that is known about it."""
    answer = answered()
    headers = dict(answer.headers)
    assert (200, BODY) == (answer.status, body_of(answer))
    assert {
        b"ETag": f'"{ENTITY.sha256}"'.encode(),
        b"Last-Modified": b"Tue, 14 Nov 2023 22:13:20 GMT",
        b"Cache-Control": b"public, max-age=31536000, immutable",
        b"Content-Type": b"text/plain",
        b"Content-Length": b"100",
        b"Content-Language": b"de",
        b"Vary": b"Accept",
        b"Accept-Ranges": b"bytes",
        b"X-Content-Type-Options": b"nosniff",
    }.items() <= headers.items()
    assert sha256(BODY).digest() == b64decode(headers[b"Repr-Digest"].removeprefix(b"sha-256=:").removesuffix(b":"))
    assert b"sandbox" in headers[b"Content-Security-Policy"]
    assert len(answer.headers) == len(headers)


def test_head() -> None:
    """HEAD has the headers of GET and no body, and a Range means nothing to it."""
    assert Answer(200, answered().headers) == answered(b"HEAD") == answered(b"HEAD", Range=b"bytes=0-1")


def test_one() -> None:
    """One range is sent with its place, and the digest of the whole."""
    answer = answered(Range=b"bytes=-10")
    headers = dict(answer.headers)
    assert (206, BODY[90:]) == (answer.status, body_of(answer))
    assert (b"bytes 90-99/100", b"10") == (headers[b"Content-Range"], headers[b"Content-Length"])
    assert dict(answered().headers)[b"Repr-Digest"] == headers[b"Repr-Digest"]


def test_several() -> None:
    """Several ranges are sent as a multipart body of the length that is announced."""
    answer = answered(Range=b"bytes=0-9,50-59")
    headers = dict(answer.headers)
    assert b"multipart/byteranges; boundary=BOUNDARY" == headers[b"Content-Type"]
    assert b"%d" % len(body_of(answer)) == headers[b"Content-Length"]
    assert b"Content-Range" not in headers
    assert (Span(0, 9), Span(50, 59)) == answer.spans


def test_unsatisfiable() -> None:
    """What is not there is refused with the size that it has."""
    answer = answered(Range=b"bytes=100-")
    headers = dict(answer.headers)
    assert (416, ()) == (answer.status, answer.pieces)
    assert (b"bytes */100", b"0") == (headers[b"Content-Range"], headers[b"Content-Length"])
    assert b"Repr-Digest" not in headers


def test_not_modified() -> None:
    """A 304 has what a cache needs, and no length of a body that it has not."""
    answer = answered(If_None_Match=f'"{ENTITY.sha256}"'.encode(), Range=b"bytes=0-1")
    assert (304, ()) == (answer.status, answer.pieces)
    assert {b"ETag", b"Last-Modified", b"Cache-Control", b"Vary"} == {name for name, _ in answer.headers}


def test_failed() -> None:
    """A condition that does not hold is a 412 without a body."""
    answer = answered(If_Match=b'"x"')
    assert (412, (), b"0") == (answer.status, answer.pieces, dict(answer.headers)[b"Content-Length"])


def test_if_range() -> None:
    """A Range of what has changed since is a request for everything."""
    assert 206 == answered(Range=b"bytes=0-1", If_Range=f'"{ENTITY.sha256}"'.encode()).status
    assert answered() == answered(Range=b"bytes=0-1", If_Range=b'"x"')


def test_several_headers() -> None:
    """Of several Range headers none counts."""
    found = Headers({b"Range": [b"bytes=0-1", b"bytes=2-3"]})
    assert answered() == answer_of(b"GET", found.getRawHeaders, ENTITY, THEN + 10)


def test_unknown_size() -> None:
    """What nobody knows the size of is sent to its end, without a length and without ranges."""
    answer = answered(entity=Entity(size=None), Range=b"bytes=0-1")
    assert (200, (Span(0, None),)) == (answer.status, answer.pieces)
    assert {b"Content-Length", b"Accept-Ranges"}.isdisjoint(dict(answer.headers))


def test_empty() -> None:
    """What is empty is sent as such."""
    answer = answered(entity=Entity(size=0), Range=b"bytes=0-")
    assert (200, (), b"0") == (answer.status, answer.pieces, dict(answer.headers)[b"Content-Length"])


def test_bare() -> None:
    """Nothing is said of what is not known; the upstream's tag stands in for a digest."""
    headers = dict(answered(entity=Entity(size=1, tag='"t"')).headers)
    assert b'"t"' == headers[b"ETag"]
    assert {b"Repr-Digest", b"Last-Modified", b"Cache-Control"}.isdisjoint(headers)


@pytest.mark.parametrize(("modified", "said"), [(-5.0, b"Thu, 01 Jan 1970"), (1e18, b"Fri, 31 Dec 9999")])
def test_odd_times(modified: float, said: bytes) -> None:
    """Times that no date can say are the nearest that one can."""
    assert said in dict(answered(entity=Entity(size=1, modified=modified)).headers)[b"Last-Modified"]


def test_begin() -> None:
    """Status and headers are given to the request, in place of others of the same name."""
    request = DummyRequest([b""])
    request.setHeader(b"Content-Type", b"text/html")
    answered().begin(request)
    assert 200 == request.responseCode
    assert [b"text/plain"] == request.responseHeaders.getRawHeaders(b"Content-Type")
    answered().retract(request)
    assert [] == list(request.responseHeaders.getAllRawHeaders())


@given(st.lists(st.tuples(st.integers(0, 120), st.integers(0, 120)), min_size=1, max_size=5))
def test_lengths(pairs: list[tuple[int, int]]) -> None:
    """The length announced is the body's, whatever is asked for."""
    answer = answered(Range=b"bytes=" + b",".join(b"%d-%d" % pair for pair in pairs))
    assert int(dict(answer.headers)[b"Content-Length"]) == len(body_of(answer))
