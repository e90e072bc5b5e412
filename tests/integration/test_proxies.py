"""Downloads through real proxies, and what proxy and origin get to see of them."""

from __future__ import annotations

import hashlib
import random
from base64 import b64encode
from shlex import split as shlex_split
from typing import Any

import pytest
import trustme
from pytest_twisted import ensureDeferred
from twisted.internet.defer import gatherResults
from twisted.internet.task import deferLater

from tests.servers.corpus import Corpus
from tests.servers.fixtures import StartNginx, StartProxy, StartScripted
from tests.servers.proxies import PASSWORD, USERNAME, ProxyServer, danted, microsocks, squid, tinyproxy
from tests.servers.reactor import IReactor
from tests.servers.scripted import Scripted, cut, ok, ranged, status
from tests.servers.tls import Authority
from twisted_pulp import TLS, Context, Download, Memory, Proxy, Remote, Retry
from twisted_pulp.errors import DownloadError

BODY = b"through a proxy" * 1000
DIGESTS = {"sha256": hashlib.sha256(BODY).hexdigest()}
SECRET = "S3CR3T-origin"
CREDENTIALS = "Basic " + b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
ONCE = Retry(retries=0)


async def proxied(start_proxy: StartProxy, tls: Authority, kind: str, credentials: bool) -> ProxyServer:
    """Start a proxy that speaks *kind*."""
    if kind == "http":
        return await start_proxy(squid, credentials=credentials)
    if kind == "https":
        return await start_proxy(squid, credentials=credentials, tls=tls.files())
    if kind == "tinyproxy":
        return await start_proxy(tinyproxy, credentials=credentials)
    return await start_proxy(microsocks, credentials=credentials, scheme=kind)


def remote(server: ProxyServer, tls: Authority, origin: Scripted, **fields: Any) -> Remote:
    """Return a Remote that reaches *origin*, which gets a password, through *server*."""
    trusted = TLS(ca_cert=str(tls.ca_file), platform_trust=False)
    who = (USERNAME, PASSWORD) if server.credentials else (None, None)
    proxy = Proxy(url=server.url, username=who[0], password=who[1], tls=trusted)
    given: dict[str, Any] = {"url": origin.url(), "username": "me", "password": SECRET, "retry": ONCE}
    return Remote(tls=trusted, proxy=proxy, **{**given, **fields})


async def fetched(context: Context, remote: Remote, *urls: str) -> list[bytes | None]:
    """Download *urls* one after another."""
    downloader, bodies = context.downloader(remote), []
    for url in urls:
        memory = Memory()
        await downloader.download(Download(url, writer=memory, digests=DIGESTS))
        bodies.append(memory.content)
    await downloader.close()
    return bodies


def seen(server: ProxyServer) -> list[list[str]]:
    """Return what squid saw: for each request the method, target, status, client's port, and two headers."""
    lines = (server.prefix / "access.log").read_text().splitlines()
    found = [[part.strip('"') for part in shlex_split(line)] for line in lines]
    return [each for each in found if each[0] != "NONE" and "error:" not in each[1]]


@pytest.mark.parametrize("credentials", [False, True], ids=["open", "credentials"])
@pytest.mark.parametrize("kind", ["http", "https", "tinyproxy", "socks5", "socks5h"])
@pytest.mark.parametrize("secure", [False, True], ids=["to-http", "to-https"])
@ensureDeferred
async def test_matrix(
    start_proxy: StartProxy,
    start_scripted: StartScripted,
    context: Context,
    tls: Authority,
    secure: bool,
    kind: str,
    credentials: bool,
) -> None:
    """The bytes are right, and the proxy gets its credentials only, as the origin does, over one kept connection."""
    server = await proxied(start_proxy, tls, kind, credentials)
    origin = await start_scripted(tls.server() if secure else None)
    origin.on(b"/file", [ok(BODY)])
    url = origin.url("/file", "localhost" if kind.startswith("socks") else "127.0.0.1")
    assert [BODY, BODY] == await fetched(context, remote(server, tls, origin, url=url), url, url)

    mine = b"Basic " + b64encode(b"me:" + SECRET.encode())
    assert [(b"GET", b"/file")] * 2 == [(each.method, each.target) for each in origin.requests]
    assert [mine] * 2 == [each.header(b"Authorization") for each in origin.requests]
    assert [None] * 2 == [each.header(b"Proxy-Authorization") for each in origin.requests]
    if secure or kind != "tinyproxy":  # which closes after each answer
        assert 1 == context.pool.overall.high
        assert {0} == {each.connection for each in origin.requests}
    await context.pool.close()  # a tunnel is logged at its end
    await said(server, f":{origin.port}")
    _check_proxy(server, origin, kind, secure)


async def said(server: ProxyServer, words: str) -> None:
    """Wait until *words* are in the log."""
    deadline = server.reactor.seconds() + 5
    while words not in server.log() and server.reactor.seconds() < deadline:
        await deferLater(server.reactor, 0.01)


def _check_proxy(server: ProxyServer, origin: Scripted, kind: str, secure: bool) -> None:
    if kind.startswith("socks"):
        name = "localhost" if kind == "socks5h" else "127.0.0.1"
        assert f"connected to {name}:{origin.port}" in server.log()
        assert SECRET not in server.log()
    elif kind == "tinyproxy":
        method = f"CONNECT 127.0.0.1:{origin.port}" if secure else f"GET {origin.url('/file')}"
        assert f"{method} HTTP/1.1" in server.log()
    else:
        theirs = CREDENTIALS if server.credentials else "-"
        mine = "Basic " + b64encode(f"me:{SECRET}".encode()).decode()
        requests = seen(server)
        expected = (
            [["CONNECT", f"127.0.0.1:{origin.port}", "200", theirs, "-"]]
            if secure
            else [["GET", origin.url("/file"), "200", theirs, mine]] * 2
        )
        assert 1 == len({each[3] for each in requests})
        assert expected[: len(requests)] == [each[:3] + each[4:] for each in requests]


@pytest.mark.parametrize("kind", ["http", "https", "socks5", "socks5h"])
@pytest.mark.parametrize("secure", [False, True], ids=["to-http", "to-https"])
@ensureDeferred
async def test_resumed(
    start_proxy: StartProxy, start_scripted: StartScripted, context: Context, tls: Authority, kind: str, secure: bool
) -> None:
    """A body that breaks off on the way is gone on with, large ones too."""
    body = random.Random(1).randbytes(8 << 20)
    server = await proxied(start_proxy, tls, kind, False)
    origin = await start_scripted(tls.server() if secure else None)
    origin.on(b"/file", [cut(ranged(body), 5 << 20), ranged(body)])
    downloader = context.downloader(remote(server, tls, origin, retry=Retry(retries=3, base=0.01)))
    memory = Memory()
    report = await downloader.download(
        Download(origin.url("/file"), writer=memory, digests={"sha256": hashlib.sha256(body).hexdigest()})
    )
    await downloader.close()
    assert body == memory.content
    assert 2 == len(report.attempts)
    first, second = origin.requests
    assert None is first.header(b"Range")
    offset = report.attempts[0].bytes
    assert 0 < offset <= 5 << 20
    assert (b"bytes=%d-" % offset if offset else None) == second.header(b"Range")


@ensureDeferred
async def test_two_trusts(start_proxy: StartProxy, scripted_tls: Scripted, context: Context, tls: Authority) -> None:
    """Whom we trust as a proxy is not trusted as an origin, nor the other way round, even where nothing is checked."""
    other = trustme.CA()
    server = await start_proxy(squid, tls=tls.files(tls.leaf("127.0.0.1", issuer=other)))
    scripted_tls.on(b"/file", [ok(BODY)])
    origins = TLS(ca_cert=str(tls.ca_file), platform_trust=False)
    proxies = TLS(ca_cert=other.cert_pem.bytes().decode(), platform_trust=False)
    unchecked = TLS(verify=False)

    async def outcome(of_proxy: TLS, of_origin: TLS) -> str:
        settings = Remote(proxy=Proxy(url=server.url, tls=of_proxy), tls=of_origin, retry=ONCE)
        try:
            assert [BODY] == await fetched(context, settings, scripted_tls.url("/file"))
        except DownloadError as error:
            return type(error).__name__
        return "right"

    assert "right" == await outcome(proxies, origins)
    assert "right" == await outcome(unchecked, origins)
    assert "ProxyError" == await outcome(origins, origins)
    assert "ProxyError" == await outcome(origins, unchecked)
    assert "TLSError" == await outcome(proxies, proxies)
    assert "TLSError" == await outcome(unchecked, proxies)
    assert 2 == len(scripted_tls.requests)


@pytest.mark.parametrize("names", [True, False])
@ensureDeferred
async def test_danted(
    start_proxy: StartProxy, scripted: Scripted, context: Context, tls: Authority, names: bool
) -> None:
    """Another SOCKS5 server understands us too."""
    server = await start_proxy(danted, scheme="socks5h" if names else "socks5")
    scripted.on(b"/file", [ok(BODY)])
    url = scripted.url("/file", "localhost")
    assert [BODY, BODY] == await fetched(context, remote(server, tls, scripted, url=url), url, url)
    assert 1 == context.pool.overall.high
    assert {0} == {each.connection for each in scripted.requests}


@ensureDeferred
async def test_never_shared(
    start_scripted: StartScripted, reactor: IReactor, rng: random.Random, campaign_count: Any
) -> None:
    """C5: over interleaved requests of Remotes with other proxy credentials, no connection serves two of them."""
    proxy = await start_scripted()
    proxy.default = lambda request: ok(BODY)
    context = Context(reactor, per_host=100)
    people = ["a", "b", "c"]
    proxies: list[Proxy | None] = [Proxy(url=proxy.url("/"), username=each, password=SECRET) for each in people]
    downloaders = [context.downloader(Remote(proxy=each)) for each in (*proxies, Proxy(url=proxy.url("/")))]
    count = campaign_count(300, 10_000)
    while count > 0:
        batch = [rng.choice(downloaders) for _ in range(min(20, count))]
        url = "http://origin.test/file"
        await gatherResults([each.download(Download(url, writer=Memory(), digests=DIGESTS)) for each in batch])
        count -= len(batch)
    await context.close()
    seen: dict[int, set[bytes | None]] = {}
    for request in proxy.requests:
        assert b"http://origin.test/file" == request.target
        seen.setdefault(request.connection, set()).add(request.header(b"Proxy-Authorization"))
    assert all(len(each) == 1 for each in seen.values())
    assert 4 == len(set().union(*seen.values()))
    assert len(seen) <= 4 * 20 < len(proxy.requests)


@ensureDeferred
async def test_caps(start_proxy: StartProxy, scripted: Scripted, tls: Authority, reactor: IReactor) -> None:
    """Connections are capped by the host of the origin, whoever is on the way."""
    server = await start_proxy(microsocks)
    scripted.default = lambda request: ok(BODY)
    context = Context(reactor, per_host=3)
    downloader = context.downloader(remote(server, tls, scripted))
    wanted = [Download(scripted.url(f"/{n}"), writer=Memory(), digests=DIGESTS) for n in range(60)]
    reports = [report async for report in downloader.download_all(wanted, 20)]
    await context.close()
    assert [] == [report.error for report in reports if report.error is not None]
    assert 3 == context.pool.overall.high
    assert scripted.accepted <= 3


@pytest.mark.parametrize("kind", ["http", "https", "socks5"])
@ensureDeferred
async def test_http2(
    start_proxy: StartProxy, start_nginx: StartNginx, corpus: Corpus, context: Context, tls: Authority, kind: str
) -> None:
    """HTTP/2 is spoken with the origin in a tunnel as it is without one."""
    server = await proxied(start_proxy, tls, kind, False)
    (corpus.root / "file").write_bytes(BODY)
    says = "add_header X-Spoken $server_protocol;"
    origin = await start_nginx(corpus.root, tls=tls.files(), http2=True, lines=[says])
    trusted = TLS(ca_cert=str(tls.ca_file), platform_trust=False)
    downloader = context.downloader(Remote(http2=True, tls=trusted, proxy=Proxy(url=server.url, tls=trusted)))
    wanted = [Download(origin.url("/file"), writer=Memory(), digests=DIGESTS) for _ in range(20)]
    reports = [report async for report in downloader.download_all(wanted)]
    await downloader.close()
    assert ["HTTP/2.0"] * 20 == [(report.headers or {}).get("x-spoken") for report in reports]
    assert context.pool.overall.high <= 2


@ensureDeferred
async def test_redirected_away(start_scripted: StartScripted, context: Context) -> None:
    """What leaves the proxy by a redirect to a host of no_proxy leaves its credentials behind."""
    proxy, direct = await start_scripted(), await start_scripted()
    direct.on(b"/file", [ok(BODY)])
    place = direct.url("/file", "localhost")
    proxy.default = lambda request: status(302, [(b"Location", place.encode())])
    settings = Remote(
        url="http://origin.test/",
        username="me",
        password=SECRET,
        retry=ONCE,
        proxy=Proxy(url=proxy.url("/"), username=USERNAME, password=PASSWORD, no_proxy=("localhost",)),
    )
    assert [BODY] == await fetched(context, settings, "http://origin.test/file")
    assert [CREDENTIALS.encode()] == [each.header(b"Proxy-Authorization") for each in proxy.requests]
    assert [(None, None)] == [
        (each.header(b"Proxy-Authorization"), each.header(b"Authorization")) for each in direct.requests
    ]


@ensureDeferred
async def test_environment(
    start_proxy: StartProxy,
    scripted: Scripted,
    start_scripted: StartScripted,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The environment's proxies count only where they are asked for, and not for the hosts of no_proxy."""
    server = await start_proxy(squid, credentials=True)
    scripted.on(b"/file", [ok(BODY)])
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HTTP_PROXY", server.url.replace("://", f"://{USERNAME}:{PASSWORD}@"))
    monkeypatch.setenv("no_proxy", "localhost")
    at_address, at_name = scripted.url("/file"), scripted.url("/file", "localhost")
    assert [BODY] == await fetched(context, Remote(retry=ONCE), at_address)
    settings = Remote(retry=ONCE, proxy_from_environment=True)
    assert [BODY, BODY] == await fetched(context, settings, at_address, at_name)
    assert [None, True, None] == [each.header(b"Via") and True for each in scripted.requests]
    monkeypatch.setenv("REQUEST_METHOD", "GET")
    assert [BODY] == await fetched(context, Remote(retry=ONCE, proxy_from_environment=True), at_address)
    assert None is scripted.requests[-1].header(b"Via")


@pytest.mark.parametrize("secure", [False, True], ids=["to-http", "to-https"])
@ensureDeferred
async def test_died_while_idle(
    start_proxy: StartProxy, start_scripted: StartScripted, context: Context, tls: Authority, secure: bool
) -> None:
    """A way that ends while it is idle costs nobody a try."""
    server = await start_proxy(microsocks)
    origin = await start_scripted(tls.server() if secure else None)
    origin.on(b"/file", [ok(BODY)])
    downloader = context.downloader(remote(server, tls, origin))
    attempts = []
    for _ in range(3):
        report = await downloader.download(Download(origin.url("/file"), writer=Memory(), digests=DIGESTS))
        attempts.append(len(report.attempts))
        origin.drop()  # nobody has heard of it when the next request is made
    await downloader.close()
    assert [1, 1, 1] == attempts
    assert 3 == origin.accepted
