"""Tests for `tests.servers.scripted`: a plain socket sees each step and ending."""

from __future__ import annotations

import pytest
from OpenSSL.SSL import Error as TLSError
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import deferLater

from tests.lag import Lag
from tests.leaks import LoggedErrors
from tests.servers.client import Connect
from tests.servers.reactor import IReactor
from tests.servers.scripted import (
    Close,
    Forever,
    HalfClose,
    Hear,
    Request,
    Reset,
    Scripted,
    Send,
    SendSlowly,
    Stall,
    Step,
    Steps,
    Until,
    Wait,
    cut,
    ok,
)
from tests.servers.tls import Authority


@ensureDeferred
async def test_records_the_request(scripted: Scripted, connect: Connect) -> None:
    """A request is kept with its method, target, headers in order, body and peer."""
    scripted.on(b"/a", [ok(b"yes")])
    client = await connect(scripted)
    client.send(b"POST /a?b=c HTTP/1.1\r\nX: 1\r\nx: 2\r\nContent-Length: 2\r\n\r\nhi")
    assert await client.answer() == b"yes"
    (request,) = scripted.requests
    assert (request.method, request.target, request.version, request.body) == (b"POST", b"/a?b=c", b"HTTP/1.1", b"hi")
    assert request.headers == ((b"X", b"1"), (b"x", b"2"), (b"Content-Length", b"2"))
    assert request.header(b"x") == b"1"
    assert request.all(b"X") == [b"1", b"2"]
    assert request.peer[0] == "127.0.0.1"
    assert [request] == scripted.asked(b"/a") == scripted.asked(b"/a?b=c")


@ensureDeferred
async def test_answers_in_turn(scripted: Scripted, connect: Connect) -> None:
    """The answers of a path are used one after the other, and the last one repeats."""
    scripted.on(b"/", [ok(b"one"), lambda request: ok(b"%d" % request.index)])
    client = await connect(scripted)
    answers = []
    for _ in range(3):
        client.get()
        answers.append(await client.answer())
    assert answers == [b"one", b"1", b"2"]


@ensureDeferred
async def test_default(scripted: Scripted, connect: Connect) -> None:
    """A path without answers gets 404, or what the default chooses."""
    client = await connect(scripted)
    client.get("/nowhere")
    await client.heard(12)
    assert client.received.startswith(b"HTTP/1.1 404 Not Found\r\n")
    await client.answer()
    scripted.default = lambda request: ok(request.target)
    client.get("/somewhere")
    assert await client.answer() == b"/somewhere"


@ensureDeferred
async def test_pipelined(scripted: Scripted, connect: Connect) -> None:
    """Requests that come at once are answered one by one."""
    scripted.default = lambda request: ok(request.target)
    client = await connect(scripted)
    client.send(b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n")
    assert [await client.answer(), await client.answer()] == [b"/1", b"/2"]
    assert [request.index for request in scripted.requests] == [0, 1]


@ensureDeferred
async def test_counts(reactor: IReactor, scripted: Scripted, connect: Connect) -> None:
    """Connections accepted, open and open at most are counted, and bytes sent."""
    scripted.default = lambda _: [Send(b"12345")]
    first, second = await connect(scripted), await connect(scripted)
    first.get()
    second.get()
    await first.heard(5)
    await second.heard(5)
    await first.leave()
    while scripted.live > 1:
        await deferLater(reactor, 0.001)
    assert (scripted.accepted, scripted.live, scripted.high_water, scripted.bytes_sent) == (2, 1, 2, 10)


@ensureDeferred
async def test_send_slowly(reactor: IReactor, scripted: Scripted, connect: Connect, lag: Lag) -> None:
    """Slow bytes come piece by piece with the delay between."""
    scripted.on(b"/", [[SendSlowly(b"abcdef", 2, 0.05), Close()]])
    client = await connect(scripted)
    started = reactor.seconds()
    client.get()
    assert await client.heard_all() == b"abcdef"
    assert len(client.times) == 3 or lag.seconds > 0.04
    assert client.times[-1] - started >= 0.09


@ensureDeferred
async def test_wait(reactor: IReactor, scripted: Scripted, connect: Connect, lag: Lag) -> None:
    """A wait parts what is sent before it from what is sent after."""
    scripted.on(b"/", [[Send(b"a"), Wait(0.1), Send(b"b"), Close()]])
    client = await connect(scripted)
    started = reactor.seconds()
    client.get()
    assert await client.heard_all() == b"ab"
    assert len(client.times) == 2 or lag.seconds > 0.09
    assert 0.09 <= client.times[-1] - started <= 1 + lag.seconds


@ensureDeferred
async def test_until(scripted: Scripted, connect: Connect) -> None:
    """A script waits for the test."""
    event: Deferred[None] = Deferred()
    scripted.on(b"/", [[Send(b"a"), Until(event), Send(b"b"), Close()]])
    client = await connect(scripted)
    client.get()
    assert await client.heard(1) == b"a"
    event.callback(None)
    assert await client.heard_all() == b"ab"


@pytest.mark.parametrize("size", [0, 1, 16_383, 65_536, 3_000_000])
@ensureDeferred
async def test_reset_delivers(scripted: Scripted, connect: Connect, size: int) -> None:
    """A reset comes after exactly the bytes sent before it."""
    scripted.on(b"/", [[Send(bytes(size)), Reset()]])
    client = await connect(scripted)
    client.get()
    assert size == len(await client.heard_all())
    assert isinstance(client.ended, ConnectionLost)


@ensureDeferred
async def test_reset_at_once(scripted: Scripted, connect: Connect) -> None:
    """A reset that does not wait drops what the client has not taken."""
    scripted.on(b"/", [[Send(bytes(2**16)), Reset(delivered=False)]])
    client = await connect(scripted)
    client.get()
    assert len(await client.heard_all()) < 2**16
    assert isinstance(client.ended, ConnectionLost)


@ensureDeferred
async def test_close(scripted: Scripted, connect: Connect) -> None:
    """A close is an orderly end."""
    scripted.on(b"/", [ok(b"abc", length=False)])
    client = await connect(scripted)
    client.get()
    assert (await client.heard_all()).endswith(b"\r\n\r\nabc")
    assert isinstance(client.ended, ConnectionDone)


@ensureDeferred
async def test_half_close(scripted: Scripted, connect: Connect) -> None:
    """After a half close the client sees the end while the server still holds the connection."""
    scripted.on(b"/", [[Send(b"abc"), HalfClose(), Stall()]])
    client = await connect(scripted)
    client.get()
    assert await client.heard_all() == b"abc"
    assert isinstance(client.ended, ConnectionDone)


@ensureDeferred
async def test_stall(reactor: IReactor, scripted: Scripted, connect: Connect) -> None:
    """A stalled script sends nothing and ends when the client leaves."""
    scripted.on(b"/", [[Send(b"a"), Stall(), Send(b"b")]])
    client = await connect(scripted)
    client.get()
    await client.heard(1)
    await deferLater(reactor, 0.05)
    assert client.received == b"a"
    await client.leave()
    while scripted.live:
        await deferLater(reactor, 0.001)


@ensureDeferred
async def test_forever(reactor: IReactor, scripted: Scripted, connect: Connect) -> None:
    """An endless body goes on until the client leaves, and no faster than it reads."""
    scripted.on(b"/", [[Forever(bytes(2**16))]])
    client = await connect(scripted)
    client.get()
    await client.heard(10 * 2**16)
    client.pause()
    sent = 0
    while sent < scripted.bytes_sent:  # the kernel's buffers fill
        sent = scripted.bytes_sent
        assert sent < 100_000_000
        await deferLater(reactor, 0.1)
    client.resume()
    await client.heard(sent + 1)


@ensureDeferred
async def test_forever_capped(scripted: Scripted, connect: Connect) -> None:
    """An endless body with a cap ends exactly there."""
    scripted.on(b"/", [[Forever(b"abc", 10), Close()]])
    client = await connect(scripted)
    client.get()
    assert await client.heard_all() == b"abcabcabca"


@ensureDeferred
async def test_client_leaves(scripted: Scripted, connect: Connect, logged_errors: LoggedErrors) -> None:
    """A client that leaves in the middle of a script is no error."""
    scripted.on(b"/", [[Send(b"a"), Wait(60)]])
    client = await connect(scripted)
    client.get()
    await client.heard(1)
    await client.leave()
    await scripted.close()
    assert logged_errors.flush() == []


@ensureDeferred
async def test_script_fails(scripted: Scripted, connect: Connect, logged_errors: LoggedErrors) -> None:
    """A mistake in a script is logged, which fails the test unless it expects it, and resets the connection."""

    def wrong(request: Request) -> Steps:
        raise LookupError

    scripted.on(b"/", [wrong])
    client = await connect(scripted)
    client.get()
    await client.heard_all()
    assert len(logged_errors.flush(LookupError)) == 1


@ensureDeferred
async def test_tls(scripted_tls: Scripted, tls: Authority, connect: Connect) -> None:
    """Over TLS, answers and resets are the same."""
    scripted_tls.on(b"/", [ok(b"abc"), cut(ok(bytes(100_000)), 99_999)])
    client = await connect(scripted_tls)
    client.secure(tls.ca_file.read_bytes())
    client.get()
    assert await client.answer() == b"abc"
    client.get()
    _, _, body = (await client.heard_all()).partition(b"\r\n\r\n")
    assert len(body) == 99_999
    assert isinstance(client.ended, ConnectionLost)


@pytest.mark.parametrize("how", [Close(), HalfClose()])
@ensureDeferred
async def test_tls_end(scripted_tls: Scripted, tls: Authority, connect: Connect, how: Step) -> None:
    """Over TLS a close says so first, and a half close does not, which is how truncation looks."""
    scripted_tls.on(b"/", [[Send(b"abc"), how]])
    client = await connect(scripted_tls)
    client.secure(tls.ca_file.read_bytes())
    client.get()
    assert await client.heard_all() == b"abc"
    assert isinstance(client.ended, ConnectionDone if isinstance(how, Close) else TLSError | ConnectionLost)


@ensureDeferred
async def test_tls_greeting(scripted_tls: Scripted, tls: Authority, connect: Connect) -> None:
    """A handshake can be slow, broken off by a reset after the client's hello, answered with garbage, or never done."""
    greetings: list[Steps] = [[Wait(0.05)], [Hear(), Reset()], [Hear(), Send(b"HTTP/1.1 400 no\r\n\r\n")], [Stall()]]
    scripted_tls.greeting = greetings.__getitem__
    scripted_tls.default = lambda _: ok(b"abc")
    slow, reset, garbage, stalled = [await connect(scripted_tls) for _ in greetings]
    for client in (slow, reset, garbage, stalled):
        client.secure(tls.ca_file.read_bytes())
        client.get()
    assert await slow.answer() == b"abc"
    await reset.heard_all()
    assert isinstance(reset.ended, ConnectionLost)
    await garbage.heard_all()
    assert isinstance(garbage.ended, TLSError)
    assert stalled.ended is None
    assert len(scripted_tls.requests) == 1


@ensureDeferred
async def test_greeting(scripted: Scripted, connect: Connect) -> None:
    """A connection can be ended as soon as it is accepted."""
    scripted.greeting = lambda _: [Reset()]
    client = await connect(scripted)
    assert await client.heard_all() == b""
    assert isinstance(client.ended, ConnectionLost)
