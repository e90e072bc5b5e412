"""Rows 49 to 51: proxies that refuse, break off, babble, sleep, restart, or are not who they should be."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from tests.integration.faults.invariants import Fetcher, quick
from tests.servers.fixtures import StartProxy, StartScripted
from tests.servers.nginx import free_port
from tests.servers.proxies import PASSWORD, USERNAME, danted, microsocks, squid, tinyproxy
from tests.servers.scripted import Close, Request, Reset, Scripted, Send, Stall, Steps, ok, ranged, status
from tests.servers.steps import Step
from tests.servers.tls import Authority
from twisted_pulp import TLS, Proxy, Retry, Timeouts
from twisted_pulp.errors import ProxyError, ProxyNotAuthorized, ProxyTimeout

BODY = b"0123456789" * 100
SECRET_OF_ORIGIN = "S3CR3T-origin"
ONCE: dict[str, Any] = {"retry": Retry(retries=0)}
ESTABLISHED = Send(b"HTTP/1.1 200 Connection established\r\n\r\n")
MANY_HEADERS = Send(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(10_000)) + b"\r\n")

TABLE: dict[str, tuple[tuple[Step, ...], type[ProxyError], bool, str]] = {
    "407": (tuple(status(407)), ProxyNotAuthorized, False, "407 Proxy Authentication Required"),
    "502": (tuple(status(502)), ProxyError, True, "502 Bad Gateway"),
    "403": (tuple(status(403)), ProxyError, False, "403 Forbidden"),
    "drop": ((ESTABLISHED, Close()), ProxyError, True, "ended in the TLS handshake"),
    "garbage": (
        (ESTABLISHED, Send(b"220 welcome to my mail server\r\n")),
        ProxyError,
        False,
        "more came than was asked",
    ),
    "slow": ((Stall(),), ProxyTimeout, True, "in 0.5 s"),
    "headers": ((MANY_HEADERS,), ProxyError, False, "more than 5000 headers"),
}
FURTHER: dict[str, tuple[tuple[Step, ...], type[ProxyError], bool, str]] = {
    "503": (tuple(status(503)), ProxyError, True, "503 Service Unavailable"),
    "504": (tuple(status(504)), ProxyError, True, "504 Gateway Timeout"),
    "404": (tuple(status(404)), ProxyError, False, "404 Not Found"),
    "drop at once": ((Close(),), ProxyError, True, "the connection was closed"),
    "reset": ((Reset(),), ProxyError, True, "the connection was closed"),
    "reset after": ((ESTABLISHED, Reset()), ProxyError, True, "ended in the TLS handshake"),
    "no http": ((Send(b"SSH-2.0-OpenSSH_9.2\r\n"),), ProxyError, False, "made no connection"),
    "half a head": ((Send(b"HTTP/1.1 200 OK\r\nX: "), Close()), ProxyError, True, "the connection was closed"),
}


@pytest.mark.parametrize(
    ("steps", "kind", "retryable", "words"), [*TABLE.values(), *FURTHER.values()], ids=[*TABLE, *FURTHER]
)
@ensureDeferred
async def test_row_49(
    fetcher: Fetcher,
    scripted: Scripted,
    steps: tuple[Step, ...],
    kind: type[ProxyError],
    retryable: bool,
    words: str,
) -> None:
    """Row 49: what a proxy does wrong is an error that names the proxy, and the origin's credentials stay here."""
    scripted.default = lambda request: steps
    remote = quick(
        proxy=Proxy(url=scripted.url("/"), username=USERNAME, password=PASSWORD),
        url="https://origin.test/",
        username="me",
        password=SECRET_OF_ORIGIN,
        timeouts=Timeouts(connect=0.5),
        **ONCE,
    )
    report = await fetcher.fetch("https://origin.test/file", BODY, remote=remote)
    error = report.error
    assert kind is type(error)
    assert (retryable, "https://origin.test/file?token=***") == (error.retryable, error.url)
    assert f"the proxy http://127.0.0.1:{scripted.port}" in error.detail
    assert words in error.detail
    assert PASSWORD not in repr(report) + str(error)
    assert [b"CONNECT"] == [request.method for request in scripted.requests]
    assert [(b"origin.test:443", b"origin.test:443")] == [
        (each.target, each.header(b"Host")) for each in scripted.requests
    ]
    assert {b"Host", b"Proxy-Authorization"} == {name for each in scripted.requests for name, _ in each.headers}


@ensureDeferred
async def test_row_49_garbage_later(fetcher: Fetcher, scripted: Scripted) -> None:
    """Row 49: garbage that comes when TLS was to begin is told apart from a bad certificate."""
    scripted.default = lambda request: (ESTABLISHED, Later(), Send(b"220 welcome to my mail server\r\n"))
    remote = quick(proxy=Proxy(url=scripted.url("/")), **ONCE)
    report = await fetcher.fetch("https://origin.test/file", BODY, remote=remote)
    assert type(report.error) is ProxyError
    assert not report.error.retryable
    assert (
        f"in the tunnel through the proxy http://127.0.0.1:{scripted.port}, what answers does not"
        in report.error.detail
    )


class Later:
    """Wait for a byte."""

    async def perform(self, wire: Any) -> None:
        await wire.heard(1)


@pytest.mark.parametrize(
    ("code", "kind", "retryable"),
    [(407, "ProxyNotAuthorized", False), (502, "HTTPStatusError", True), (403, "NotAuthorized", False)],
)
@ensureDeferred
async def test_row_49_plain_http(fetcher: Fetcher, scripted: Scripted, code: int, kind: str, retryable: bool) -> None:
    """Row 49: in plain http nothing tells a proxy's answer from the origin's, but the error says that there is one."""
    scripted.default = lambda request: status(code)
    remote = quick(proxy=Proxy(url=scripted.url("/")), **ONCE)
    report = await fetcher.fetch("http://origin.test/file", BODY, remote=remote)
    assert (kind, retryable) == (type(report.error).__name__, report.error.retryable)
    assert f"through the proxy http://127.0.0.1:{scripted.port}" in report.error.detail


@ensureDeferred
async def test_row_49_tried_again(
    fetcher: Fetcher, scripted: Scripted, start_scripted: StartScripted, start_proxy: StartProxy, tls: Authority
) -> None:
    """Row 49: what passes is tried again, and what does not is not."""
    scripted.on(b"origin.test:443", [status(503), (Close(),), status(502), status(403)])
    remote = quick(proxy=Proxy(url=scripted.url("/")), retry=Retry(retries=5, base=0.01))
    report = await fetcher.fetch("https://origin.test/file", BODY, remote=remote)
    assert [True, True, True, False] == [attempt.error.retryable for attempt in report.attempts]


@pytest.mark.parametrize("make", [squid, tinyproxy])
@ensureDeferred
async def test_row_49_real(
    fetcher: Fetcher, start_proxy: StartProxy, scripted_tls: Scripted, tls: Authority, make: Any
) -> None:
    """Row 49: so do real proxies answer to wrong credentials, and for an origin that nobody can reach."""
    server = await start_proxy(make, credentials=True)
    trust = TLS(ca_cert=str(tls.ca_file), platform_trust=False)
    wrong = quick(proxy=Proxy(url=server.url, username=USERNAME, password="wrong"), tls=trust, **ONCE)
    report = await fetcher.fetch(scripted_tls.url("/file"), BODY, remote=wrong)
    assert (ProxyNotAuthorized, 407 if make is squid else 401) == (type(report.error), report.error.status)
    right = quick(proxy=Proxy(url=server.url, username=USERNAME, password=PASSWORD), tls=trust, **ONCE)
    report = await fetcher.fetch(f"https://127.0.0.1:{free_port()}/file", BODY, remote=right)
    assert (ProxyError, True) == (type(report.error), report.error.retryable)
    assert report.error.status in (500, 502, 503)
    assert not scripted_tls.accepted


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGKILL])
@ensureDeferred
async def test_row_50(
    fetcher: Fetcher,
    start_proxy: StartProxy,
    scripted: Scripted,
    scripted_tls: Scripted,
    tls: Authority,
    signal_number: int,
) -> None:
    """Row 50: a squid that is restarted under 100 downloads costs tries, and no download."""
    server = await start_proxy(squid)
    body = BODY * 100

    def slowly(request: Request) -> Steps:
        return (*ranged(body)(request)[:1], Pause(), *ranged(body)(request)[1:])

    scripted.default = scripted_tls.default = slowly
    remote = quick(
        proxy=Proxy(url=server.url),
        tls=TLS(ca_cert=str(tls.ca_file), platform_trust=False),
        retry=Retry(retries=30, base=0.05, cap=1.0),
    )
    origins = (scripted, scripted_tls)
    wanted = [fetcher.wanted(origins[n % 2].url(f"/{n}"), body, f"file-{n}") for n in range(100)]
    running = Deferred.fromCoroutine(fetcher.many(wanted, remote=remote))
    while len(scripted.requests) + len(scripted_tls.requests) < 20:
        await deferLater(fetcher.reactor, 0.01)
    await server.stop(signal_number)
    await deferLater(fetcher.reactor, 0.1)
    await server.start(server.port)
    reports = await running
    assert [] == [report.error for report in reports if report.error is not None]
    failed = [attempt.error for report in reports for attempt in report.attempts if attempt.error is not None]
    assert failed
    assert any(isinstance(error, ProxyError) for error in failed)


class Pause:
    """Wait a little."""

    async def perform(self, wire: Any) -> None:
        await wire.wait(0.02)


@ensureDeferred
async def test_row_51_certificate(
    fetcher: Fetcher, start_proxy: StartProxy, scripted: Scripted, tls: Authority
) -> None:
    """Row 51: the certificate of an https proxy is checked, with the proxy's own authorities and its own switch."""
    import trustme

    server = await start_proxy(squid, tls=tls.files(tls.leaf("127.0.0.1", issuer=trustme.CA())))
    scripted.on(b"/file", [ok(BODY)])
    trust = TLS(ca_cert=str(tls.ca_file), platform_trust=False)
    refusing = quick(proxy=Proxy(url=server.url, tls=trust), tls=trust, **ONCE)
    report = await fetcher.fetch(scripted.url("/file"), BODY, remote=refusing)
    assert type(report.error) is ProxyError
    assert not report.error.retryable
    assert f"the proxy {server.url} cannot be reached: the certificate's issuer is not known" == report.error.detail
    assert not scripted.accepted


@ensureDeferred
async def test_row_51_authentication(fetcher: Fetcher, start_proxy: StartProxy, scripted: Scripted) -> None:
    """Row 51: a SOCKS5 proxy that refuses our password, or wants one that we have not, says so."""
    server = await start_proxy(microsocks, credentials=True)
    for who in ({"username": USERNAME, "password": "wrong"}, {}):
        remote = quick(proxy=Proxy(url=server.url, **who), **ONCE)
        report = await fetcher.fetch(scripted.url("/file"), BODY, remote=remote)
        assert type(report.error) is ProxyNotAuthorized
        assert not report.error.retryable
        assert server.url in report.error.detail
    assert not scripted.accepted


@ensureDeferred
async def test_row_51_method(fetcher: Fetcher, start_proxy: StartProxy, scripted: Scripted) -> None:
    """Row 51: so does one that accepts none of our ways to say who we are."""
    server = await start_proxy(danted, method="username")
    report = await fetcher.fetch(scripted.url("/file"), BODY, remote=quick(proxy=Proxy(url=server.url), **ONCE))
    assert type(report.error) is ProxyNotAuthorized
    assert not scripted.accepted


@pytest.mark.parametrize("make", [microsocks, danted])
@ensureDeferred
async def test_row_51_unreachable(fetcher: Fetcher, start_proxy: StartProxy, make: Any) -> None:
    """Row 51: a host that a SOCKS5 proxy cannot reach is told with the proxy's reason."""
    server = await start_proxy(make)
    remote = quick(proxy=Proxy(url=server.url), **ONCE)
    for host in (f"127.0.0.1:{free_port()}", "no-such-host.invalid"):
        report = await fetcher.fetch(f"http://{host}/file", BODY, remote=remote)
        assert type(report.error) is ProxyError
        assert report.error.retryable
        assert f"the proxy {server.url} made no connection to {host}" in report.error.detail
