"""HTTP/2 with a real server: the same answers as by HTTP/1.1, over fewer connections, in less time."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, Literal

import pytest
import pytest_twisted
from attrs import evolve
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.web.http_headers import Headers

from tests.fakes import Consumer
from tests.lag import Lag
from tests.servers.corpus import Corpus
from tests.servers.faulty import Faulty
from tests.servers.fixtures import StartFaulty, StartNginx, StartProxy
from tests.servers.nginx import Nginx
from tests.servers.proxies import tinyproxy
from tests.servers.reactor import IReactor
from tests.servers.tls import Authority
from tests.unit.wire import Body
from twisted_pulp.context import Context
from twisted_pulp.download import Download
from twisted_pulp.errors import HTTPStatusError, PulpError
from twisted_pulp.settings import TLS, Proxy, Remote, Retry
from twisted_pulp.transfer import Memory

#: Files of the race; the figure of docs/performance.md is of 1000.
FILES = int(os.environ.get("HTTP2_FILES", "250"))
SAYS = "add_header X-Protocol $server_protocol always;"
LARGE = 20 << 20


@pytest.fixture
def remote(tls: Authority) -> Remote:
    """A Remote that wants HTTP/2."""
    return Remote(tls=TLS(ca_cert=str(tls.ca_file)), http2=True, retry=Retry(base=0))


@pytest_twisted.async_fixture
async def server(start_nginx: StartNginx, corpus: Corpus, tls: Authority) -> Nginx:
    """An nginx that speaks both, and says which."""
    lines = [SAYS, "location /moved/ { rewrite ^/moved/(.*)$ /$1 redirect; }", "http2_max_concurrent_streams 20;"]
    return await start_nginx(corpus.root, tls=tls.files(), http2=True, lines=lines)


async def asked(context: Context, remote: Remote, method: bytes, url: str, headers: Any) -> tuple[Any, str]:
    """Return all that there is to compare of an answer, and the protocol it came by."""
    try:
        response: Any = await context.agent(remote).request(method, url.encode(), Headers(headers))
    except HTTPStatusError as error:
        fields = dict(error.headers)
        protocol = fields.pop("x-protocol").partition(",")[0]
        kept = {name: value for name, value in fields.items() if name not in ("connection", "date")}
        return (type(error), error.status, str(error), kept), protocol
    body = Body()
    response.deliverBody(body)
    while not body.ends:
        await deferLater(context.reactor, 0.001)
    fields = dict(response.fields)
    protocol = fields.pop("x-protocol")
    kept = {name: value for name, value in fields.items() if name not in ("connection", "date", "keep-alive")}
    url = response.request.absoluteURI
    previous = response.previousResponse and response.previousResponse.code
    return (
        (response.code, response.length, url, previous, kept, hashlib.sha256(body.received).hexdigest(), body.end),
        protocol,
    )


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        (b"GET", "small", {}),
        (b"GET", "empty", {}),
        (b"GET", "large", {}),
        (b"HEAD", "small", {}),
        (b"HEAD", "large", {}),
        (b"HEAD", "none", {}),
        (b"GET", "none", {}),
        (b"GET", "moved/small", {}),
        (b"HEAD", "moved/small", {}),
        (b"GET", "moved/none", {}),
        (b"GET", "large", {b"Range": [b"bytes=0-0"]}),
        (b"GET", "large", {b"Range": [b"bytes=1000000-2000000"]}),
        (b"GET", "large", {b"Range": [b"bytes=-7"]}),
        (b"GET", "small", {b"Range": [b"bytes=99999999-"]}),
        (b"GET", "small", {b"Range": [b"bytes=0-1,5-6"]}),
        (b"GET", "small", {b"If-Modified-Since": [b"Fri, 01 Jan 2100 00:00:00 GMT"]}),
        (b"GET", "small", {b"If-Match": [b'"other"']}),
        (b"GET", "small?query=1&other=%20", {b"Accept-Encoding": [b"gzip"]}),
    ],
)
@ensureDeferred
async def test_same_answers(
    context: Context, server: Nginx, corpus: Corpus, remote: Remote, method: bytes, path: str, headers: Any
) -> None:
    """Whatever is asked, the answer is the same by both protocols."""
    corpus.file("small", 4321)
    corpus.file("empty", 0)
    corpus.file("large", 3 << 20)
    new = await asked(context, remote, method, server.url(f"/{path}"), headers)
    old = await asked(context, evolve(remote, http2=False), method, server.url(f"/{path}"), headers)
    assert ("HTTP/2.0", "HTTP/1.1") == (new[1], old[1])
    if "5-6" in str(headers):  # the boundary is another one each time
        assert (206, 206) == (new[0][0], old[0][0])
    else:
        assert old[0] == new[0]


@ensureDeferred
async def test_downloads(context: Context, server: Nginx, corpus: Corpus, remote: Remote, tmp_path: Path) -> None:
    """Many files at once, small, empty and large, more than there are streams, over few connections."""
    files = corpus.files([0, 1, 10240, 70000, 1 << 20] * 30 + [LARGE])
    downloader = context.downloader(remote, directory=str(tmp_path / "new"))
    wanted = [
        Download(server.url(f"/{file.name}"), path=file.name, size=file.size, digests={"sha256": file.sha256})
        for file in files
    ]
    async for report in downloader.download_all(wanted, 60):
        assert report.error is None
        assert report.verified
    assert all(file.body == (tmp_path / "new" / file.name).read_bytes() for file in files)
    assert 3 >= context.pool.overall.high


@ensureDeferred
async def test_falls_back(
    start_nginx: StartNginx, context: Context, corpus: Corpus, tls: Authority, remote: Remote
) -> None:
    """A server that has no HTTP/2 is spoken to by HTTP/1.1, on the same connections."""
    server = await start_nginx(corpus.root, tls=tls.files(), lines=[SAYS])
    files = corpus.files([1000] * 10)
    downloader = context.downloader(remote)
    wanted = [Download(server.url(f"/{file.name}")) for file in files]
    async for report in downloader.download_all(wanted, 4):
        assert report.error is None
        assert "HTTP/1.1" == report.headers["x-protocol"]
    assert 4 >= context.pool.overall.high


@ensureDeferred
async def test_in_the_clear(context: Context, nginx: Nginx, corpus: Corpus, remote: Remote) -> None:
    """Without TLS there is HTTP/1.1 only."""
    file = corpus.file()
    report = await context.downloader(remote).download(nginx.url(f"/{file.name}"))
    assert file.size == report.size


@ensureDeferred
async def test_with_a_body(context: Context, server: Nginx, corpus: Corpus, remote: Remote) -> None:
    """Requests with a body go by HTTP/1.1, whatever the Remote wants."""
    corpus.file("small")
    http = context.downloader(remote).http
    answer = await http.get(server.url("/none"))
    assert "HTTP/2.0" == answer.headers.getRawHeaders("x-protocol")[0]
    await answer.content()
    answer = await http.post(server.url("/small"), data=b"something")
    assert (405, "HTTP/1.1") == (answer.code, answer.headers.getRawHeaders("x-protocol")[0])
    await answer.content()


@ensureDeferred
async def test_keys(context: Context, server: Nginx, corpus: Corpus, remote: Remote) -> None:
    """Remotes with and without HTTP/2 never use each other's connections."""
    file = corpus.file()
    said = []
    for http2 in (True, False, True, False):
        report = await context.downloader(evolve(remote, http2=http2)).download(server.url(f"/{file.name}"))
        said.append(report.headers["x-protocol"])
    assert ["HTTP/2.0", "HTTP/1.1"] * 2 == said
    assert 2 == context.pool.overall.high


@ensureDeferred
async def test_slow_consumer(
    reactor: IReactor, context: Context, server: Nginx, corpus: Corpus, remote: Remote, start_faulty: StartFaulty
) -> None:
    """A consumer that takes nothing holds up its own file, and no other, and no more comes than its window."""
    stuck, quick = corpus.file("stuck", 8 << 20), corpus.files([1 << 20] * 10, "quick")
    proxy = await start_faulty(server.port)
    downloader = context.downloader(remote)

    class Stuck(Consumer):
        def registerProducer(self, producer: Any, streaming: bool) -> None:
            super().registerProducer(producer, streaming)
            producer.pauseProducing()

    consumer = Stuck()
    waiting: Deferred[Any] = downloader.download(Download(proxy.url("/stuck", "https"), writer=consumer))
    for file in quick:
        report = await downloader.download(Download(proxy.url(f"/{file.name}", "https"), writer=Memory()))
        assert report.digests["sha256"] == file.sha256
    assert 1 == proxy.high_water
    assert 0 == len(bytes(consumer.data))
    assert (10 << 20) + (2 << 20) > proxy.bytes_to_client
    consumer.producer.resumeProducing()
    report = await waiting
    assert (stuck.size, stuck.sha256) == (report.size, report.digests["sha256"])


@ensureDeferred
async def test_goes_away(
    context: Context, start_nginx: StartNginx, corpus: Corpus, tls: Authority, remote: Remote
) -> None:
    """A server that says goodbye after a few requests loses none of them."""
    server = await start_nginx(corpus.root, tls=tls.files(), http2=True, lines=["keepalive_requests 7;"])
    files = corpus.files([5000] * 60)
    wanted = [Download(server.url(f"/{file.name}")) for file in files]
    async for report in context.downloader(evolve(remote, retry=Retry(retries=0))).download_all(wanted, 20):
        assert report.error is None
    assert 60 == len(server.log())


@ensureDeferred
async def test_cut(context: Context, server: Nginx, corpus: Corpus, remote: Remote, start_faulty: StartFaulty) -> None:
    """Connections that break in the middle are made again, and what came is not fetched twice."""
    file = corpus.file("large", 8 << 20)
    proxy = await start_faulty(server.port)
    proxy.to_client.reset_after = 3 << 20
    report = await context.downloader(remote).download(
        Download(proxy.url("/large", "https"), writer=Memory(), digests={"sha256": file.sha256})
    )
    assert 3 <= len(report.attempts)
    assert [3 << 20] >= [attempt.bytes for attempt in report.attempts][:1]


@ensureDeferred
async def test_cancelled(context: Context, server: Nginx, corpus: Corpus, remote: Remote) -> None:
    """A download that is cancelled ends its stream, and the others have their connection still."""
    corpus.file("large", LARGE)
    small = corpus.file("small", 1000)
    downloader = context.downloader(remote)
    waiting = downloader.download(Download(server.url("/large"), writer=Consumer()))
    await downloader.download(server.url("/small"))
    waiting.cancel()
    with pytest.raises(PulpError):
        await waiting
    report = await downloader.download(server.url("/small"))
    assert small.size == report.size
    assert 1 == context.pool.overall.high


async def raced(proxy: Faulty, remote: Remote, directory: Path, lag: Lag) -> float:
    """Return how many seconds it takes to download everything over 2 connections, without those of the processor."""
    context = Context(proxy.reactor, per_host=2)
    downloader = context.downloader(remote, directory=str(directory))
    wanted = [Download(proxy.url(f"/file-{number}", "https"), path=str(number)) for number in range(FILES)]
    await downloader.download(wanted[0])  # what is only done once is not what is measured
    lag.stop()
    lag.start()
    begun = proxy.reactor.seconds()
    async for report in downloader.download_all(wanted, 200):
        assert report.error is None
    took = proxy.reactor.seconds() - begun - lag.seconds
    await context.close()
    assert 2 >= proxy.high_water
    return took


@ensureDeferred
async def test_race(
    start_nginx: StartNginx,
    corpus: Corpus,
    remote: Remote,
    tls: Authority,
    start_faulty: StartFaulty,
    tmp_path: Path,
    lag: Lag,
) -> None:
    """Many small files from far away (20 ms), over 2 connections, take less than a third of HTTP/1.1's time."""
    corpus.files([10240] * FILES)
    server = await start_nginx(corpus.root, tls=tls.files(), http2=True)
    took = []
    for http2 in (False, True):
        proxy = await start_faulty(server.port)
        proxy.to_client.latency = 0.02
        took.append(await raced(proxy, evolve(remote, http2=http2), tmp_path / str(http2), lag))
    print(f"{FILES} x 10 KiB: {took[0]:.2f} s by HTTP/1.1, {took[1]:.2f} s by HTTP/2")  # noqa: T201
    assert took[1] < took[0] / 3


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@ensureDeferred
async def test_versions_of_tls(
    context: Context,
    start_nginx: StartNginx,
    tls: Authority,
    corpus: Corpus,
    remote: Remote,
    version: Literal["1.2", "1.3"],
) -> None:
    """What a server says right behind the handshake, in the same read, is heard; in TLS 1.2 nginx does that."""
    lines = [SAYS, f"ssl_protocols TLSv{version};"]
    server = await start_nginx(corpus.root, tls=tls.files(), http2=True, lines=lines)
    file = corpus.file()
    new = evolve(remote, tls=evolve(remote.tls, min_version=version, max_version=version))
    report = await context.downloader(new).download(server.url(f"/{file.name}"))
    assert "HTTP/2.0" == report.headers["x-protocol"]


@ensureDeferred
async def test_through_a_proxy(
    context: Context, server: Nginx, corpus: Corpus, remote: Remote, start_proxy: StartProxy
) -> None:
    """The protocol is a matter of the two ends of a tunnel."""
    proxy = await start_proxy(tinyproxy)
    files = corpus.files([1000] * 20)
    downloader = context.downloader(evolve(remote, proxy=Proxy(url=f"http://127.0.0.1:{proxy.port}")))
    async for report in downloader.download_all([Download(server.url(f"/{file.name}")) for file in files], 20):
        assert report.error is None
        assert "HTTP/2.0" == report.headers["x-protocol"]
    assert 1 == context.pool.overall.high
