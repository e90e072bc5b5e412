"""One HTTP/2 connection: what is sent, what comes of what is heard, and what ends what."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from h2.errors import ErrorCodes
from h2.events import PingAckReceived, RemoteSettingsChanged, StreamReset, WindowUpdated
from h2.settings import SettingCodes
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from twisted.internet.error import ConnectionLost
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH

from tests.unit.h2_wire import OK, H2Wire, ok
from tests.unit.wire import Asked, Body, get
from twisted_pulp.errors import HeadersTimeout, IdleTimeout, LowSpeed, Truncated
from twisted_pulp.errors import StreamReset as Reset
from twisted_pulp.http._h2_frames import PATIENCE
from twisted_pulp.http._h2_session import CONNECTION_WINDOW, LOAN, STREAM_WINDOW
from twisted_pulp.http._request import FixedHeaders
from twisted_pulp.settings import Timeouts


@pytest.fixture
def wire() -> H2Wire:
    """A connection whose server has said hello."""
    wire = H2Wire()
    wire.hear(wire.server.say())
    return wire


def reason(asked: Asked) -> Any:
    """Return why a request, or its body, came to nothing."""
    failure = asked.failure or asked.body.ends[0]
    return failure.value.reasons[0].value


def going(last: int, code: int = 0) -> bytes:
    """Return a GOAWAY."""
    return GoAwayFrame(0, last_stream_id=last, error_code=code).serialize()


def reset(number: int, code: int) -> bytes:
    """Return a RST_STREAM."""
    return RstStreamFrame(number, error_code=code).serialize()


def block(wire: H2Wire, number: int, fields: list[tuple[Any, Any]], end: bool = True, ended: bool = True) -> bytes:
    """Return a header block that h2 would not send."""
    frame = HeadersFrame(number, data=wire.server.h2.encoder.encode(fields))
    for flag in [*(["END_HEADERS"] if end else []), *(["END_STREAM"] if ended else [])]:
        frame.flags.add(flag)
    return frame.serialize()


# Asking


def test_hello() -> None:
    """No push, windows of 1 MiB for a stream and more for all, and a limit of header blocks."""
    wire = H2Wire()
    (changed,) = wire.server.every(RemoteSettingsChanged)
    said = {code: setting.new_value for code, setting in changed.changed_settings.items()}
    assert 0 == said[SettingCodes.ENABLE_PUSH]
    assert 1 << 20 <= said[SettingCodes.INITIAL_WINDOW_SIZE]
    assert 300 << 10 == said[SettingCodes.MAX_HEADER_LIST_SIZE]
    assert 65535 + wire.server.every(WindowUpdated)[0].delta == CONNECTION_WINDOW > STREAM_WINDOW


def test_together(wire: H2Wire) -> None:
    """Requests of one turn of the reactor are sent in one write, in the order of asking."""
    for path in (b"/a", b"/b", b"/c"):
        request = get()
        request.uri = path
        wire.ask(request)
    assert b"" == wire.transport.value()
    wire.turn()
    assert [b"/a", b"/b", b"/c"] == [each[b":path"] for each in wire.server.requests]


def test_request(wire: H2Wire) -> None:
    """Names are in lower case, what is for one connection is left out, and Host is the authority."""
    headers = Headers({b"User-Agent": [b"me"], b"X-Two": [b"1", b"2"], b"Connection": [b"close"], b"TE": [b"gzip"]})
    wire.asked(request=get(b"HEAD", headers=headers))
    (event,) = [each for each in wire.server.heard if hasattr(each, "headers")]
    expected = [
        (b":method", b"HEAD"),
        (b":scheme", b"https"),
        (b":authority", b"host.test"),
        (b":path", b"/path"),
        (b"user-agent", b"me"),
        (b"x-two", b"1"),
        (b"x-two", b"2"),
    ]
    assert expected == [tuple(each) for each in event.headers]
    assert event.stream_ended is not None


def test_secrets_are_not_indexed(wire: H2Wire) -> None:
    """What may be a secret stays out of the compressor's tables; what is public need not."""
    wire.asked(request=get(headers=FixedHeaders({b"Authorization": [b"Basic x"], b"User-Agent": [b"me"]})))
    (event,) = [each for each in wire.server.heard if hasattr(each, "headers")]
    kept = {bytes(each[0]) for each in event.headers if each.indexable}
    assert kept == {b":method", b":scheme", b":authority", b"user-agent"}


@pytest.mark.parametrize("headers", [{b"X": [b"a\x00b"]}, {b"Host": [b"\x01"]}])
def test_request_that_is_none(wire: H2Wire, headers: Any) -> None:
    """A header that is not one line fails its request, and nothing is sent."""
    asked = wire.asked(request=get(headers=Headers(headers)))
    assert ("RequestGenerationFailed",) == asked.outcome
    assert [] == wire.server.requests
    wire.asked()
    wire.answer(1)
    assert 1 == len(wire.server.requests)


def test_no_bodies(wire: H2Wire) -> None:
    """Requests with a body are for HTTP/1.1."""

    class Posting:
        bodyProducer = object()

    assert ("RequestNotSent",) == wire.ask(Posting()).outcome


# Answers


def test_whole(wire: H2Wire) -> None:
    """A response that came whole is whole when it is heard of."""
    asked = wire.asked(deliver=False)
    wire.answer(1, b"hello", ok(5, ("etag", '"v1"')))
    response = asked.response
    assert response.whole
    assert (b"HTTP", 2, 0) == response.version
    assert (200, b"", 5) == (response.code, response.phrase, response.length)
    assert b"https://host.test/path" != response.request.absoluteURI
    assert [b'"v1"'] == response.headers.getRawHeaders(b"etag")
    assert not response.headers.hasHeader(b"content-length")
    assert "5" == response.fields["Content-Length"]
    body, end = response.take()
    assert (b"hello", "ResponseDone") == (body, end.type.__name__)


def test_at_the_same_time(wire: H2Wire) -> None:
    """Responses may come in any order, and in pieces between each other."""
    first, second = wire.asked(), wire.asked()
    h2 = wire.server.h2
    for number in (3, 1):
        h2.send_headers(number, ok(4))
    for piece in (b"a", b"b"):
        for number in (1, 3):
            h2.send_data(number, piece * number)
            wire.hear(wire.server.say())
    assert (200, b"ab", "") == first.outcome
    assert (200, b"aaabbb"[:3] + b"bbb", "") != second.outcome  # three of each would be too many
    assert "ParseError" == type(reason(second)).__name__


@pytest.mark.parametrize(("method", "status"), [(b"HEAD", "200"), (b"GET", "304"), (b"GET", "204"), (b"HEAD", "404")])
def test_no_body(wire: H2Wire, method: bytes, status: str) -> None:
    """HEAD, 204 and 304 have no body, whatever the length is."""
    asked = wire.asked(method=method)
    wire.answer(1, None, [(":status", status), ("content-length", "77")])
    assert (int(status), b"", "ResponseDone") == asked.outcome
    assert 0 == asked.response.length
    assert (method == b"HEAD") == asked.response.headers.hasHeader(b"content-length")


@pytest.mark.parametrize(("method", "status"), [(b"HEAD", "200"), (b"GET", "304")])
def test_body_all_the_same(wire: H2Wire, method: bytes, status: str) -> None:
    """A body where there must be none ends the stream, and the stream alone."""
    asked, other = wire.asked(method=method), wire.asked()
    wire.answer(1, b"hello", [(":status", status)])
    assert "ParseError" == type(reason(asked)).__name__
    wire.answer(3, b"hello")
    assert (200, b"hello", "ResponseDone") == other.outcome
    assert not wire.aborted


def test_partial_content(wire: H2Wire) -> None:
    """A range is a response like any other."""
    asked = wire.asked()
    wire.answer(1, b"ell", [(":status", "206"), ("content-range", "bytes 1-3/5"), ("content-length", "3")])
    assert (206, b"ell", "ResponseDone") == asked.outcome
    assert 3 == asked.response.length


def test_interim(wire: H2Wire) -> None:
    """Interim responses come before, and are forgotten."""
    asked = wire.asked()
    for status in ("100", "103"):
        wire.server.h2.send_headers(1, [(":status", status), ("link", "x")])
    wire.answer(1, b"hello")
    assert (200, b"hello", "ResponseDone") == asked.outcome
    assert "link" not in asked.response.fields


@pytest.mark.parametrize(("status", "count"), [("101", 1), ("103", 21), ("1x3", 1)])
def test_interim_too_much(wire: H2Wire, status: str, count: int) -> None:
    """101 means nothing here, and nobody needs 21 of the others."""
    asked = wire.asked()
    for _ in range(count):
        wire.hear(block(wire, 1, [(":status", status)], ended=False))
    assert "ParseError" == type(reason(asked)).__name__
    assert [1] == [event.stream_id for event in wire.server.every(StreamReset)]


def test_trailers(wire: H2Wire) -> None:
    """Trailers are no headers."""
    asked = wire.asked()
    wire.server.h2.send_headers(1, OK)
    wire.server.h2.send_data(1, b"hello")
    wire.server.h2.send_headers(1, [("etag", '"late"')], end_stream=True)
    wire.hear(wire.server.say())
    assert (200, b"hello", "ResponseDone") == asked.outcome
    assert "etag" not in asked.response.fields


def test_bad_trailers(wire: H2Wire) -> None:
    """Trailers that may not be sent spoil the response."""
    asked = wire.asked()
    wire.server.h2.send_headers(1, OK)
    wire.server.h2.send_data(1, b"hello")
    wire.hear(wire.server.say())
    wire.hear(block(wire, 1, [("Bad", "x")]))
    assert (200, b"hello", "ResponseFailed") == asked.outcome
    assert not wire.aborted


# Where the body ends


def test_no_length(wire: H2Wire) -> None:
    """Without a length the end of the stream is the end."""
    asked = wire.asked()
    wire.answer(1, b"hello", OK)
    assert (200, b"hello", "ResponseDone") == asked.outcome
    assert UNKNOWN_LENGTH is asked.response.length


def test_too_short(wire: H2Wire) -> None:
    """A stream that ends before its Content-Length was cut short."""
    asked, bare, other = wire.asked(), wire.asked(), wire.asked()
    wire.server.h2.send_headers(1, ok(9))
    wire.hear(wire.server.say())
    wire.server.data(1, b"hello", end=True)
    wire.hear(wire.server.say())
    wire.answer(3, None, ok(9))
    wire.answer(5)
    assert (200, b"hello", "ResponseFailed") == asked.outcome
    assert isinstance(reason(asked), Truncated)
    assert (5, 9) == (reason(asked).received, reason(asked).expected)
    assert isinstance(reason(bare), Truncated)
    assert (200, b"", "ResponseDone") == other.outcome


def test_too_long(wire: H2Wire) -> None:
    """More than the Content-Length ends the stream, and nothing of what is too much is handed on."""
    asked, other = wire.asked(), wire.asked()
    wire.server.h2.send_headers(1, ok(3))
    wire.server.h2.send_data(1, b"abc")
    wire.server.h2.send_data(1, b"def")
    wire.server.h2.send_data(1, b"ghi")
    wire.hear(wire.server.say())
    assert "ParseError" == type(reason(asked)).__name__
    assert [1] == [event.stream_id for event in wire.server.every(StreamReset)]
    wire.answer(3)
    assert (200, b"", "ResponseDone") == other.outcome
    assert 0 == wire.connection.held


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [("content-length", "5")],
        [(":status", "99")],
        [(":status", "600")],
        [(":status", "200"), (":status", "200")],
        [(":status", "200"), ("Upper", "x")],
        [(":status", "200"), ("connection", "close")],
        [(":status", "200"), ("transfer-encoding", "chunked")],
        [(":status", "200"), ("x", "a\nb")],
        [(":status", "200"), ("x", "a\x00b")],
        [(":status", "200"), ("", "x")],
        [(":status", "200"), ("content-length", "-1")],
        [(":status", "200"), ("content-length", "9" * 19)],
        [(":status", "200"), ("content-length", "5"), ("content-length", "5")],
        [(":status", "200"), ("x", "y" * (101 << 10)), ("z", "")],
        [(":status", "200"), *[("a", "b")] * 5001],
        [(":status", "200"), *[("x", "y" * 3900)] * 80],
    ],
)
def test_headers_that_are_none(wire: H2Wire, fields: list[tuple[str, str]]) -> None:
    """What may not be sent, or is more than is allowed, ends the stream, and the stream alone."""
    asked, other = wire.asked(), wire.asked()
    data = wire.server.h2.encoder.encode(fields, huffman=len(fields) < 3)  # which takes long
    pieces = [data[at : at + 16384] for at in range(0, len(data), 16384)] or [b""]
    frames: list[Frame] = [HeadersFrame(1, data=pieces[0])]
    frames += [ContinuationFrame(1, data=piece) for piece in pieces[1:]]
    frames[-1].flags.add("END_HEADERS")
    for frame in frames:
        wire.hear(frame)
    assert "ParseError" == type(reason(asked)).__name__
    assert [1] == [event.stream_id for event in wire.server.every(StreamReset)]
    wire.answer(3)
    assert (200, b"", "ResponseDone") == other.outcome


# Resets, and the end of the connection


def test_reset(wire: H2Wire) -> None:
    """A stream that the server resets fails with its reason, and the others go on."""
    asked, other = wire.asked(), wire.asked()
    wire.hear(reset(1, ErrorCodes.INTERNAL_ERROR))
    assert ("ResponseNeverReceived",) == asked.outcome
    assert ("INTERNAL_ERROR", True) == (reason(asked).code, reason(asked).processed)
    wire.answer(3, b"hi")
    assert (200, b"hi", "ResponseDone") == other.outcome


def test_reset_in_the_body(wire: H2Wire) -> None:
    """What came before a reset is handed on first."""
    asked = wire.asked()
    wire.server.h2.send_headers(1, ok(99))
    wire.hear(wire.server.say())
    wire.server.h2.send_data(1, b"some")
    wire.hear(wire.server.say() + reset(1, 999))
    assert (200, b"some", "ResponseFailed") == asked.outcome
    assert ("999", True) == (reason(asked).code, reason(asked).processed)


def test_refused(wire: H2Wire) -> None:
    """REFUSED_STREAM says that nothing was done."""
    asked = wire.asked()
    wire.hear(reset(1, ErrorCodes.REFUSED_STREAM))
    assert not reason(asked).processed


def test_reset_after_the_end(wire: H2Wire) -> None:
    """A reset of a stream that is over means nothing, even where h2 has forgotten it."""
    asked = wire.asked()
    wire.answer(1, b"hi")
    wire.hear(reset(1, 0))
    wire.asked()
    wire.hear(reset(1, 0))
    assert (200, b"hi", "ResponseDone") == asked.outcome
    assert not wire.aborted


@pytest.mark.parametrize("frame", [reset(99, 0), reset(2, 0), b"\0\0\3\3\0\0\0\0\1abc", b"\0\0\3\7\0\0\0\0\0abc"])
def test_resets_that_are_none(wire: H2Wire, frame: bytes) -> None:
    """A reset of what was never begun, or that is none, ends the connection; so does half a GOAWAY."""
    asked = wire.asked()
    wire.hear(frame)
    assert wire.aborted
    assert "ParseError" == type(reason(asked)).__name__


def test_going_away(wire: H2Wire) -> None:
    """Streams above the last are undone, the others go on, and then the connection ends."""
    first, second = wire.asked(), wire.asked()
    wire.server.h2.send_headers(1, ok(4))
    wire.server.h2.send_data(1, b"he")
    wire.hear(wire.server.say() + going(1))
    assert not reason(second).processed
    assert "NO_ERROR" == reason(second).code
    assert not wire.connection.idle
    assert not wire.closed
    wire.server.h2.send_data(1, b"re", end_stream=True)
    wire.hear(wire.server.say())
    assert (200, b"here", "ResponseDone") == first.outcome
    assert wire.closed
    wire.lose()
    assert [wire.connection] == wire.lost


def test_going_away_gracefully(wire: H2Wire) -> None:
    """The first GOAWAY may only warn; the second tells."""
    first, second = wire.asked(), wire.asked()
    wire.hear(going(2**31 - 1))
    assert () == first.outcome == second.outcome
    wire.hear(going(1))
    assert ("ResponseNeverReceived",) == second.outcome
    wire.answer(1)
    assert (200, b"", "ResponseDone") == first.outcome
    assert wire.closed


def test_going_away_idle(wire: H2Wire) -> None:
    """A connection without streams ends at once, and hears no more."""
    wire.hear(going(0))
    assert wire.closed
    wire.hear(PingFrame(0))
    assert [] == wire.server.every(PingAckReceived)


def test_lost(wire: H2Wire) -> None:
    """A lost connection fails what was under way, each in its way."""
    unheard, begun, whole = wire.asked(), wire.asked(), wire.asked(deliver=False)
    wire.server.h2.send_headers(3, ok(9))
    wire.server.h2.send_headers(5, ok(9))
    wire.hear(wire.server.say())
    wire.server.h2.send_data(3, b"some")
    wire.server.data(5, b"held back", end=True)
    wire.hear(wire.server.say())
    wire.lose(ConnectionLost())
    assert ("ResponseNeverReceived",) == unheard.outcome
    assert ["ConnectionLost"] == unheard.reasons
    assert (200, b"some", "ResponseFailed") == begun.outcome
    assert ["ConnectionLost", "_DataLoss"] == begun.reasons
    whole.response.deliverBody(whole.body)
    wire.turn()
    assert (200, b"held back", "ResponseDone") == whole.outcome
    assert [wire.connection] == wire.lost


def test_lost_before_it_is_wanted(wire: H2Wire) -> None:
    """Who takes a body after the connection was lost hears of that."""
    asked = wire.asked(deliver=False)
    wire.server.h2.send_headers(1, ok(9))
    wire.server.h2.send_data(1, b"some")
    wire.hear(wire.server.say())
    wire.lose()
    asked.response.deliverBody(asked.body)
    assert (200, b"", "ResponseFailed") == asked.outcome
    assert 0 == wire.connection.held


def test_reset_before_it_is_wanted(wire: H2Wire) -> None:
    """Who takes a body after a reset gets what came before, then hears of it."""
    asked = wire.asked(deliver=False)
    wire.server.h2.send_headers(1, ok(9))
    wire.server.h2.send_data(1, b"some")
    wire.hear(wire.server.say())
    wire.hear(reset(1, 2))
    asked.response.deliverBody(asked.body)
    wire.turn()
    assert (200, b"some", "ResponseFailed") == asked.outcome


def test_abort(wire: H2Wire) -> None:
    """What is ended by us fails so."""
    asked = wire.asked()
    gone: list[None] = []
    wire.connection.abort().addCallback(gone.append)
    assert wire.aborted
    wire.lose()
    assert [None] == gone
    assert ["ConnectionAborted"] == asked.reasons


def test_given_up(wire: H2Wire) -> None:
    """A connection that is given up ends at once, and sends nothing more."""
    wire.ask()
    wire.connection.give_up()
    assert wire.aborted
    wire.turn()
    assert [] == wire.server.requests
    wire.lose()


# Floods and nonsense


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\0\0\1\0\0\0\0\0\0x",
        DataFrame(1, data=b"x").serialize(),
        b"\x01\x00\x00" + bytes(6),
        ContinuationFrame(1, data=b"x").serialize(),
        HeadersFrame(1, data=b"x").serialize() + PingFrame(0).serialize(),
        SettingsFrame(0, settings={SettingCodes.INITIAL_WINDOW_SIZE: 2**32 - 1}).serialize(),
        b"\0\0\4\4\0\0\0\0\0abcd",
        HeadersFrame(1, data=b"\xff\xff\xff\xff", flags=["END_HEADERS"]).serialize(),
    ],
)
def test_nonsense(wire: H2Wire, data: bytes) -> None:
    """What is no HTTP/2 ends the connection, and who waits hears why."""
    asked = wire.asked()
    wire.hear(data)
    assert wire.aborted
    assert "ParseError" == type(reason(asked)).__name__
    assert () != asked.outcome
    wire.lose()


def test_the_innocent(wire: H2Wire) -> None:
    """Where one stream ended the connection, the others fail as if it was lost: they may be tried again."""
    culprit, innocent, done = wire.asked(), wire.asked(), wire.asked()
    wire.server.h2.send_headers(5, ok(2))
    wire.server.h2.send_data(5, b"hi", end_stream=True)
    wire.hear(wire.server.say() + DataFrame(1, data=b"x").serialize())
    assert "ParseError" == type(reason(culprit)).__name__
    assert ["ConnectionAborted"] == innocent.reasons
    assert (200, b"hi", "ResponseDone") == done.outcome


def test_push(wire: H2Wire) -> None:
    """Nobody pushes here."""
    wire.asked()
    data = wire.server.h2.encoder.encode([(":method", "GET")])
    wire.hear(PushPromiseFrame(1, promised_stream_id=2, data=data, flags=["END_HEADERS"]))
    assert wire.aborted


@pytest.mark.parametrize("size", [0, 16384])
def test_continuation_flood(wire: H2Wire, size: int) -> None:
    """A header block without an end ends the connection, however small its pieces are."""
    wire.asked()
    wire.hear(HeadersFrame(1, data=b""))
    count = 0
    while not wire.aborted:
        count += 1
        wire.hear(ContinuationFrame(1, data=bytes(size)))
    assert 65 >= count
    assert (300 << 10) >= size * (count - 1)


@pytest.mark.parametrize(
    "frame",
    [
        PingFrame(0, opaque_data=b"12345678"),
        SettingsFrame(0),
        reset(1, 0),
        DataFrame(1, data=b""),
        b"\0\0\0\x99\0\0\0\0\0",
        HeadersFrame(1, data=b"", flags=["END_HEADERS"]),
    ],
)
def test_flood(wire: H2Wire, frame: Any) -> None:
    """Frames that bring nothing are borne for a while."""
    wire.asked()
    wire.server.h2.send_headers(1, OK)
    wire.hear(wire.server.say())
    data = frame if isinstance(frame, bytes) else frame.serialize()
    wire.connection.dataReceived(data * (PATIENCE + 2))
    assert wire.aborted


def test_patience_comes_back(wire: H2Wire) -> None:
    """Who brings something may also ping."""
    asked = wire.asked()
    wire.server.h2.send_headers(1, OK)
    wire.hear(wire.server.say())
    for _ in range(3 * PATIENCE):
        wire.hear(PingFrame(0, opaque_data=b"12345678").serialize() + DataFrame(1, data=b"x").serialize())
    assert not wire.aborted
    assert 3 * PATIENCE == len(asked.body.received)


def test_bomb(wire: H2Wire) -> None:
    """A small block that unpacks to a large one ends the connection: the tables are lost then."""
    asked = wire.asked()
    encoder = wire.server.h2.encoder
    data = encoder.encode([(":status", "200"), ("x", "y" * 4000)]) + b"\xbe" * 200
    wire.hear(HeadersFrame(1, data=data, flags=["END_HEADERS"]))
    assert wire.aborted
    assert "ParseError" == type(reason(asked)).__name__


def test_in_pieces(wire: H2Wire) -> None:
    """Frames may come byte by byte."""
    asked = wire.asked()
    for byte in wire.server.answer(1, b"hello"):
        wire.hear(bytes([byte]))
    assert (200, b"hello", "ResponseDone") == asked.outcome


def test_who_does_not_read_is_not_read(wire: H2Wire) -> None:
    """While what is to be sent piles up, nothing is read."""
    producer: Any = wire.transport.producer
    producer.resumeProducing()
    producer.pauseProducing()
    assert "paused" == wire.transport.producerState
    assert wire.connection.withholding
    producer.resumeProducing()
    assert "producing" == wire.transport.producerState
    producer.stopProducing()
    assert not wire.aborted


def test_ping(wire: H2Wire) -> None:
    """A ping is answered."""
    wire.hear(PingFrame(0, opaque_data=b"12345678"))
    assert [b"12345678"] == [event.ping_data for event in wire.server.every(PingAckReceived)]


# Backpressure


def body(wire: H2Wire, number: int, size: int) -> None:
    """Let the server send so many bytes of body, and hear nothing until the last."""
    wire.server.data(number, bytes(size))
    wire.hear(wire.server.say())


def test_paused(wire: H2Wire) -> None:
    """A paused consumer holds its own stream back, at its window, and no other; and then gets everything."""
    slow, quick = wire.asked(), wire.asked()
    for number in (1, 3):
        wire.server.h2.send_headers(number, ok(20 << 20))
    wire.hear(wire.server.say())
    slow.body.producer.pauseProducing()
    body(wire, 1, STREAM_WINDOW)
    assert 0 == wire.server.h2.local_flow_control_window(1)
    assert b"" == slow.body.received
    assert STREAM_WINDOW == wire.connection.held
    for _ in range(20):
        body(wire, 3, 1 << 20)
    assert 20 << 20 == len(quick.body.received)
    slow.body.producer.resumeProducing()
    assert b"" == slow.body.received  # never from within a call of its own
    wire.turn()
    assert STREAM_WINDOW == len(slow.body.received)
    assert 0 == wire.connection.held
    assert STREAM_WINDOW == wire.server.h2.local_flow_control_window(1)


def test_not_yet_delivered(wire: H2Wire) -> None:
    """A response that nobody wants yet is held back like a paused one."""
    asked = wire.asked(deliver=False)
    wire.server.h2.send_headers(1, ok(2 << 20))
    wire.hear(wire.server.say())
    body(wire, 1, STREAM_WINDOW)
    assert 0 == wire.server.h2.local_flow_control_window(1)
    asked.response.deliverBody(asked.body)
    wire.turn()
    body(wire, 1, STREAM_WINDOW)
    assert 2 << 20 == len(asked.body.received)


def test_many_paused(wire: H2Wire) -> None:
    """However many are paused, the connection as a whole is held back too, at so many bytes."""
    many = [wire.asked() for _ in range(20)]
    for number in range(1, 41, 2):
        wire.server.h2.send_headers(number, ok(4 << 20))
    wire.hear(wire.server.say())
    for each in many:
        each.body.producer.pauseProducing()
    sent = 0
    for number in range(1, 41, 2):
        size = min(STREAM_WINDOW, wire.server.h2.outbound_flow_control_window)
        body(wire, number, size)
        sent += size
    assert LOAN + CONNECTION_WINDOW >= sent == wire.connection.held
    assert wire.connection.withholding
    for each in many:
        each.body.producer.resumeProducing()
    wire.turn()
    assert CONNECTION_WINDOW // 2 <= wire.server.h2.outbound_flow_control_window
    assert sent == sum(len(each.body.received) for each in many)


def test_padding(wire: H2Wire) -> None:
    """Padding counts for windows, and for nothing else."""
    asked = wire.asked()
    wire.server.h2.send_headers(1, OK)
    wire.hear(wire.server.say())
    for _ in range(3000):
        wire.server.h2.send_data(1, b"x", pad_length=255)
        wire.hear(wire.server.say())
    assert 3000 == len(asked.body.received)
    assert STREAM_WINDOW // 2 <= wire.server.h2.local_flow_control_window(1)


def test_end_waits_for_who_is_paused(wire: H2Wire) -> None:
    """A consumer that is paused hears the end when it goes on, and its stream is free before that."""
    asked = wire.asked()
    wire.server.h2.send_headers(1, ok(5))
    wire.hear(wire.server.say())
    asked.body.producer.pauseProducing()
    wire.server.h2.send_data(1, b"hello", end_stream=True)
    wire.hear(wire.server.say())
    assert (200, b"", "") == asked.outcome
    assert 0 == wire.connection.busy
    asked.body.producer.resumeProducing()
    wire.turn()
    assert (200, b"hello", "ResponseDone") == asked.outcome


def test_windows_of_requests(wire: H2Wire) -> None:
    """How much a server would take of a stream means nothing here, until it is more than there may be."""
    asked, other = wire.asked(), wire.asked()
    wire.hear(WindowUpdateFrame(1, window_increment=1000))
    assert () == asked.outcome
    wire.hear(WindowUpdateFrame(1, window_increment=2**31 - 1))
    assert "ParseError" == type(reason(asked)).__name__
    wire.answer(3)
    assert (200, b"", "ResponseDone") == other.outcome


def test_late_data(wire: H2Wire) -> None:
    """What comes for a stream that was given up is not lost to the connection's window."""
    asked = wire.asked()
    wire.server.h2.send_headers(1, OK)
    wire.hear(wire.server.say())
    asked.body.producer.stopProducing()
    wire.clock.advance(0)
    unheard = wire.transport.value()
    wire.transport.clear()
    for _ in range(5):
        wire.server.data(1, bytes(1 << 20))
        wire.connection.dataReceived(wire.server.say())
        wire.server.h2.streams[1].outbound_flow_control_window = 1 << 20  # as if it had asked for more
    wire.server.hear(unheard)
    wire.turn()
    assert CONNECTION_WINDOW // 2 <= wire.server.h2.outbound_flow_control_window


class Whim(Body):
    """Does with its producer what it was told to, at the first byte."""

    def __init__(self, whim: str) -> None:
        super().__init__()
        self._whim = whim

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        if self._whim == "raise":
            raise ZeroDivisionError
        whim, self._whim = self._whim, ""
        if whim:
            getattr(self.producer, whim)()


@pytest.mark.parametrize(
    ("whim", "end", "count"),
    [("raise", "ResponseFailed", 1), ("stopProducing", "ResponseFailed", 1), ("pauseProducing", "", 1), ("", "", 2)],
)
def test_whims(wire: H2Wire, whim: str, end: str, count: int) -> None:
    """A consumer may do what it likes, and harms itself only."""
    asked, other = wire.asked(body=Whim(whim)), wire.asked()
    wire.server.h2.send_headers(1, OK)
    wire.hear(wire.server.say())
    for _ in range(2):
        if 1 in wire.server.h2.streams and wire.server.h2.streams[1].open:
            wire.server.h2.send_data(1, b"x")
        wire.hear(wire.server.say())
    assert (200, b"x" * count, end) == asked.outcome
    wire.answer(3)
    assert (200, b"", "ResponseDone") == other.outcome
    assert not wire.aborted
    if whim == "raise":
        assert isinstance(reason(asked), ZeroDivisionError)
    if end:
        assert [ErrorCodes.CANCEL] == [event.error_code for event in wire.server.every(StreamReset)]


def test_lost_within(wire: H2Wire) -> None:
    """A consumer within which the connection is lost hears of it once, even if it raises then."""

    class Losing(Body):
        def dataReceived(self, data: bytes) -> None:
            wire.lose()
            raise ZeroDivisionError

    asked = wire.asked(body=Losing())
    wire.server.h2.send_headers(1, OK)
    wire.hear(wire.server.say())
    wire.server.h2.send_data(1, b"x")
    wire.hear(wire.server.say())
    assert (200, b"", "ResponseFailed") == asked.outcome
    assert ["ConnectionDone", "_DataLoss"] == asked.reasons


def test_stopped_at_the_end(wire: H2Wire) -> None:
    """Who gives a body up of which all has come hears that, too."""
    asked = wire.asked()
    wire.server.h2.send_headers(1, ok(5))
    wire.hear(wire.server.say())
    asked.body.producer.pauseProducing()
    wire.server.h2.send_data(1, b"hello", end_stream=True)
    wire.hear(wire.server.say())
    asked.body.producer.stopProducing()
    wire.turn()
    assert (200, b"", "ResponseFailed") == asked.outcome
    assert [] == wire.server.every(StreamReset)
    assert 0 == wire.connection.held


# Cancelling and timeouts


def test_cancel(wire: H2Wire) -> None:
    """Who leaves ends its stream; the connection stays."""
    asked, other = wire.asked(), wire.asked()
    asked.deferred.cancel()
    assert ("ResponseNeverReceived",) == asked.outcome
    assert ["CancelledError"] == asked.reasons
    wire.turn()
    assert [(1, ErrorCodes.CANCEL)] == [(each.stream_id, each.error_code) for each in wire.server.every(StreamReset)]
    wire.answer(3)
    assert (200, b"", "ResponseDone") == other.outcome
    assert wire.connection.idle


def test_cancel_at_once(wire: H2Wire) -> None:
    """Who leaves before the turn is over is heard of all the same: the tables of headers must agree."""
    wire.ask().deferred.cancel()
    wire.turn()
    assert [1] == [event.stream_id for event in wire.server.every(StreamReset)]
    wire.asked()
    assert b"/path" == wire.server.requests[1][b":path"]


def ticking(**timeouts: Any) -> tuple[H2Wire, Asked]:
    """Return a connection with these timeouts, and a request on it."""
    wire = H2Wire(Timeouts(**timeouts))
    wire.connection.timeouts = wire.timeouts
    wire.hear(wire.server.say())
    return wire, wire.asked()


def look(wire: H2Wire, *times: float) -> None:
    """Look at the connection at each of these times."""
    for each in times:
        wire.connection.look(each)
        wire.turn()


def test_no_timeouts(wire: H2Wire) -> None:
    """Where there are none, none passes."""
    asked = wire.asked()
    look(wire, 0, 1e6)
    assert () == asked.outcome


def test_headers_timeout() -> None:
    """A stream whose headers do not come in time is given up, alone where the server still says something."""
    wire, asked = ticking(headers=5)
    look(wire, 0, 4)
    wire.hear(PingFrame(0))
    look(wire, 5.5)
    assert isinstance(reason(asked), HeadersTimeout)
    assert wire.connection.idle
    other = wire.asked()
    wire.answer(3)
    assert (200, b"", "ResponseDone") == other.outcome


def test_dead_connection() -> None:
    """Where nothing came at all, the connection is used no more."""
    wire, asked = ticking(headers=5)
    look(wire, 0, 6)
    assert isinstance(reason(asked), HeadersTimeout)
    assert not wire.connection.lasts
    assert wire.closed


def test_sleep_does_not_count() -> None:
    """Time in which the process did not run is taken out."""
    wire, asked = ticking(headers=5)
    look(wire, 0)
    wire.connection.shift(100)
    look(wire, 104)
    assert () == asked.outcome
    look(wire, 106)
    assert isinstance(reason(asked), HeadersTimeout)


@pytest.mark.parametrize("paused", [True, False])
def test_idle_timeout(paused: bool) -> None:
    """A body that stands still is given up, unless it is we who do not read."""
    wire, asked = ticking(idle=5)
    wire.server.h2.send_headers(1, ok(9))
    wire.hear(wire.server.say())
    wire.server.h2.send_data(1, b"some")
    if paused:
        asked.body.producer.pauseProducing()
    wire.hear(wire.server.say())
    look(wire, 0, 6, 12)
    assert (200, b"" if paused else b"some", "" if paused else "ResponseFailed") == asked.outcome
    if not paused:
        assert isinstance(reason(asked), IdleTimeout)


def test_low_speed() -> None:
    """A body that comes too slowly is given up."""
    wire, asked = ticking(low_speed=100, low_speed_time=10)
    wire.server.h2.send_headers(1, ok(9999))
    wire.hear(wire.server.say())
    for now in range(20):
        if not asked.body.ends:
            wire.server.h2.send_data(1, b"x")
            wire.hear(wire.server.say())
        look(wire, now)
    assert isinstance(reason(asked), LowSpeed)


# Room


def test_not_persistent(wire: H2Wire) -> None:
    """A connection that is not to be kept ends with its request."""
    asked = wire.asked(request=get(persistent=False))
    assert not wire.connection.lasts
    wire.answer(1)
    assert (200, b"", "ResponseDone") == asked.outcome
    assert wire.closed


def test_reset_is_an_error_with_words() -> None:
    """What the server says is in the error."""
    error = Reset("https://host.test/", "INTERNAL_ERROR")
    assert "INTERNAL_ERROR" in str(error)
    assert error.retryable
    assert "did not take" in str(Reset(code="REFUSED_STREAM", processed=False))


def test_headers_of_a_stream_that_was_given_up(wire: H2Wire) -> None:
    """A response to what was given up is read, since the tables of headers go on, and forgotten."""
    asked = wire.ask()
    wire.clock.advance(0)
    unheard = wire.transport.value()
    wire.transport.clear()
    wire.server.hear(unheard)
    answer = wire.server.answer(1, b"late", ok(4, ("x-new", "value")))
    asked.deferred.cancel()
    wire.hear(answer)
    other = wire.asked()
    wire.answer(3, b"hi", ok(2, ("x-new", "value")))
    assert (200, b"hi", "ResponseDone") == other.outcome
    assert "value" == other.response.fields["x-new"]


def test_frame_sizes(wire: H2Wire) -> None:
    """A frame of the largest size passes, one byte more does not."""
    asked = wire.asked()
    wire.server.h2.send_headers(1, OK)
    wire.hear(wire.server.say())
    wire.hear(DataFrame(1, data=bytes(16384)))
    assert 16384 == len(asked.body.received)
    wire.connection.dataReceived(struct.pack(">I", 16385)[1:] + bytes(6))
    assert wire.aborted
