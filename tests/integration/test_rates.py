"""Rates over real sockets: so much takes so long."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from attrs import evolve
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from tests.lag import Lag
from tests.servers.answers import head
from tests.servers.corpus import Corpus
from tests.servers.fixtures import StartFTPServer, StartNginx
from tests.servers.nginx import Nginx
from tests.servers.reactor import IReactor
from tests.servers.scripted import Scripted, Send, SendSlowly, chunked, cut, ok, ranged, status
from tests.servers.tls import Authority
from twisted_pulp.context import Context
from twisted_pulp.download import Download
from twisted_pulp.errors import Cancelled, LowSpeed, TooLarge
from twisted_pulp.settings import TLS, Limits, Remote, Retry, Timeouts
from twisted_pulp.transfer import DigestOnly

Upstream = tuple[Callable[[str], str], Remote]
SPEED = Remote(limits=Limits(bytes_per_second=250_000))


async def seconds(reactor: IReactor, begin: Callable[[], list[Any]]) -> float:
    """Return how long it takes until all that *begin* begins has ended."""
    begun = reactor.seconds()
    await gatherResults(begin(), consumeErrors=True)
    return reactor.seconds() - begun


async def passed(reactor: IReactor, least: float) -> float:
    """Let *least* seconds pass; return how many did, for others may need the processor."""
    begun = reactor.seconds()
    await deferLater(reactor, least)
    return reactor.seconds() - begun


def files(corpus: Corpus, number: int, size: int) -> list[str]:
    """Make files; return their paths on the server."""
    for index in range(number):
        (corpus.root / f"{index}").write_bytes(b"%d" % (index % 10) * size)
    return [f"/{index}" for index in range(number)]


class Counting(DigestOnly):
    """Counts what comes."""

    def __init__(self) -> None:
        self.size = 0

    def write(self, data: bytes) -> None:
        self.size += len(data)


@ensureDeferred
async def test_one_file(reactor: IReactor, context: Context, nginx: Nginx, corpus: Corpus, lag: Lag) -> None:
    """500 KB at 250 KB/s take two seconds."""
    (path,) = files(corpus, 1, 500_000)
    downloader, writer = context.downloader(SPEED), Counting()
    assert (
        2.0
        <= await seconds(reactor, lambda: [downloader.download(nginx.url(path), writer=writer)])
        <= 2.3 + lag.seconds
    )
    assert 500_000 == writer.size


@ensureDeferred
async def test_many_files(
    reactor: IReactor, context: Context, nginx: Nginx, corpus: Corpus, tmp_path: Path, lag: Lag
) -> None:
    """So do five files of 100 KB at once."""
    downloader = context.downloader(SPEED, directory=str(tmp_path))
    paths = files(corpus, 5, 100_000)
    took = await seconds(reactor, lambda: [downloader.download(nginx.url(path), path=path[1:]) for path in paths])
    assert 2.0 <= took <= 2.3 + lag.seconds


@ensureDeferred
async def test_small_files(reactor: IReactor, context: Context, nginx: Nginx, corpus: Corpus, lag: Lag) -> None:
    """So do fifty files that come in one read each."""
    downloader = context.downloader(SPEED)
    downloads = [Download(nginx.url(path), writer=DigestOnly()) for path in files(corpus, 50, 10_000)]
    took = await seconds(reactor, lambda: [downloader.download_each(downloads, lambda report: None)])
    assert 2.0 <= took <= 2.3 + lag.seconds


@ensureDeferred
async def test_retry(reactor: IReactor, context: Context, scripted: Scripted, lag: Lag) -> None:
    """So does a file whose connection breaks in the middle."""
    answer = ranged(b"x" * 500_000)
    scripted.on(b"/f", [cut(answer, 200_000), answer])
    downloader = context.downloader(Remote(limits=Limits(bytes_per_second=250_000), retry=Retry(base=0)))
    writer = Counting()
    took = await seconds(reactor, lambda: [downloader.download(scripted.url("/f"), writer=writer)])
    assert 2.0 <= took <= 2.3 + lag.seconds
    assert [None, b"bytes=200000-"] == [request.header(b"Range") for request in scripted.requests]
    assert 500_000 == writer.size


@ensureDeferred
async def test_two_remotes(reactor: IReactor, context: Context, nginx: Nginx, corpus: Corpus, lag: Lag) -> None:
    """So do two files of two Remotes below the limit of everything."""
    context.rates.bytes_per_second = 250_000
    pairs = [(context.downloader(Remote()), path) for path in files(corpus, 2, 250_000)]
    took = await seconds(reactor, lambda: [one.download(nginx.url(path), writer=DigestOnly()) for one, path in pairs])
    assert 2.0 <= took <= 2.3 + lag.seconds


@ensureDeferred
async def test_two_limits(reactor: IReactor, context: Context, nginx: Nginx, corpus: Corpus, lag: Lag) -> None:
    """So does one file below the same limit four times over."""
    (path,) = files(corpus, 1, 500_000)
    context.rates.bytes_per_second = context.rates.host_bytes_per_second = 250_000
    downloader = context.downloader(Remote(limits=Limits(bytes_per_second=250_000, host_bytes_per_second=250_000)))
    took = await seconds(reactor, lambda: [downloader.download(nginx.url(path), writer=DigestOnly())])
    assert 2.0 <= took <= 2.3 + lag.seconds


@ensureDeferred
async def test_requests(reactor: IReactor, context: Context, nginx: Nginx, corpus: Corpus, lag: Lag) -> None:
    """20 requests at 10 a second take 1.9 s: the first need not wait."""
    downloader = context.downloader(Remote(limits=Limits(requests_per_second=10)))
    downloads = [Download(nginx.url(path), writer=DigestOnly()) for path in files(corpus, 20, 100)]
    took = await seconds(reactor, lambda: [downloader.download_each(downloads, lambda report: None)])
    assert 1.9 <= took <= 2.3 + lag.seconds


@ensureDeferred
async def test_requests_of_redirects_and_retries(
    reactor: IReactor, context: Context, scripted: Scripted, lag: Lag
) -> None:
    """Each hop and each try is a request: six of them at 10 a second take half a second."""
    for hop in range(4):
        scripted.on(b"/%d" % hop, [status(302, [(b"Location", b"/%d" % (hop + 1))])])
    scripted.on(b"/4", [status(503), ok(b"here")])
    scripted.on(b"/0", [status(503), status(302, [(b"Location", b"/4")])])
    remote = Remote(limits=Limits(requests_per_second=10), retry=Retry(base=0))
    downloader = context.downloader(remote)
    took = await seconds(reactor, lambda: [downloader.download(scripted.url("/0"), writer=DigestOnly())])
    assert [b"/0", b"/0", b"/4", b"/0", b"/4"] == [request.target for request in scripted.requests]
    assert 0.4 <= took <= 0.7 + lag.seconds


@ensureDeferred
async def test_live(reactor: IReactor, context: Context, nginx: Nginx, corpus: Corpus, lag: Lag) -> None:
    """A limit that is set, changed and lifted holds for a body that is under way."""
    (path,) = files(corpus, 1, 60_000_000)
    remote = Remote(url=nginx.url("/"))
    rates = context.rates.of(remote)

    class Writer(Counting):
        def begin(self, head: Any) -> None:
            rates.bytes_per_second = 100_000

    writer = Writer()
    download = context.downloader(remote).download(nginx.url(path), writer=writer)
    lasted = await passed(reactor, 0.5)
    assert 30_000 - 100_000 * lag.seconds <= writer.size <= 100_000 * lasted + 20_000
    rates.bytes_per_second, before = 1_000_000, writer.size
    lasted = await passed(reactor, 0.5)
    assert 350_000 - 1_000_000 * lag.seconds <= writer.size - before <= 1_000_000 * lasted + 150_000
    rates.bytes_per_second = None
    assert await seconds(reactor, lambda: [download]) < 1.5 + lag.seconds
    assert 60_000_000 == writer.size


@ensureDeferred
async def test_switched_on_in_the_middle(reactor: IReactor, context: Context, start_nginx: Any, corpus: Corpus) -> None:
    """A body that began without any limit obeys one that is set later, by a Remote that stands for the same URL."""
    nginx = await start_nginx(corpus.root, lines=["limit_rate 4m;"])
    (path,) = files(corpus, 1, 60_000_000)
    remote, writer = Remote(url=nginx.url("/")), Counting()
    download = context.downloader(remote).download(nginx.url(path), writer=writer)
    while not writer.size:
        await deferLater(reactor, 0.01)
    before = writer.size
    context.rates.of(Remote(url=remote.url, limits=Limits(bytes_per_second=100_000)))
    lasted = await passed(reactor, 0.5)
    assert writer.size - before <= 100_000 * lasted + 20_000
    download.addErrback(lambda _: None)
    download.cancel()


@ensureDeferred
async def test_metadata(reactor: IReactor, context: Context, nginx: Nginx, corpus: Corpus, lag: Lag) -> None:
    """Metadata is limited too: three requests at 5 a second, of 50 KB each at 250 KB/s."""
    (path,) = files(corpus, 1, 50_000)
    http = context.downloader(Remote(limits=Limits(requests_per_second=5, bytes_per_second=250_000))).http

    async def fetched() -> None:
        for _ in range(3):
            assert 50_000 == len(await (await http.get(nginx.url(path))).content())

    assert 0.6 <= await seconds(reactor, lambda: [Deferred.fromCoroutine(fetched())]) <= 0.9 + lag.seconds


@ensureDeferred
async def test_file_scheme(reactor: IReactor, context: Context, tmp_path: Path, lag: Lag) -> None:
    """Files of this machine are metered as those of others."""
    (tmp_path / "f").write_bytes(b"x" * 250_000)
    remote = Remote(limits=Limits(bytes_per_second=500_000), file_roots=(str(tmp_path),))
    downloader = context.downloader(remote)
    took = await seconds(reactor, lambda: [downloader.download(f"file://{tmp_path}/f", writer=DigestOnly())])
    assert 0.5 <= took <= 0.65 + lag.seconds


@ensureDeferred
async def test_slow_is_not_silent(reactor: IReactor, context: Context, nginx: Nginx, corpus: Corpus, lag: Lag) -> None:
    """What we make slow is neither idle nor too slow, however short the patience."""
    (path,) = files(corpus, 1, 300_000)
    timeouts = Timeouts(idle=0.4, low_speed=1_000_000, low_speed_time=0.6)
    remote = Remote(limits=Limits(bytes_per_second=200_000), timeouts=timeouts, retry=Retry(retries=0))
    downloader = context.downloader(remote)
    took = await seconds(reactor, lambda: [downloader.download(nginx.url(path), writer=DigestOnly())])
    assert 1.5 <= took <= 1.8 + lag.seconds


@ensureDeferred
async def test_fair(reactor: IReactor, context: Context, nginx: Nginx, corpus: Corpus, lag: Lag) -> None:
    """Bodies that share a limit share it equally."""
    context.rates.bytes_per_second = 400_000
    downloader, writers = context.downloader(), [Counting() for _ in range(4)]
    paths = files(corpus, 4, 2_000_000)
    going = [downloader.download(nginx.url(path), writer=writer) for path, writer in zip(paths, writers, strict=True)]
    lasted = await passed(reactor, 1.0)
    for download in going:
        download.addErrback(lambda _: None)
        download.cancel()
    sizes = [writer.size for writer in writers]
    assert 350_000 - 400_000 * lag.seconds <= sum(sizes) <= 400_000 * lasted + 60_000
    assert max(sizes) - min(sizes) <= 40_000


KINDS = pytest.mark.parametrize("kind", ["http", "https", "http2", "ftp"])


@pytest_twisted.async_fixture
async def upstream(
    request: Any, start_nginx: StartNginx, start_ftp_server: StartFTPServer, tls: Authority, corpus: Corpus
) -> Upstream:
    """A server of each kind, and the settings that reach it."""
    kind = request.getfixturevalue("kind")
    if kind == "ftp":
        return (await start_ftp_server("pyftpdlib", corpus.root)).url, Remote()
    options: dict[str, Any] = {} if kind == "http" else {"tls": tls.files()}
    if kind == "http2":
        options["http2"] = True
    server = await start_nginx(corpus.root, **options)
    return server.url, Remote(tls=TLS(ca_cert=str(tls.ca_file)), http2=kind == "http2")


@KINDS
@ensureDeferred
async def test_every_scheme(
    reactor: IReactor, context: Context, upstream: Upstream, corpus: Corpus, kind: str, lag: Lag
) -> None:
    """Whatever the protocol, 200 KB and ten times 5 KB at 250 KB/s take one second, and nothing is called silent."""
    url, remote = upstream
    paths = files(corpus, 11, 5_000)
    (corpus.root / "0").write_bytes(b"x" * 200_000)
    timeouts = Timeouts(idle=0.6, low_speed=300_000, low_speed_time=0.6)
    limits = Limits(bytes_per_second=250_000)
    downloader = context.downloader(evolve(remote, limits=limits, timeouts=timeouts, retry=Retry(retries=0)))
    writers = [Counting() for _ in paths]
    took = await seconds(
        reactor,
        lambda: [downloader.download(url(path), writer=writer) for path, writer in zip(paths, writers, strict=True)],
    )
    assert [200_000] + [5_000] * 10 == [writer.size for writer in writers]
    assert 1.0 <= took <= 1.6 + lag.seconds  # with handshakes and logins, during which nothing flows


@ensureDeferred
async def test_segments(
    reactor: IReactor, context: Context, nginx: Nginx, corpus: Corpus, tmp_path: Path, lag: Lag
) -> None:
    """The segments of a file share the limits: no faster than one stream, and each is a request."""
    size = 2_000_000
    file = corpus.file("f", size)
    limits = Limits(bytes_per_second=1_000_000, segments=4, segment_size=64 << 10)
    downloader = context.downloader(Remote(limits=limits))
    took = await seconds(
        reactor,
        lambda: [downloader.download(nginx.url("/f"), path=tmp_path / "f", digests={"sha256": file.sha256})],
    )
    assert size / 1_000_000 <= took <= size / 1_000_000 + 0.3 + lag.seconds


@ensureDeferred
async def test_too_large(context: Context, nginx: Nginx, scripted: Scripted, corpus: Corpus) -> None:
    """The largest size holds below a limit too: from the start, or at the first byte too many."""
    (path,) = files(corpus, 1, 10_001)
    scripted.on(b"/f", [chunked(b"x" * 10_001, 10)])
    limits = Limits(bytes_per_second=1_000_000, max_size=10_000)
    downloader = context.downloader(Remote(limits=limits, retry=Retry(retries=0)))
    for url, most in ((nginx.url(path), 0), (scripted.url("/f"), 10_000)):
        writer = Counting()
        with pytest.raises(TooLarge):
            await downloader.download(url, writer=writer)
        assert writer.size <= most


@ensureDeferred
async def test_too_slow(context: Context, scripted: Scripted) -> None:
    """A server that is slower than allowed is given up below a limit too."""
    scripted.on(b"/f", [(Send(head(200, [(b"Content-Length", b"90000")])), SendSlowly(b"x" * 90_000, 100, 0.02))])
    timeouts = Timeouts(low_speed=50_000, low_speed_time=0.5)
    remote = Remote(limits=Limits(bytes_per_second=1_000_000), timeouts=timeouts, retry=Retry(retries=0))
    with pytest.raises(LowSpeed):
        await context.downloader(remote).download(scripted.url("/f"), writer=DigestOnly())


@ensureDeferred
async def test_closed(reactor: IReactor, nginx: Nginx, corpus: Corpus) -> None:
    """A Context that is closed leaves nothing of requests and bodies that wait for their turn."""
    context = Context(reactor)
    context.rates.requests_per_second, context.rates.bytes_per_second = 1, 1_000
    downloader = context.downloader()
    going = [downloader.download(nginx.url(path), writer=DigestOnly()) for path in files(corpus, 10, 20_000)]
    failed: list[Any] = []
    for download in going:
        download.addErrback(failed.append)
    while len(nginx.log()) < 2:
        await deferLater(reactor, 0.01)
    assert 0 == len(failed)
    assert (8, 2) == (context.rates.requests.waiting, len(nginx.log()))
    await context.close()
    assert [Cancelled] * 10 == [why.type for why in failed]
    assert (0, 0) == (context.rates.requests.waiting, context.rates.bytes.waiting)
