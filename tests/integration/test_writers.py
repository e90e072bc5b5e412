"""Where bytes can go, against real servers: files, memory, nothing, a client of ours, any consumer."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import async_yield_fixture, ensureDeferred
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.task import deferLater
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from tests.fakes import Consumer
from tests.leaks import LoggedErrors
from tests.servers.client import Socket
from tests.servers.corpus import Corpus
from tests.servers.nginx import Nginx
from tests.servers.reactor import IReactor
from tests.servers.scripted import Forever, Scripted, Send, Stall, cut, ok, ranged, status
from twisted_pulp.context import Context
from twisted_pulp.download import DownloadReport
from twisted_pulp.errors import NotFound, PulpError, TooLarge
from twisted_pulp.http import HTTPConnection
from twisted_pulp.settings import Remote, Retry
from twisted_pulp.transfer import DigestOnly, Memory, ResponseWriter

ONCE = Remote(retry=Retry(retries=0))
BODY = hashlib.shake_256(b"body").digest(2 << 20)
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.mark.parametrize("size", [0, 1, 4096, 256 << 10, (256 << 10) + 1, 5 << 20])
@ensureDeferred
async def test_path(context: Context, nginx: Nginx, corpus: Corpus, tmp_path: Path, size: int) -> None:
    """A file of any size comes to its path, whole and alone."""
    file = corpus.file("f", size)
    report = await context.downloader(ONCE).download(
        nginx.url("/f"), path=tmp_path / "d/f", size=size, digests={"sha256": file.sha256}
    )
    assert (size, True, str(tmp_path / "d/f")) == (report.size, report.verified, report.path)
    assert file.body == (tmp_path / "d/f").read_bytes()
    assert ["f"] == [path.name for path in (tmp_path / "d").iterdir()]


@pytest.mark.parametrize("to_file", [True, False])
@ensureDeferred
async def test_large_pieces(
    context: Context, nginx: Nginx, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to_file: bool
) -> None:
    """A large file that is alone is read in pieces of 1 MiB; what goes anywhere else comes in smaller ones."""
    heard: list[int] = []
    received = HTTPConnection.dataReceived

    def hear(self: HTTPConnection, data: bytes) -> None:
        heard.append(self.transport.bufferSize)
        received(self, data)

    monkeypatch.setattr(HTTPConnection, "dataReceived", hear)
    digests = {"sha256": corpus.file("f", 5 << 20).sha256}
    where: dict[str, Any] = {"path": tmp_path / "f"} if to_file else {"writer": DigestOnly()}
    await context.downloader(ONCE).download(nginx.url("/f"), digests=digests, **where)
    assert (1 << 20 if to_file else 256 << 10) == max(heard)


@pytest.mark.parametrize("size", [4096, 1 << 20])
@ensureDeferred
async def test_private_file(context: Context, nginx: Nginx, corpus: Corpus, tmp_path: Path, size: int) -> None:
    """Without a path a private file is made, which is gone after the close, unless it was taken."""
    file = corpus.file("f", size)
    downloader = context.downloader(ONCE)
    left, taken = [await downloader.download(nginx.url("/f")) for _ in range(2)]
    assert file.body == Path(left.path).read_bytes()
    Path(taken.path).rename(tmp_path / "taken")
    await downloader.close()
    assert (False, file.body) == (Path(left.path).exists(), (tmp_path / "taken").read_bytes())


@ensureDeferred
async def test_memory(context: Context, nginx: Nginx, corpus: Corpus) -> None:
    """A file comes to memory, as far as its limit allows."""
    file = corpus.file("f", 1 << 20)
    memory = Memory()
    report = await context.downloader(ONCE).download(nginx.url("/f"), writer=memory)
    assert (file.body, None) == (memory.content, report.path)
    with pytest.raises(TooLarge):
        await context.downloader(ONCE).download(nginx.url("/f"), writer=Memory(file.size - 1))


@ensureDeferred
async def test_digest_only(context: Context, nginx: Nginx, corpus: Corpus, tmp_path: Path) -> None:
    """Digests and size are calculated without keeping anything."""
    file = corpus.file("f", 1 << 20)
    report = await context.downloader(ONCE).download(nginx.url("/f"), writer=DigestOnly(), compute=["md5", "blake2b"])
    assert {name: file.digest(name) for name in ("md5", "sha256")} == {
        name: report.digests[name] for name in ("md5", "sha256")
    }
    assert (file.size, 128) == (report.size, len(report.digests["blake2b"]))


@ensureDeferred
async def test_head(context: Context, scripted: Scripted) -> None:
    """Headers come without a body, and the connection is used again."""
    scripted.on(b"/f", [ranged(BODY)])
    downloader = context.downloader(ONCE)
    for _ in range(3):
        report = await downloader.head(scripted.url("/f"))
        assert (len(BODY), '"v1"', 200, scripted.url("/f")) == (
            report.size,
            report.headers["etag"],
            report.status,
            report.final_url,
        )
    assert ([b"HEAD"] * 3, 1) == ([request.method for request in scripted.requests], scripted.accepted)
    with pytest.raises(NotFound):
        await downloader.head(scripted.url("/missing"))


class Slow(Consumer):
    """A consumer that takes one piece and then rests."""

    def __init__(self, reactor: Any) -> None:
        super().__init__()
        self.reactor, self.early, self.resting = reactor, 0, False

    def write(self, data: bytes) -> None:
        super().write(data)
        self.early += self.resting
        self.resting = True
        self.producer.pauseProducing()
        self.reactor.callLater(0.001, self.rested, self.producer)

    def rested(self, producer: Any) -> None:
        """Take more."""
        self.resting = False
        if self.producer is producer:
            producer.resumeProducing()


@pytest.mark.parametrize("large", [False, True])
@ensureDeferred
async def test_consumer_under_backpressure(
    context: Context, scripted: Scripted, scripted_tls: Scripted, tls: Any, reactor: IReactor, large: bool
) -> None:
    """Any consumer that pauses its producer gets nothing before it resumes, and all in the end."""
    scripted.on(b"/f", [ok(BODY if large else BODY[:100_000])])
    consumer = Slow(reactor)
    report = await context.downloader(ONCE).download(scripted.url("/f"), writer=consumer)
    await deferLater(reactor, 0.01)
    assert (0, report.size, report.digests["sha256"]) == (
        consumer.early,
        len(consumer.data),
        hashlib.sha256(consumer.data).hexdigest(),
    )


@ensureDeferred
async def test_paused_upstream(context: Context, scripted: Scripted, reactor: IReactor) -> None:
    """A consumer that never resumes stops its server: memory does not grow with the file."""
    scripted.on(b"/f", [(Send(b"HTTP/1.1 200 OK\r\n\r\n"), Forever(bytes(65536)))])

    class Full(Consumer):
        def write(self, data: bytes) -> None:
            super().write(data)
            self.producer.pauseProducing()

    consumer = Full()
    running = context.downloader(ONCE).download(scripted.url("/f"), writer=consumer)
    sent = -1
    while sent != scripted.bytes_sent:
        sent = scripted.bytes_sent
        await deferLater(reactor, 0.1)
    assert len(consumer.data) <= 512 << 10
    running.cancel()
    with pytest.raises(CancelledError):
        await running


# A client of ours


class Proxy(Resource):
    """Answers each request with a download."""

    isLeaf = True

    def __init__(self, start: Callable[[ResponseWriter], Deferred[DownloadReport]]) -> None:
        super().__init__()
        self._start = start
        self.ends: list[Any] = []

    def render_GET(self, request: Any) -> int:
        self._start(ResponseWriter(request)).addBoth(self.ends.append)
        return NOT_DONE_YET


class Served:
    """A web server of ours that passes downloads on."""

    def __init__(self, reactor: Any, start: Callable[[ResponseWriter], Deferred[DownloadReport]]) -> None:
        self.reactor, self.proxy = reactor, Proxy(start)
        self.listening = reactor.listenTCP(0, Site(self.proxy), interface="127.0.0.1")
        self.port = self.listening.getHost().port

    async def client(self) -> Socket:
        """Return a client that has asked."""
        client = await Socket.to(self.reactor, self.port)
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        return client

    async def end(self) -> Any:
        """Wait for the end of the first download, and return its error or report."""
        while not self.proxy.ends:
            await deferLater(self.reactor, 0.01)
        end = self.proxy.ends[0]
        return end if isinstance(end, DownloadReport) else end.value


@async_yield_fixture
async def served(reactor: IReactor, context: Context, scripted: Scripted) -> AsyncIterator[Served]:
    """A server that passes on /f of the scripted one, which has a known digest."""
    downloader = context.downloader(ONCE)
    server = Served(
        reactor,
        lambda writer: downloader.download(scripted.url("/f"), writer=writer, digests={"sha256": SHA256}),
    )
    yield server
    await maybeDeferred(server.listening.stopListening)


def parted(data: bytes) -> tuple[bytes, dict[bytes, bytes], bytes]:
    """Return status line, headers and body of *data*."""
    top, _, body = data.partition(b"\r\n\r\n")
    first, *lines = top.split(b"\r\n")
    return first, {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines)}, body


@ensureDeferred
async def test_client(served: Served, scripted: Scripted) -> None:
    """A client gets status and allowed headers, and then the bytes."""
    headers = [(b"ETag", b'"v1"'), (b"Content-Type", b"application/x-rpm"), (b"Set-Cookie", b"a=b"), (b"X-Their", b"1")]
    scripted.on(b"/f", [ok(BODY, headers)])
    client = await served.client()
    first, sent, body = parted(await client.heard_all())
    assert (b"200 OK", BODY) == (first.partition(b" ")[2], body)
    assert (b"%d" % len(BODY), b'"v1"', b"application/x-rpm") == (
        sent[b"content-length"],
        sent[b"etag"],
        sent[b"content-type"],
    )
    assert not {b"set-cookie", b"x-their"} & set(sent)
    assert (await served.end()).verified
    await client.leave()


@ensureDeferred
async def test_headers_before_the_first_byte(served: Served, scripted: Scripted) -> None:
    """The client is answered while the upstream still has most of the body to send."""
    head = b'HTTP/1.1 200 OK\r\nETag: "v1"\r\nContent-Length: %d\r\n\r\n' % len(BODY)
    scripted.on(b"/f", [(Send(head + BODY[:300_000]), Stall())])
    client = await served.client()
    first, sent, _ = parted(await client.heard(300))
    assert (b"200 OK", b'"v1"') == (first.partition(b" ")[2], sent[b"etag"])
    await client.leave()
    assert isinstance(await served.end(), PulpError)


@pytest.mark.parametrize("answer", [status(404), status(503)], ids=["404", "503"])
@ensureDeferred
async def test_bad_gateway(served: Served, scripted: Scripted, answer: Any) -> None:
    """Before the first byte a failure is 502, without words of the upstream's."""
    scripted.on(b"/f", [answer])
    client = await served.client()
    first, _, body = parted(await client.heard_all())
    assert b"502 Bad Gateway" == first.partition(b" ")[2]
    assert scripted.url("").encode() not in body
    await client.leave()
    assert isinstance(await served.end(), PulpError)


@pytest.mark.parametrize(
    "answer", [ok(BODY[:-1] + bytes([BODY[-1] ^ 1])), cut(ok(BODY), 1_500_000)], ids=["flipped", "cut short"]
)
@ensureDeferred
async def test_broken_connection(served: Served, scripted: Scripted, answer: Any) -> None:
    """A client never gets all the bytes of a file that is not what it must be, nor a clean end."""
    scripted.on(b"/f", [answer])
    client = await served.client()
    _, sent, body = parted(await client.heard_all())
    assert len(body) < int(sent[b"content-length"]) == len(BODY)
    assert BODY.startswith(body)
    assert isinstance(await served.end(), PulpError)


@ensureDeferred
async def test_slow_client(served: Served, scripted: Scripted, reactor: IReactor) -> None:
    """A client that reads nothing stops the upstream."""
    scripted.on(b"/f", [(Send(b"HTTP/1.1 200 OK\r\n\r\n"), Forever(bytes(65536), cap=256 << 20))])
    client = await served.client()
    await client.heard(300)
    client.pause()
    sent = -1
    while sent != scripted.bytes_sent:
        sent = scripted.bytes_sent
        await deferLater(reactor, 0.2)
    assert sent < 64 << 20
    await client.leave()
    assert isinstance(await served.end(), PulpError)


@ensureDeferred
async def test_client_leaves(
    served: Served, scripted: Scripted, reactor: IReactor, logged_errors: LoggedErrors
) -> None:
    """When the client leaves, the upstream is cancelled."""
    scripted.on(b"/f", [(Send(b"HTTP/1.1 200 OK\r\n\r\n"), Forever(bytes(65536)))])
    client = await served.client()
    await client.heard(300)
    await client.leave()
    assert isinstance(await served.end(), PulpError)
    while scripted.live:
        await deferLater(reactor, 0.01)
    assert 1 == len(scripted.requests)
