"""C1 and C5 of the threats for client certificates: who sees ours, and which connections are shared."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from attrs import define, evolve, field
from OpenSSL.crypto import X509
from OpenSSL.SSL import VERIFY_PEER
from pytest_twisted import ensureDeferred
from twisted.internet.ssl import Certificate, CertificateOptions, trustRootFromCertificates
from twisted.logger import LogEvent, LogLevel, globalLogPublisher
from twisted.web.client import readBody

from tests.integration.faults.conftest import Fetchers
from tests.integration.faults.invariants import Fetcher, quick
from tests.servers.certificates import Issued, issue
from tests.servers.fixtures import StartScripted
from tests.servers.scripted import Request, Scripted, Steps, ok, status
from tests.servers.tls import Authority
from twisted_pulp import TLS, Retry
from twisted_pulp.errors import TLSError

BODY = random.Random(5).randbytes(3000)
MINE = issue(issue(authority=True, common="clients"), common="me", usage=None)
OTHER = issue(MINE.above[0], common="other", usage=None)


@define(eq=False)
class Asking:
    """
    A server that asks for a client's certificate, and serves whoever has none too.

    :ivar seen: the common names shown so far, in full handshakes.
    """

    server: Scripted
    seen: list[str] = field(factory=list)

    def url(self, path: str) -> str:
        return self.server.url(path)


@pytest.fixture
def start_asking(start_scripted: StartScripted, tls: Authority) -> Callable[[], Any]:
    """Start any number of `Asking`."""

    async def start() -> Asking:
        context = tls.server()
        asking = Asking(await start_scripted(context))

        def look(connection: Any, certificate: Any, error: int, depth: int, good: int) -> bool:
            if depth == 0:
                asking.seen.append(certificate.to_cryptography().subject.rfc4514_string().removeprefix("CN="))
            return bool(good)

        context.getContext().set_verify(VERIFY_PEER, look)
        store = context.getContext().get_cert_store()
        assert store is not None
        store.add_cert(X509.from_cryptography(MINE.above[-1].certificate))
        asking.server.default = lambda request: ok(BODY)
        return asking

    return start


def ours(tls: Authority, who: Issued = MINE) -> TLS:
    """Give settings that trust the servers, and have a client certificate."""
    return TLS(ca_cert=str(tls.ca_file), client_cert=who.chain, client_key=who.key_pem())


def ready(tls: Authority) -> TLS:
    """Give the same, as ready options."""
    anchors = trustRootFromCertificates([Certificate.loadPEM(tls.ca_file.read_bytes())])
    return TLS(options=CertificateOptions(trustRoot=anchors, privateKey=MINE.key, certificate=MINE.certificate))


def to(url: str) -> Steps:
    """Answer with a redirect."""
    return status(302, [(b"Location", url.encode())])


@pytest.mark.parametrize("settings", [ours, ready])
@pytest.mark.parametrize("bound", [True, False])
@ensureDeferred
async def test_c1_redirect(
    fetcher: Fetcher, start_asking: Any, tls: Authority, bound: bool, settings: Callable[[Authority], TLS]
) -> None:
    """C1: a redirect to another origin does not show our certificate there, nor does one back restore it."""
    home, away = await start_asking(), await start_asking()
    home.server.on(b"/start", [to(away.url("/middle"))])
    away.server.on(b"/middle", [to(home.url("/final"))])
    remote = quick(tls=settings(tls), url=home.url("/") if bound else None)
    assert (await fetcher.fetch(home.url("/start"), BODY, remote=remote)).error is None
    assert (["me"], []) == (home.seen, away.seen)
    first, last = home.server.requests
    assert first.connection != last.connection


@pytest.mark.parametrize("settings", [ours, ready])
@ensureDeferred
async def test_c1_other_origins(
    fetcher: Fetcher, start_asking: Any, tls: Authority, settings: Callable[[Authority], TLS]
) -> None:
    """C1: a client certificate is shown to the Remote's origin and those listed with it, and to no other."""
    home, listed, foreign = [await start_asking() for _ in range(3)]
    remote = quick(tls=settings(tls), url=home.url("/"), origins=listed.url("/"))
    for number, server in enumerate((home, listed, foreign)):
        assert (await fetcher.fetch(server.url("/file"), BODY, name=str(number), remote=remote)).error is None
    assert (["me"], ["me"], []) == (home.seen, listed.seen, foreign.seen)


@pytest.mark.parametrize("settings", [ours, ready])
@ensureDeferred
async def test_c1_mirrors(
    fetcher: Fetcher, start_asking: Any, tls: Authority, settings: Callable[[Authority], TLS]
) -> None:
    """C1: a mirror of the Remote gets its files asked for, but is not shown our certificate."""
    home, mirror = await start_asking(), await start_asking()
    home.server.default = lambda request: status(404)
    remote = quick(tls=settings(tls), url=home.url("/"), mirrors=mirror.url("/"))
    assert (await fetcher.fetch(home.url("/file"), BODY, remote=remote)).error is None
    assert (["me"], []) == (home.seen, mirror.seen)
    assert 1 == len(mirror.server.requests)


@ensureDeferred
async def test_limited_and_metadata(fetcher: Fetcher, start_asking: Any, tls: Authority) -> None:
    """What goes through the other agents of a Remote keeps to it too."""
    home, away = await start_asking(), await start_asking()
    home.server.on(b"/start", [to(away.url("/file"))])
    remote = quick(tls=ours(tls))
    for agent in fetcher.context.limited_agent(remote), fetcher.context.metadata_agent(remote):
        assert BODY == await readBody(await agent.request(b"GET", home.url("/start").encode()))
    assert (["me"], []) == (list(dict.fromkeys(home.seen)), away.seen)


@ensureDeferred
async def test_c5_interleaved(
    fetcher: Fetcher, start_asking: Any, tls: Authority, campaign_count: Callable[[int, int], int]
) -> None:
    """C5: connections with one client certificate, another, none, and without checks are never mixed."""
    asking = await start_asking()
    settings = {
        "mine": ours(tls),
        "other": ours(tls, OTHER),
        "none": TLS(ca_cert=str(tls.ca_file)),
        "unchecked": TLS(verify=False),
        "ready": ready(tls),
    }
    count, used = campaign_count(40, 2000), {name: set[int]() for name in settings}

    def choose(request: Request) -> Steps:
        used[request.path.decode().split("/")[1]].add(request.connection)
        return ok(BODY)

    asking.server.default = choose
    downloaders = {name: fetcher.context.downloader(quick(tls=trust)) for name, trust in settings.items()}
    for number in range(count):
        for name, downloader in downloaders.items():
            url = asking.url(f"/{name}/{number}")
            await downloader.download(fetcher.wanted(url, BODY, f"{name}-{number}")[0])
    for downloader in downloaders.values():
        await downloader.close()
    together = [connection for connections in used.values() for connection in connections]
    assert len(together) == len(set(together))
    assert all(used.values())
    assert {"me", "other"} == set(asking.seen)


@ensureDeferred
async def test_equal_settings_share(fetcher: Fetcher, start_asking: Any, tls: Authority) -> None:
    """Remotes with equal settings share connections."""
    asking = await start_asking()
    for number, trust in enumerate((ours(tls), ours(tls), evolve(ours(tls)))):
        await fetcher.fetch(asking.url("/file"), BODY, name=str(number), remote=quick(tls=trust))
    assert 1 == asking.server.accepted
    assert ["me"] == asking.seen


@ensureDeferred
async def test_refused_by_the_server(fetcher: Fetcher, start_scripted: StartScripted, tls: Authority) -> None:
    """A server that does not know our certificate says so, and is not asked again."""
    import trustme

    server = await start_scripted(tls.server(client_ca=trustme.CA()))
    server.default = lambda request: ok(BODY)
    report = await fetcher.fetch(server.url("/file"), BODY, remote=quick(tls=ours(tls), retry=Retry(retries=2)))
    assert isinstance(report.error, TLSError)
    assert "the server refused our certificate" in report.error.reason
    assert 1 == len(report.attempts)


# Nobody is checked


@ensureDeferred
async def test_unchecked_is_loud(fetchers: Fetchers, start_scripted: StartScripted, tls: Authority) -> None:
    """Without checks, everybody is believed, and the log says so: once for each Remote and host."""
    warned: list[LogEvent] = []

    def observe(event: LogEvent) -> None:
        if event["log_level"] is LogLevel.warn:
            warned.append(event)

    servers = [await start_scripted(tls.server(tls.leaf("other.test"))) for _ in range(2)]
    globalLogPublisher.addObserver(observe)
    try:
        fetcher = fetchers()
        for number, remote in enumerate([quick(tls=TLS(verify=False))] * 2 + [quick(tls=TLS(verify=False))]):
            for server in servers:
                server.default = lambda request: ok(BODY)
                for host in "127.0.0.1", "localhost":
                    name = f"{number}-{server.port}-{host}"
                    url = server.url("/file", host=host)
                    assert (await fetcher.fetch(url, BODY, name=name, remote=remote)).error is None
    finally:
        globalLogPublisher.removeObserver(observe)
    assert ["127.0.0.1", "localhost"] * 2 == [event["host"] for event in warned]
