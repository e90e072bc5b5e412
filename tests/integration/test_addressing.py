"""How hosts are found and connected to: names, name servers, versions of IP, our own end, sockets of files."""

from __future__ import annotations

import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import async_yield_fixture, ensureDeferred
from twisted.internet.task import deferLater

from tests.lag import Lag
from tests.servers.corpus import Corpus
from tests.servers.dns import SERVFAIL, NameServer, Reply
from tests.servers.fixtures import StartNginx, StartScripted, in_time
from tests.servers.nginx import Nginx
from tests.servers.programs import missing
from tests.servers.reactor import IReactor
from tests.servers.scripted import Scripted, ok
from tests.servers.tls import Authority
from twisted_pulp import Context, Download, DownloadReport, Network, Remote, Retry, Timeouts
from twisted_pulp.errors import BindError, ConnectError, ConnectionRefused, DNSError, TLSError
from twisted_pulp.settings import TLS
from twisted_pulp.transfer import Memory

BODY = b"what was asked for"
ONCE = Retry(retries=0)


def needs_ipv6() -> None:
    """Skip where there is no IPv6 loopback."""
    try:
        with socket.socket(socket.AF_INET6) as one:
            one.bind(("::1", 0))
    except OSError as error:
        missing(f"there is no IPv6 loopback: {error}")


async def fetched(context: Context, url: str, network: Network, **remote: Any) -> DownloadReport:
    """Download *url* in one try, and give the report whatever becomes of it."""
    downloader = context.downloader(Remote(network=network, retry=ONCE, **remote))
    reports = [report async for report in downloader.download_all([Download(url, writer=Memory())])]
    await downloader.close()
    return reports[0]


async def failed(context: Context, url: str, network: Network, **remote: Any) -> Any:
    """Return the error of a download that must fail."""
    report = await fetched(context, url, network, **remote)
    assert report.error is not None
    return report.error


def asking(*servers: NameServer, **network: Any) -> Network:
    """Return settings that ask *servers*."""
    return Network(dns_servers=tuple(f"127.0.0.1:{each.port}" for each in servers), **network)


@pytest.fixture
def served(scripted: Scripted) -> Scripted:
    """A server that has something for everyone."""
    scripted.default = lambda _: ok(BODY)
    return scripted


@async_yield_fixture
async def second_nameserver(reactor: IReactor) -> AsyncIterator[NameServer]:
    """Another name server."""
    server = NameServer(reactor)
    server.listen(stream=False)
    yield server
    await in_time(reactor, server.close())


# Static hosts


@ensureDeferred
async def test_hosts(context: Context, served: Scripted) -> None:
    """A static host is connected to at its address, and asked for by its name."""
    report = await fetched(context, served.url("/f", "A.Name.Test"), Network(hosts={"a.name.test": "127.0.0.1"}))
    assert (None, len(BODY)) == (report.error, report.size)
    assert f"a.name.test:{served.port}".encode() == served.requests[0].header(b"Host")


@ensureDeferred
async def test_hosts_before_name_servers(context: Context, served: Scripted, nameserver: NameServer) -> None:
    """A static host is not asked for; other names are."""
    nameserver.on("b.test", [Reply("127.0.0.1")])
    network = asking(nameserver, hosts={"a.test": "127.0.0.1"})
    assert None is (await fetched(context, served.url("/", "a.test"), network)).error
    assert [] == nameserver.questions
    assert None is (await fetched(context, served.url("/", "b.test"), network)).error
    assert {("b.test", "A"), ("b.test", "AAAA")} == set(nameserver.questions)


# Name servers


@ensureDeferred
async def test_name_server(context: Context, served: Scripted, nameserver: NameServer) -> None:
    """Both kinds are asked for, once, and what was said is kept for its time: another Remote profits."""
    nameserver.on("a.test", [Reply("127.0.0.1", ttl=60, authority=60)])
    for _ in range(3):
        assert None is (await fetched(context, served.url("/", "a.test"), asking(nameserver))).error
    assert [("a.test", "A"), ("a.test", "AAAA")] == sorted(nameserver.questions)


@pytest.mark.parametrize("network", [{"dns_cache": False}, {"dns_ttl_max": 0}])
@ensureDeferred
async def test_nothing_kept(
    context: Context, served: Scripted, nameserver: NameServer, network: dict[str, Any]
) -> None:
    """Without a cache, or with one that keeps nothing, each connection asks again."""
    nameserver.on("a.test", [Reply("127.0.0.1", ttl=60)])
    context.pool.persistent = False
    for _ in range(2):
        assert None is (await fetched(context, served.url("/", "a.test"), asking(nameserver, **network))).error
    assert 4 == len(nameserver.questions)


@ensureDeferred
async def test_no_time_to_live(reactor: IReactor, served: Scripted, nameserver: NameServer) -> None:
    """What may not be kept is asked for again, unless there is a floor."""
    nameserver.on("a.test", [Reply("127.0.0.1")])
    for network, questions in ((asking(nameserver), 4), (asking(nameserver, dns_ttl_min=60), 2)):
        context = Context(reactor)
        context.pool.persistent = False
        nameserver.questions.clear()
        for _ in range(2):
            assert None is (await fetched(context, served.url("/", "a.test"), network)).error
        assert questions == len(nameserver.questions)
        await context.close()


@ensureDeferred
async def test_no_such_name(context: Context, nameserver: NameServer) -> None:
    """A name that does not exist is a final error, and the server is not asked twice in 10 s."""
    error = await failed(context, "http://missing.test/f", asking(nameserver))
    assert isinstance(error, DNSError)
    assert not error.retryable
    assert "no address for missing.test: there is no such name (http://missing.test/f)" == str(error)


@ensureDeferred
async def test_nothing_to_guess(context: Context, nameserver: NameServer) -> None:
    """N1: neither the port of a question nor its id follows from those before, and no port needs a privilege."""
    for number in range(20):
        await failed(context, f"http://{number}.missing.test/", asking(nameserver))
    ports, ids = (set(each) for each in zip(*nameserver.clients, strict=True))
    assert (40, True) == (len(nameserver.clients), min(ports) >= 1024)
    for each in (sorted(ports), sorted(ids)):
        assert len(each) >= 35
        assert each[-1] - each[0] > 1000


@ensureDeferred
async def test_broken_server(context: Context, served: Scripted, nameserver: NameServer) -> None:
    """A server that cannot tell is an error that another try may mend."""
    nameserver.on("broken.test", [Reply(code=SERVFAIL)])
    error = await failed(context, "http://broken.test/f", asking(nameserver))
    assert isinstance(error, DNSError)
    assert error.retryable
    assert "no address for broken.test: 127.0.0.1 answered that it failed" == error.detail


@ensureDeferred
async def test_next_server(
    context: Context, served: Scripted, nameserver: NameServer, second_nameserver: NameServer
) -> None:
    """Where one server cannot tell, the next is asked at once."""
    nameserver.on("a.test", [Reply(code=SERVFAIL)])
    second_nameserver.on("a.test", [Reply("127.0.0.1")])
    report = await fetched(context, served.url("/", "a.test"), asking(nameserver, second_nameserver))
    assert None is report.error
    assert nameserver.questions
    assert second_nameserver.questions


@ensureDeferred
async def test_no_server(context: Context, nameserver: NameServer) -> None:
    """Where nothing listens the error says so, at once."""
    network = asking(nameserver)
    await nameserver.close()
    error = await failed(context, "http://a.test/f", network)
    assert isinstance(error, DNSError)
    assert error.retryable
    assert f"nothing listens at 127.0.0.1 port {nameserver.port}" in error.detail


@ensureDeferred
async def test_silent_server(
    context: Context, reactor: IReactor, served: Scripted, nameserver: NameServer, lag: Lag
) -> None:
    """A name for which the server is silent delays no other, and leaves nothing behind when it is given up."""
    nameserver.on("silent.test", [Reply(never=True)])
    nameserver.on("good.test", [Reply("127.0.0.1")])
    network = asking(nameserver)
    impatient = context.downloader(Remote(network=network, retry=ONCE, timeouts=Timeouts(dns=1)))
    silent = [impatient.download(f"http://silent.test/{n}", writer=Memory()) for n in range(8)]
    errors: list[Any] = []
    for each in silent:
        each.addErrback(lambda failure: errors.append(failure.value))
    started = reactor.seconds()
    for _ in range(20):
        assert None is (await fetched(context, served.url("/", "good.test"), network)).error
    assert reactor.seconds() - started < 0.9 + lag.seconds
    for each in silent:
        await each
    assert {"the name server did not answer in 1 s"} == {error.detail for error in errors}
    assert 2 == len([name for name, _ in nameserver.questions if name == "silent.test"])


@ensureDeferred
async def test_close_while_asking(context: Context, reactor: IReactor, nameserver: NameServer) -> None:
    """Closing ends what is being asked: no port and no timer is left."""
    nameserver.on("silent.test", [Reply(never=True)])
    d = context.downloader(Remote(network=asking(nameserver))).download("http://silent.test/f", writer=Memory())
    d.addErrback(lambda _: None)
    while len(nameserver.questions) < 2:
        await deferLater(reactor, 0.01)
    await context.close()
    await d


@ensureDeferred
async def test_late_ipv6(context: Context, served: Scripted, nameserver: NameServer, lag: Lag) -> None:
    """A server that never says whether there are IPv6 addresses delays what has IPv4 ones by 50 ms only."""
    from twisted.names import dns

    nameserver.on("a.test", [Reply("127.0.0.1")], dns.A)
    nameserver.on("a.test", [Reply(never=True)], dns.AAAA)
    report = await fetched(context, served.url("/", "a.test"), asking(nameserver))
    assert None is report.error
    assert 0.05 <= report.finished - report.started < 0.5 + lag.seconds


@pytest.mark.parametrize("stream", [True, False])
@ensureDeferred
async def test_truncated(reactor: IReactor, context: Context, served: Scripted, stream: bool) -> None:
    """What does not fit is asked for by TCP; where that does not work, the server cannot tell."""
    server = NameServer(reactor)
    server.listen(stream=stream)
    server.on("long.test", [Reply("127.0.0.1", truncated=True)])
    report = await fetched(context, served.url("/", "long.test"), asking(server))
    if stream:
        assert None is report.error
        assert 2 == server.streams
    else:
        assert isinstance(report.error, DNSError)
        assert report.error.retryable
    await server.close()


@ensureDeferred
async def test_aliases(context: Context, served: Scripted, nameserver: NameServer) -> None:
    """Aliases are followed, within an answer and beyond, but not for ever."""
    nameserver.on("www.test", [Reply("127.0.0.1", aliases=("a.test", "b.test"))])
    nameserver.on("far.test", [Reply(aliases=("www.test",))])
    nameserver.on("round.test", [Reply(aliases=("round.test",))])
    network = asking(nameserver)
    for host in ("www.test", "far.test"):
        assert None is (await fetched(context, served.url("/", host), network)).error
    error = await failed(context, "http://round.test/", network)
    assert isinstance(error, DNSError)
    assert "more than 8 aliases" in error.detail


@ensureDeferred
async def test_name_server_by_ipv6(reactor: IReactor, context: Context, served: Scripted) -> None:
    """A name server may have an IPv6 address."""
    needs_ipv6()
    server = NameServer(reactor)
    server.listen(interface="::1")
    server.on("a.test", [Reply("127.0.0.1", truncated=True)])
    network = Network(dns_servers=(f"[::1]:{server.port}",))
    assert None is (await fetched(context, served.url("/", "a.test"), network)).error
    await server.close()


# Versions of IP


@pytest.mark.parametrize(("family", "kind"), [("ipv4", "A"), ("ipv6", "AAAA")])
@ensureDeferred
async def test_family(
    context: Context, start_scripted: StartScripted, nameserver: NameServer, family: Any, kind: str
) -> None:
    """Only one version is asked for, and connected to."""
    needs_ipv6()
    first = await start_scripted()
    second = await start_scripted(interface="::1", port=first.port)
    for server in (first, second):
        server.default = lambda _: ok(BODY)
    nameserver.on("a.test", [Reply("127.0.0.1", "::1")])
    assert None is (await fetched(context, first.url("/", "a.test"), asking(nameserver, family=family))).error
    assert [("a.test", kind)] == nameserver.questions
    assert ((1, 0) if family == "ipv4" else (0, 1)) == (first.accepted, second.accepted)


@pytest.mark.parametrize(("family", "host"), [("ipv4", "[::1]"), ("ipv6", "127.0.0.1"), ("ipv6", "localhost")])
@ensureDeferred
async def test_other_family(context: Context, served: Scripted, family: Any, host: str) -> None:
    """An address of the other version is not connected to, whether it is in the URL or was looked up."""
    network = Network(family=family, hosts={"localhost": ("127.0.0.1", "::1")})
    error = await failed(context, served.url("/", host), network)
    assert isinstance(error, ConnectionRefused if host == "localhost" else DNSError)
    assert 0 == served.accepted


@ensureDeferred
async def test_ipv6_first(context: Context, start_scripted: StartScripted, lag: Lag) -> None:
    """Where both versions answer it is IPv6; where it refuses it is the other at once."""
    needs_ipv6()
    first = await start_scripted()
    second = await start_scripted(interface="::1", port=first.port)
    for server in (first, second):
        server.default = lambda _: ok(BODY)
    network = Network(hosts={"a.test": ("127.0.0.1", "::1")})
    assert None is (await fetched(context, first.url("/", "a.test"), network)).error
    assert (0, 1) == (first.accepted, second.accepted)
    await context.pool.closeCachedConnections()
    await second.close()
    report = await fetched(context, first.url("/", "a.test"), network)
    assert (None, 1) == (report.error, first.accepted)
    assert report.finished - report.started < 0.2 + lag.seconds


# Our own end


@ensureDeferred
async def test_bind_address(context: Context, served: Scripted) -> None:
    """Connections come from the address that is given; others are not used for them."""
    if sys.platform != "linux":
        pytest.skip("only Linux has all of 127.0.0.0/8")
    for address in ("127.0.0.2", "127.0.0.3"):
        assert None is (await fetched(context, served.url("/"), Network(bind_address=address))).error
    assert None is (await fetched(context, served.url("/"), Network())).error
    assert ["127.0.0.2", "127.0.0.3", "127.0.0.1"] == [request.peer[0] for request in served.requests]


@ensureDeferred
async def test_bind_address_ipv6(context: Context, start_scripted: StartScripted) -> None:
    """Our own end may be one of IPv6; IPv4 addresses are left out then."""
    needs_ipv6()
    server = await start_scripted(interface="::1")
    server.default = lambda _: ok(BODY)
    network = Network(bind_address="::1", hosts={"a.test": ("127.0.0.1", "::1")})
    assert None is (await fetched(context, server.url("/", "a.test"), network)).error
    assert "::1" == server.requests[0].peer[0]


# Twisted leaves a socket that it could not bind to the interpreter, which closes it and warns.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
@ensureDeferred
async def test_bind_address_of_others(context: Context, served: Scripted, address: str) -> None:
    """An address that this machine does not have is a final error."""
    if ":" in address:
        needs_ipv6()
    host = "127.0.0.1" if ":" not in address else "[::1]"
    error = await failed(context, served.url("/", host), Network(bind_address=address))
    assert isinstance(error, BindError)
    assert not error.retryable
    assert f"cannot bind to {address}: Cannot assign requested address" == error.detail
    assert 0 == served.accepted


# Sockets of files


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a socket is to be."""
    return tmp_path / "socket"


@pytest.mark.parametrize("secure", [False, True])
@ensureDeferred
async def test_unix_socket(
    context: Context, start_nginx: StartNginx, corpus: Corpus, path: Path, tls: Authority, secure: bool
) -> None:
    """All connections go to the socket, whatever the host, with TLS too; its name is checked as ever."""
    file = corpus.file("file", 300_000)
    lines = [f"listen unix:{path}{' ssl' if secure else ''};"]
    nginx: Nginx = await start_nginx(corpus.root, lines=lines, tls=tls.files() if secure else None)
    remote = {"network": Network(unix_socket=str(path)), "tls": TLS(ca_cert=str(tls.ca_file))}
    scheme = "https" if secure else "http"
    for host in ("localhost", "localhost:81", "127.0.0.1"):
        report = await fetched(context, f"{scheme}://{host}/file", **remote)
        assert (None, file.sha256) == (report.error, report.digests.get("sha256"))
    assert 3 == sum("/file 200" in line for line in nginx.log())
    if secure:
        error = await failed(context, "https://other.test/file", **remote)
        assert isinstance(error, TLSError)
        assert "the certificate is for another name" == error.detail


@ensureDeferred
async def test_unix_socket_is_another_way(context: Context, served: Scripted, path: Path) -> None:
    """Connections by way of a socket are not mixed with others to the same host."""
    assert None is (await fetched(context, served.url("/"), Network())).error
    error = await failed(context, served.url("/"), Network(unix_socket=str(path)))
    assert isinstance(error, ConnectError)
    assert f"cannot connect to {path}: No such file or directory" == error.detail


@ensureDeferred
async def test_unix_socket_nobody_listens(context: Context, path: Path) -> None:
    """A socket that nobody listens at is a refusal."""
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))
    assert isinstance(await failed(context, "http://a/f", Network(unix_socket=str(path))), ConnectionRefused)


# Apart from each other


@pytest.mark.parametrize(
    "way",
    [
        lambda server: Network(hosts={"localhost": "127.0.0.1"}),
        lambda server: Network(family="ipv4"),
        asking,
        lambda server: Network(bind_address="127.0.0.1"),
    ],
)
@ensureDeferred
async def test_ways_are_apart(
    context: Context, served: Scripted, nameserver: NameServer, way: Callable[[NameServer], Network]
) -> None:
    """What was connected to in another way is not used, and what was in the same way is (C5)."""
    network = way(nameserver)
    for _ in range(2):
        for each in (Network(), network):
            assert None is (await fetched(context, served.url("/", "localhost"), each)).error
    assert 2 == served.accepted
