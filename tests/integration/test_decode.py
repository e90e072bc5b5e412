"""treq over `DecodeAgent` over a real connection, and what treq does without it."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_twisted
from pytest_twisted import ensureDeferred
from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent

from tests.servers.reactor import IReactor
from tests.servers.scripted import Close, Scripted, chunked, cut, ok
from twisted_pulp.errors import DownloadError, ProtocolError, TooLarge, Truncated
from twisted_pulp.http import ConnectionPool, DecodeAgent, Endpoints, ErrorAgent, HTTPAgent, Resolver, Watch
from twisted_pulp.settings import Remote

GZIP = [(b"Content-Encoding", b"gzip")]
JSON = b'{"meta": {"api-version": "1.1"}, "name": "twisted"}'
LIMIT = 1 << 20
#: 64 MiB in 64 KiB, in one read.
BOMB = gzip.compress(bytes(64 << 20), 9)


@pytest_twisted.async_yield_fixture
async def agent(reactor: IReactor) -> AsyncIterator[IAgent]:
    """Our agent, without a layer for codings."""
    watch = Watch(reactor)
    pool = ConnectionPool(reactor, watch=watch)
    endpoints = Endpoints(reactor, Resolver(reactor), watch, Remote())
    yield ErrorAgent(HTTPAgent(reactor, endpoints, pool))
    await pool.close()
    watch.stop()


@pytest.fixture
def client(agent: IAgent) -> HTTPClient:
    """treq over our agent, which decodes up to a MiB."""
    return HTTPClient(DecodeAgent(agent, LIMIT))


class Largest(Protocol):
    """A consumer that notes the size of the largest piece it got."""

    def __init__(self) -> None:
        self.largest = 0
        self.ended: Deferred[BaseException | None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.largest = max(self.largest, len(data))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ended.callback(reason.value)


@ensureDeferred
async def test_json(client: HTTPClient, scripted: Scripted) -> None:
    """treq gets what was encoded, decoded once, and its own wish for a coding goes nowhere."""
    scripted.on(b"/", [ok(gzip.compress(JSON), GZIP)])
    response = await client.get(scripted.url("/"), headers=Headers({"Accept-Encoding": ["br"]}))
    assert {"meta": {"api-version": "1.1"}, "name": "twisted"} == await response.json()
    assert [b"gzip"] == scripted.requests[0].all(b"Accept-Encoding")
    assert not any(response.headers.getRawHeaders("Content-Encoding", []))


@ensureDeferred
async def test_decoded_once(client: HTTPClient, scripted: Scripted) -> None:
    """A file that is gzip itself stays so when it was encoded once more on its way."""
    scripted.on(b"/", [ok(gzip.compress(gzip.compress(JSON)), GZIP)])
    response = await client.get(scripted.url("/"))
    assert JSON == gzip.decompress(await response.content())


@ensureDeferred
async def test_chunked(client: HTTPClient, scripted: Scripted) -> None:
    """Several codings in a body of unknown length are all undone, and the connection is kept."""
    coded = gzip.compress(zlib.compress(JSON))
    scripted.on(b"/", [chunked(coded, 5, headers=[(b"Content-Encoding", b"deflate, gzip")])])
    for _ in range(2):
        assert JSON == await (await client.get(scripted.url("/"))).content()
    assert 1 == scripted.accepted


@ensureDeferred
async def test_bomb(client: HTTPClient, scripted: Scripted) -> None:
    """A bomb ends with an error that says where it came from, and small pieces until then."""
    scripted.on(b"/", [ok(BOMB, GZIP)])
    response = await client.get(scripted.url("/"), unbuffered=True)
    body = Largest()
    response.deliverBody(body)
    error = await body.ended
    assert isinstance(error, TooLarge)
    assert (scripted.url("/"), True) == (error.url, body.largest <= 65536)
    with pytest.raises(TooLarge):
        await (await client.get(scripted.url("/"))).content()


@ensureDeferred
async def test_stock_bomb(reactor: IReactor, scripted: Scripted) -> None:
    """The trap: treq over Twisted's agent makes 64 MiB of one read, and asks nobody."""
    pool = HTTPConnectionPool(reactor, persistent=False)
    client = HTTPClient(Agent(reactor, pool=pool))
    scripted.on(b"/", [ok(BOMB, GZIP)])
    response = await client.get(scripted.url("/"), unbuffered=True)
    body = Largest()
    response.deliverBody(body)
    await body.ended
    assert 32 << 20 < body.largest


@pytest.mark.parametrize("stock", [False, True])
@ensureDeferred
async def test_truncated(client: HTTPClient, reactor: IReactor, scripted: Scripted, stock: bool) -> None:
    """A gzip without its end is an error; the trap: stock treq takes it for all there is."""
    scripted.on(b"/", [ok(gzip.compress(JSON)[:-10], GZIP)])
    if stock:
        client = HTTPClient(Agent(reactor, pool=HTTPConnectionPool(reactor, persistent=False)))
        assert JSON.startswith(await (await client.get(scripted.url("/"))).content())
        return
    with pytest.raises(Truncated):
        await (await client.get(scripted.url("/"))).content()


@ensureDeferred
async def test_broken_off(client: HTTPClient, scripted: Scripted) -> None:
    """A connection that ends too early says how much came of how much."""
    data = gzip.compress(JSON)
    scripted.on(b"/", [cut(ok(data, GZIP), 20, Close())])
    response = await client.get(scripted.url("/"))
    with pytest.raises(Truncated) as caught:
        await response.content()
    assert (20, len(data), scripted.url("/")) == (caught.value.received, caught.value.expected, caught.value.url)


@pytest.mark.parametrize("coding", [b"br", b"gzip, gzip, gzip, gzip, gzip, gzip"])
@ensureDeferred
async def test_refused(client: HTTPClient, scripted: Scripted, coding: bytes) -> None:
    """A coding that nobody asked for fails the request, and leaves no connection behind."""
    scripted.on(b"/", [ok(JSON, [(b"Content-Encoding", coding)])])
    with pytest.raises(ProtocolError):
        await client.get(scripted.url("/"))


@ensureDeferred
async def test_identity_limit(client: HTTPClient, scripted: Scripted) -> None:
    """What is not encoded has the same limit, with a length and without."""
    scripted.on(b"/", [ok(bytes(LIMIT + 1))])
    scripted.on(b"/chunked", [chunked(bytes(LIMIT + 1), 10)])
    with pytest.raises(TooLarge):
        await client.get(scripted.url("/"))
    response: Any = await client.get(scripted.url("/chunked"))
    with pytest.raises(DownloadError, match="larger than the 1048576 bytes"):
        await response.content()


@ensureDeferred
async def test_head(client: HTTPClient, scripted: Scripted) -> None:
    """HEAD has no body to decode."""
    scripted.on(b"/", [ok(b"", GZIP)])
    response = await client.head(scripted.url("/"))
    assert (200, b"") == (response.code, await response.content())
