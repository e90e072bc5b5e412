"""`DecodeAgent`: codings are undone, within bounds of memory, time and trust."""

from __future__ import annotations

import gzip
import random
import resource
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web._newclient import ResponseDone, ResponseFailed
from twisted.web.http import PotentialDataLoss, _DataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IAgent, IBodyProducer, IResponse
from zope.interface import implementer
from zope.interface.verify import verifyObject

from twisted_pulp.errors import ConnectionLost, ProtocolError, PulpError, TooLarge, Truncated
from twisted_pulp.http import DecodeAgent
from twisted_pulp.http._request import Request

URL = b"http://x.test/simple/"
DONE = ResponseDone("done")
MIB = 1 << 20


@implementer(IResponse)
class Response:
    """A response whose body the test feeds."""

    version, phrase, previousResponse = (b"HTTP", 1, 1), b"OK", None

    def __init__(
        self, codings: Sequence[bytes] = (), length: Any = UNKNOWN_LENGTH, code: int = 200, uri: bytes = URL
    ) -> None:
        self.code, self.length = code, length
        self.request: Any = Request(b"GET", b"/simple/", None, b"x.test", uri, True)
        self.headers = Headers({b"Content-Length": [b"1"], b"ETag": [b'"v"']})
        for coding in codings:
            self.headers.addRawHeader(b"content-encoding", coding)
        self.calls: list[str] = []
        self.protocol: Any = None

    def setPreviousResponse(self, response: IResponse) -> None:
        raise NotImplementedError

    def deliverBody(self, protocol: Any) -> None:
        self.protocol = protocol
        protocol.makeConnection(self)

    def feed(self, *pieces: bytes) -> None:
        """Deliver *pieces*, until the body is given up."""
        for piece in pieces:
            if "stop" not in self.calls:
                self.protocol.dataReceived(piece)

    def end(self, reason: BaseException = DONE) -> None:
        self.protocol.connectionLost(Failure(reason))

    # the transport's side
    def pauseProducing(self) -> None:
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        self.calls.append("resume")

    def stopProducing(self) -> None:
        self.calls.append("stop")


@implementer(IAgent)
class Agent:
    """An agent that always has the same response."""

    def __init__(self, response: Response) -> None:
        self.response = response
        self.asked: list[Headers | None] = []

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        self.asked.append(headers)
        return succeed(self.response)


class Body(Protocol):
    """What a consumer saw."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.ends: list[BaseException] = []

    @property
    def producer(self) -> Any:
        return self.transport

    def dataReceived(self, data: bytes) -> None:
        self.pieces.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        assert reason.value is not None
        self.ends.append(reason.value)

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)


class Sink(Body):
    """A consumer that keeps only the size of what it got."""

    size = largest = 0

    def dataReceived(self, data: bytes) -> None:
        self.size += len(data)
        self.largest = max(self.largest, len(data))


def asked(response: Response, limit: int | None = MIB, method: bytes = b"GET") -> Any:
    """Ask a DecodeAgent for *response*; return its response, or raise."""
    results: list[Any] = []
    DecodeAgent(Agent(response), limit).request(method, URL).addBoth(results.append)
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]


def delivered(response: Response, limit: int | None = MIB, body: Body | None = None) -> Body:
    """Ask for *response* and deliver its body."""
    body = Body() if body is None else body
    asked(response, limit).deliverBody(body)
    return body


def received(codings: Sequence[bytes], pieces: Iterable[bytes], limit: int | None = MIB) -> Body:
    """Return what a consumer sees of a whole body."""
    response = Response(codings)
    body = delivered(response, limit)
    response.feed(*pieces)
    response.end()
    return body


def bare(data: bytes) -> bytes:
    """Encode *data* as deflate without zlib's header."""
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(data) + deflater.flush()


def zeros(size: int) -> Iterator[bytes]:
    """Encode *size* zeros as gzip, lazily."""
    deflater = zlib.compressobj(9, wbits=31)
    block = bytes(MIB)
    for _ in range(size // MIB):
        yield deflater.compress(block)
    yield deflater.flush()


def split(data: bytes, size: int) -> list[bytes]:
    """Cut *data* into pieces of *size*."""
    return [data[start : start + size] for start in range(0, len(data), size)]


CODERS: dict[bytes, Callable[[bytes], bytes]] = {
    b"bare": bare,
    b"deflate": zlib.compress,
    b"gzip": gzip.compress,
    b"identity": bytes,
    b"x-gzip": gzip.compress,
}
TEXT = b"".join(b"name-%d 1.%d\n" % (number, number * 7919) for number in range(5_000))


# The request


def test_accept_encoding() -> None:
    """Exactly one Accept-Encoding goes out, whatever the caller's were, and the caller's headers stay as they are."""
    agent = Agent(Response())
    headers = Headers({b"accept-encoding": [b"br", b"identity"], b"X": [b"y"]})
    DecodeAgent(agent, None).request(b"GET", URL, headers)
    DecodeAgent(agent, None).request(b"GET", URL)
    assert [
        {b"Accept-Encoding": [b"gzip"], b"X": [b"y"]},
        {b"Accept-Encoding": [b"gzip"]},
    ] == [dict(each.getAllRawHeaders()) for each in agent.asked if each is not None]
    assert [b"br", b"identity"] == headers.getRawHeaders(b"Accept-Encoding")


def test_interfaces() -> None:
    """Agent, response and transport are what they say."""
    response = Response([b"gzip"])
    body = delivered(response)
    assert verifyObject(IAgent, DecodeAgent(Agent(response), 1))
    assert verifyObject(IResponse, asked(response))
    assert verifyObject(IPushProducer, body.transport)


# The response


def test_decoded_response() -> None:
    """A decoded response has neither the coding nor the length of what was sent; the rest is the original's."""
    original = Response([b"gzip"], length=20)
    response = asked(original)
    assert (UNKNOWN_LENGTH, original.request, 200, b"OK", (b"HTTP", 1, 1), None) == (
        response.length,
        response.request,
        response.code,
        response.phrase,
        response.version,
        response.previousResponse,
    )
    assert [(b"ETag", [b'"v"'])] == list(response.headers.getAllRawHeaders())
    assert original.headers.hasHeader(b"Content-Encoding")


def test_previous_response() -> None:
    """A redirect that led here can be remembered."""
    response, earlier = asked(Response()), Response()
    response.setPreviousResponse(earlier)
    assert earlier is response.previousResponse


@pytest.mark.parametrize(("method", "code"), [(b"HEAD", 200), (b"GET", 204), (b"GET", 304)])
def test_no_body(method: bytes, code: int) -> None:
    """What has no body is handed on as it is, its Content-Encoding too."""
    original = Response([b"br"], code=code)
    assert original is asked(original, method=method)


@pytest.mark.parametrize("codings", [[], [b"identity"], [b"Identity, ,identity"]])
def test_identity(codings: list[bytes]) -> None:
    """What is not encoded keeps its length and comes as it was sent."""
    original = Response(codings, length=len(TEXT))
    response = asked(original)
    body = Body()
    response.deliverBody(body)
    original.feed(*split(TEXT, 65536))
    original.end()
    assert (len(TEXT), TEXT, [DONE]) == (response.length, body.data, body.ends)


@pytest.mark.parametrize("size", [1, 1000, 1 << 20])
@pytest.mark.parametrize(
    ("codings", "data"),
    [
        ([b"gzip"], gzip.compress(TEXT)),
        ([b" X-GZip\t"], gzip.compress(TEXT)),
        ([b"deflate"], zlib.compress(TEXT)),
        ([b"deflate"], bare(TEXT)),
        ([b"gzip, identity", b"deflate"], zlib.compress(gzip.compress(TEXT))),
        ([b"deflate,gzip,x-gzip,deflate,gzip"], gzip.compress(bare(gzip.compress(gzip.compress(bare(TEXT)))))),
        ([b"gzip"], gzip.compress(TEXT[:1000]) + gzip.compress(b"") + gzip.compress(TEXT[1000:])),
    ],
    ids=["gzip", "x-gzip", "zlib", "bare", "chained", "five", "members"],
)
def test_codings(codings: list[bytes], data: bytes, size: int) -> None:
    """Every known coding is undone, chained ones from the last to the first, however the bytes are cut."""
    body = received(codings, split(data, size))
    assert (TEXT, [DONE]) == (body.data, body.ends)


def test_pieces() -> None:
    """However much one read decodes to, it comes in pieces of at most 64 KiB."""
    body = Sink()
    response = Response([b"gzip"])
    delivered(response, None, body)
    response.feed(gzip.compress(TEXT * 50))
    response.end()
    assert (len(TEXT) * 50, True, [DONE]) == (body.size, body.largest <= 65536, body.ends)


@pytest.mark.parametrize("codings", [[b"gzip"], [b"deflate"], [b"gzip", b"gzip"]])
def test_empty(codings: list[bytes]) -> None:
    """An empty body, as many servers send it with errors, is an empty body under any coding."""
    body = received(codings, [])
    assert (b"", [DONE]) == (body.data, body.ends)


@pytest.mark.parametrize("size", [65535, 65536, 65537, 131072])
def test_exact_piece(size: int) -> None:
    """A body that just fills a piece ends like any other."""
    for data in (gzip.compress(bytes(size)), gzip.compress(bytes(size), 0)):
        body = received([b"gzip"], [data])
        assert (bytes(size), [DONE]) == (body.data, body.ends)


@pytest.mark.parametrize(
    ("codings", "detail"),
    [
        ([b"br"], "the content coding 'br' was not asked for"),
        ([b"gzip", b"zstd\xff"], "the content coding 'zstd\\xff' was not asked for"),
        ([b"x" * 1000], f"the content coding '{'x' * 50}' was not asked for"),
        ([b"gzip, gzip, gzip", b"gzip, gzip, gzip"], "6 content codings, more than the 5 allowed"),
        ([b"identity," * 6], "6 content codings, more than the 5 allowed"),
    ],
)
def test_refused(codings: list[bytes], detail: str) -> None:
    """An unknown coding or a sixth one fails the request with its URL, and the body is given up."""
    response = Response(codings, uri=b"http://u:p@x.test/there?token=1")
    with pytest.raises(ProtocolError) as caught:
        asked(response)
    assert (detail.replace("\\xff", "\xff"), "http://***@x.test/there?token=***") == (
        caught.value.detail,
        caught.value.url,
    )
    assert ["stop"] == response.calls


def test_no_request() -> None:
    """Where a response does not know what was asked, errors have the URL that was."""
    response = Response([b"br"])
    response.request = None
    with pytest.raises(ProtocolError) as caught:
        asked(response)
    assert URL.decode() == caught.value.url


# Bounds


@pytest.mark.parametrize(("codings", "length"), [([], 1001), ([b"gzip"], 1001 + 65536)])
def test_length_over_limit(codings: list[bytes], length: int) -> None:
    """A length beyond the limit is refused before a byte is read; a coding may add a little."""
    assert asked(Response(codings, length=length - 1), 1000)
    response = Response(codings, length=length)
    with pytest.raises(TooLarge) as caught:
        asked(response, 1000)
    assert (1000, URL.decode(), ["stop"]) == (caught.value.limit, caught.value.url, response.calls)


@pytest.mark.parametrize(
    ("codings", "make"),
    [([], bytes), ([b"gzip"], lambda size: gzip.compress(bytes(size))), ([b"deflate"], lambda size: bare(bytes(size)))],
    ids=["identity", "gzip", "bare"],
)
@pytest.mark.parametrize("limit", [0, 1000, 65536])
def test_limit(codings: list[bytes], make: Any, limit: int) -> None:
    """A body as large as the limit passes, one byte more ends it; nothing comes beyond the limit."""
    body = received(codings, [make(limit)], limit)
    assert (bytes(limit), [DONE]) == (body.data, body.ends)
    response = Response(codings)
    body = delivered(response, limit)
    response.feed(make(limit + 1))
    assert (["stop"], []) == (response.calls, body.ends)
    response.protocol.dataReceived(b"on its way already")
    response.end(ResponseFailed([Failure(ConnectionDone())]))
    assert [(TooLarge, URL.decode(), limit)] == [(type(end), end.url, end.limit) for end in body.ends]  # type: ignore[attr-defined]
    assert len(body.data) <= limit


def test_limit_inside() -> None:
    """What is between two codings may be a little larger than what is inside both."""
    data = random.Random(1).randbytes(1000)
    body = received([b"gzip", b"gzip"], [gzip.compress(gzip.compress(data))], 1000)
    assert (data, [DONE]) == (body.data, body.ends)


def test_limit_of_nothing() -> None:
    """What decodes to nothing is bounded by what comes over the wire."""
    body = received([b"gzip"], [gzip.compress(b"")] * 10_000, 1000)
    assert [TooLarge] == [type(end) for end in body.ends]


@pytest.mark.parametrize("limit", [None, 64 * MIB])
def test_bomb(limit: int | None) -> None:
    """10 GiB of zeros are refused within a second and 16 MiB, at 100 times what came."""
    response, body = Response([b"gzip"]), Sink()
    delivered(response, limit, body)
    before, started = _peak(), time.monotonic()
    for piece in zeros(10 << 30):
        if "stop" in response.calls:
            break
        response.feed(piece)
    response.end(ResponseFailed([Failure(ConnectionDone())]))
    assert time.monotonic() - started < 1
    assert _peak() - before < 16 * MIB
    assert [("it grows to more than 100 times its size when decoded", URL.decode())] == [
        (end.detail, end.url) for end in body.ends if isinstance(end, TooLarge)
    ]
    assert body.size < 3 * MIB


def test_bomb_in_a_bomb() -> None:
    """A bomb inside a coding is found at that coding, even when nothing comes out at the end."""
    inside = b"".join(zeros(64 * MIB))
    body = received([b"gzip", b"gzip"], [gzip.compress(inside)], None)
    assert [TooLarge] == [type(end) for end in body.ends]
    empty = gzip.compress(gzip.compress(b"") * 100_000)
    body = received([b"gzip", b"gzip"], [empty], None)
    assert ([TooLarge], b"") == ([type(end) for end in body.ends], body.data)


def test_free_growth() -> None:
    """The first MiB may grow as it likes."""
    body = received([b"gzip"], [gzip.compress(bytes(MIB))], None)
    assert (bytes(MIB), [DONE]) == (body.data, body.ends)


def _peak() -> int:
    """Return the most memory this process ever held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


# Broken bodies


@pytest.mark.parametrize(
    "coded",
    [gzip.compress(TEXT[:5000]), zlib.compress(TEXT[:5000]), bare(TEXT[:5000])],
    ids=["gzip", "zlib", "bare"],
)
def test_truncated(coded: bytes) -> None:
    """A coding without its end is never a clean end, wherever it was cut."""
    coding = b"gzip" if coded[:1] == b"\x1f" else b"deflate"
    for size in range(1, len(coded)):
        body = received([coding], [coded[:size]])
        assert [(Truncated, size, None, URL.decode())] == [
            (type(end), end.received, end.expected, end.url)  # type: ignore[attr-defined]
            for end in body.ends
        ]


def test_truncated_inside() -> None:
    """A coding without its end inside another that has one is found too, and the other way round."""
    for coded in (gzip.compress(gzip.compress(TEXT)[:-1]), gzip.compress(gzip.compress(TEXT))[:-1]):
        body = received([b"gzip", b"gzip"], [coded])
        assert [Truncated] == [type(end) for end in body.ends]


def test_truncated_member() -> None:
    """A second member without its end is found too."""
    body = received([b"gzip"], [gzip.compress(b"one") + gzip.compress(b"two")[:-1]])
    assert (b"onetwo", [Truncated]) == (body.data, [type(end) for end in body.ends])


@pytest.mark.parametrize(
    ("coding", "data", "detail"),
    [
        (b"gzip", b"no gzip at all", "the gzip coding is broken"),
        (b"gzip", gzip.compress(TEXT)[:-5] + b"\0\0\0\0\0", "the gzip coding is broken"),
        (b"gzip", gzip.compress(b"a") + b"\0", "the gzip coding is broken"),
        (b"gzip", gzip.compress(b"a") + b"garbage", "the gzip coding is broken"),
        (b"deflate", zlib.compress(b"a")[:-1] + b"\0", "the deflate coding is broken"),
        (b"deflate", b"\x78\xf9dictionary", "the deflate coding is broken"),
        (b"deflate", b"\xff", "the deflate coding is broken"),
        (b"deflate", zlib.compress(b"a") * 2, "bytes after the end of the deflate coding"),
        (b"deflate", bare(b"a") + b"\0", "bytes after the end of the deflate coding"),
    ],
)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_corrupt(coding: bytes, data: bytes, detail: str, size: int) -> None:
    """A broken coding, and anything after its end, is a protocol error at once."""
    response = Response([coding])
    body = delivered(response)
    response.feed(*split(data + bytes(100) if "broken" in detail else data, size))
    assert ["stop"] == response.calls
    response.end()
    (end,) = body.ends
    assert isinstance(end, ProtocolError)
    assert (True, URL.decode()) == (end.detail.startswith(detail), end.url)


def test_no_length() -> None:
    """A whole coding in a body that ends with the connection does not hide that nobody said where it ends."""
    response, end = Response([b"gzip"]), PotentialDataLoss()
    body = delivered(response)
    response.feed(gzip.compress(TEXT))
    response.end(end)
    assert (TEXT, [end]) == (body.data, body.ends)


@pytest.mark.parametrize(("length", "expected"), [(1000, 1000), (UNKNOWN_LENGTH, None)])
def test_cut_connection(length: Any, expected: int | None) -> None:
    """A body that its connection cuts short says how much came of how much."""
    response = Response([b"gzip"], length=length)
    body = delivered(response)
    response.feed(gzip.compress(TEXT)[:500])
    response.end(ResponseFailed([Failure(ConnectionDone()), Failure(_DataLoss())]))
    assert [(Truncated, 500, expected, URL.decode())] == [
        (type(end), end.received, end.expected, end.url)  # type: ignore[attr-defined]
        for end in body.ends
    ]


def test_broken_connection() -> None:
    """What else happens to a connection is one of our errors as well."""
    response = Response()
    body = delivered(response)
    response.end(ResponseFailed([Failure(CancelledError())]))
    assert [("Cancelled", URL.decode())] == [(type(end).__name__, end.url) for end in body.ends]  # type: ignore[attr-defined]


# Backpressure


class Reluctant(Body):
    """A consumer that pauses after each piece."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.producer.pauseProducing()


def test_pause() -> None:
    """A consumer that pauses gets nothing more until it resumes; the transport is told each time, once."""
    response, body = Response([b"gzip"]), Reluctant()
    delivered(response, None, body)
    response.feed(gzip.compress(bytes(200_000)))
    assert ([65536], ["pause"]) == ([len(each) for each in body.pieces], response.calls)
    body.producer.pauseProducing()
    response.feed(b"")  # TLS may still deliver a read
    body.producer.resumeProducing()
    assert ([65536] * 2, ["pause"]) == ([len(each) for each in body.pieces], response.calls)
    response.end()
    body.producer.resumeProducing()
    assert (65536 * 3, []) == (len(body.data), body.ends)
    body.producer.resumeProducing()
    assert (200_000, []) == (len(body.data), body.ends)
    body.producer.resumeProducing()
    body.producer.resumeProducing()
    body.producer.pauseProducing()
    body.producer.stopProducing()
    assert ([DONE], ["pause"]) == (body.ends, response.calls)


def test_resume_transport() -> None:
    """The transport reads on when everything that came is decoded."""
    response, body = Response([b"gzip"]), Reluctant()
    delivered(response, None, body)
    response.feed(gzip.compress(bytes(100_000))[:-1])
    body.producer.resumeProducing()
    assert (100_000, ["pause"]) == (len(body.data), response.calls)
    body.producer.resumeProducing()
    assert ["pause", "resume"] == response.calls


def test_pause_before_the_body() -> None:
    """A consumer may pause before the first byte."""

    class Late(Body):
        def connectionMade(self) -> None:
            self.producer.pauseProducing()

    response, body = Response(), Late()
    delivered(response, None, body)
    response.feed(b"data")
    assert ([], ["pause"]) == (body.pieces, response.calls)
    body.producer.resumeProducing()
    assert ([b"data"], ["pause", "resume"]) == (body.pieces, response.calls)


def test_pause_and_resume_at_once() -> None:
    """A consumer may resume while it still gets the piece at which it paused; pieces are not nested."""

    class Hasty(Body):
        depth = 0

        def dataReceived(self, data: bytes) -> None:
            self.depth += 1
            assert 1 == self.depth
            super().dataReceived(data)
            self.producer.pauseProducing()
            self.producer.resumeProducing()
            self.depth -= 1

    response, body = Response([b"gzip"]), Hasty()
    delivered(response, None, body)
    response.feed(gzip.compress(bytes(200_000)))
    response.end()
    assert (200_000, [DONE], ["pause", "resume"]) == (len(body.data), body.ends, response.calls)


def test_stop() -> None:
    """A consumer that gives up gets nothing more but the end."""

    class Quitting(Body):
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            self.producer.stopProducing()
            self.producer.pauseProducing()
            self.producer.loseConnection()

    response, body = Response([b"gzip"]), Quitting()
    delivered(response, None, body)
    response.feed(gzip.compress(bytes(200_000)))
    response.protocol.dataReceived(b"on its way already")
    assert (65536, [], ["stop"]) == (len(body.data), body.ends, response.calls)
    response.end()
    assert [(ConnectionLost, URL.decode())] == [(type(end), end.url) for end in body.ends]  # type: ignore[attr-defined]


def test_stop_while_paused() -> None:
    """A consumer that gives up while it has paused, after everything came, gets the end at once."""
    response, body = Response([b"gzip"]), Reluctant()
    delivered(response, None, body)
    response.feed(gzip.compress(bytes(200_000)))
    response.end()
    body.producer.stopProducing()
    assert [ConnectionLost] == [type(end) for end in body.ends]


def test_raising_consumer() -> None:
    """A consumer that raises ends its body with what it raised, also when it was resuming."""

    class Raising(Reluctant):
        def dataReceived(self, data: bytes) -> None:
            if self.pieces:
                raise KeyError("mine")
            super().dataReceived(data)

    response, body = Response([b"gzip"]), Raising()
    delivered(response, None, body)
    response.feed(gzip.compress(bytes(200_000)))
    body.producer.resumeProducing()
    assert ["pause", "stop"] == response.calls
    response.end()
    assert ["'mine'"] == [str(end) for end in body.ends if isinstance(end, KeyError)]


# Anything


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A Content-Encoding, and bytes that may or may not have it, perhaps damaged."""
    names = draw(st.lists(st.sampled_from([b"deflate", b"gzip", b"identity", b"x-gzip"]), max_size=5))
    data = draw(st.binary(max_size=300)) * draw(st.sampled_from([1, 1, 1, 500]))
    for name in names:
        data = CODERS[name](data)
    if data and draw(st.booleans()):
        at = draw(st.integers(0, len(data) - 1))
        data = data[:at] + draw(st.binary(max_size=3)) + data[at + draw(st.integers(0, 3)) :]
    header = draw(st.one_of(st.just(b", ".join(names)), st.binary(max_size=20)))
    return header.replace(b"\n", b"").replace(b"\r", b""), data


@settings(deadline=None, max_examples=300)
@given(
    body=bodies(),
    limit=st.sampled_from([None, 0, 100, 100_000]),
    actions=st.lists(st.sampled_from(["piece", "pause", "resume", "stop"]), max_size=20),
    clean=st.booleans(),
)
def test_anything(body: tuple[bytes, bytes], limit: int | None, actions: list[str], clean: bool) -> None:
    """Whatever comes under whatever name: nothing is raised into the transport, and a body ends exactly once."""
    header, data = body
    response, consumer = Response([header]), Body()
    try:
        delivered(response, limit, consumer)
    except PulpError:
        assert ["stop"] == response.calls
        return
    pieces = split(data, 1 + len(data) // 5)
    for action in actions:
        if action == "piece":
            if pieces:
                response.feed(pieces.pop(0))
        else:
            getattr(consumer.producer, action + "Producing")()
    response.feed(*pieces)
    response.end(DONE if clean else ResponseFailed([Failure(ConnectionDone())]))
    consumer.producer.resumeProducing()
    assert 1 == len(consumer.ends)
    assert isinstance(consumer.ends[0], PulpError) or consumer.ends[0] is DONE
    assert limit is None or len(consumer.data) <= limit


@settings(deadline=None, max_examples=200)
@given(data=st.binary(max_size=2000), codings=st.lists(st.sampled_from([b"gzip", b"deflate", b"bare"]), max_size=5))
def test_round_trip(data: bytes, codings: list[bytes]) -> None:
    """What was encoded right is decoded right."""
    coded = data
    for coding in codings:
        coded = CODERS[coding](coded)
    names = [coding.replace(b"bare", b"deflate") for coding in codings]
    body = received(names, split(coded, 100))
    assert (data, [DONE]) == (body.data, body.ends)
