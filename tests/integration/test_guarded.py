"""
Guarded Remotes on a real network: a canary listens at 127.0.0.1 and ::1, and nothing may ever reach it.

127.0.0.2 stands for the public internet: the policy allows it, and nothing else of this machine.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from pytest_twisted import async_yield_fixture, ensureDeferred

from tests.integration.canary import Canary, Names, at, canary
from tests.servers.dns import NameServer, Reply
from tests.servers.fixtures import StartFTP, StartScripted
from tests.servers.reactor import IReactor
from tests.servers.scripted import Close, Scripted, Send, ok, status
from tests.spellings import PRIVATE, spellings
from twisted_pulp import AddressPolicy, Context, Download, DownloadReport, Memory, Network, Proxy, Remote, Retry
from twisted_pulp.errors import BlockedAddress, HTTPStatusError, PulpError, RedirectError, SettingsError
from twisted_pulp.metalink import read_metalink

__all__ = ["canary"]

BODY = b"public" * 1000
SHA256 = hashlib.sha256(BODY).hexdigest()
DIGESTS = {"sha256": SHA256}
PUBLIC = "127.0.0.2"
POLICY = AddressPolicy(allow=PUBLIC, ports="1-65535")
ONCE = Retry(retries=0)


@async_yield_fixture
async def guarded(reactor: IReactor) -> AsyncIterator[Context]:
    """A Context with the policy of these tests."""
    made = Context(reactor, policy=POLICY)
    yield made
    await made.close()


def remote(**given: Any) -> Remote:
    """Return a guarded Remote that is not patient."""
    network = evolve(given.pop("network", Network()), guarded=True)
    return Remote(network=network, retry=ONCE, **given)


async def fetched(context: Context, url: str | Download, upstream: Remote | None = None) -> DownloadReport:
    """Download *url* with a guarded Remote, and return the report whatever becomes of it."""
    download = Download(url, writer=Memory(), digests=DIGESTS) if isinstance(url, str) else url
    downloader = context.downloader(upstream or remote())
    (report,) = [each async for each in downloader.download_all([download])]
    await downloader.close()
    return report


# Spellings


@ensureDeferred
async def test_canary(context: Context, canary: Canary) -> None:
    """The canary would be reached: unguarded, and by many of the spellings."""
    for url in ("http://127.0.0.1/", "http://127.1/", "http://2130706433/", "http://localhost/", "http://[::1]/"):
        before = canary.hits
        await fetched(context, at(url, canary.port), Remote(retry=ONCE))
        assert before < canary.hits, url


@pytest.mark.parametrize("names", [("127.0.0.1",), ("::1",), (PUBLIC, "127.0.0.1"), ("8.8.8.8", "::1")])
@ensureDeferred
async def test_s1_spellings(guarded: Context, canary: Canary, names: tuple[str, ...]) -> None:
    """S1, S2: hundreds of spellings, and every name looked up to the canary beside others: no hit."""
    guarded.resolver = Names(*names)  # type: ignore[assignment]
    web = [f"http://{each}/" for each in spellings("127.0.0.1")]
    urls = [*(at(url, canary.port) for url in web), *PRIVATE, *(f"http://{n}.example:{canary.port}/" for n in range(9))]
    errors: list[BaseException | None] = []
    for url in urls:
        try:
            errors.append((await fetched(guarded, url)).error)
        except SettingsError as error:
            errors.append(error)
    assert 250 <= len(urls)
    assert [] == [error for error in errors if not isinstance(error, BlockedAddress | SettingsError)]
    assert 150 <= sum(isinstance(error, BlockedAddress) for error in errors)
    assert 0 == canary.hits


@ensureDeferred
async def test_s1_system_resolver(guarded: Context, canary: Canary) -> None:
    """S1: so it is with what the system itself reads as an address or knows as a name."""
    for host in ("127.1", "2130706433", "0x7f.1", "017700000001", "localhost", "LOCALHOST.", socket.gethostname()):
        report = await fetched(guarded, f"http://{host}:{canary.port}/")
        assert isinstance(report.error, PulpError)
    assert 0 == canary.hits


# Names


@ensureDeferred
async def test_s2_rebinding(
    guarded: Context,
    start_scripted: StartScripted,
    canary: Canary,
    nameserver: NameServer,
    campaign_count: Callable[[int, int], int],
) -> None:
    """S2, row 20: a name whose address flips with every answer, TTL 0: the canary is never hit."""
    public = await start_scripted(interface=PUBLIC, port=canary.port)
    public.default = lambda _: (*ok(BODY, [(b"Connection", b"close")]), Close())
    tries = campaign_count(100, 1000)
    nameserver.on("flip.test", [Reply(PUBLIC if number % 2 else "127.0.0.1") for number in range(2 * tries + 10)])
    server = f"127.0.0.1:{nameserver.port}"
    guarded.policy = evolve(POLICY, dns_servers=server)
    upstream = remote(network=Network(dns_servers=server, family="ipv4"))
    blocked = 0
    for _ in range(tries):
        report = await fetched(guarded, f"http://flip.test:{canary.port}/", upstream)
        blocked += isinstance(report.error, BlockedAddress)
        assert report.error is None or isinstance(report.error, BlockedAddress)
    assert (0, tries) == (canary.hits, blocked + len(public.requests))
    assert 0 < blocked < tries


@ensureDeferred
async def test_s2_mixed(guarded: Context, canary: Canary, nameserver: NameServer) -> None:
    """S2: a name with a public and a private address is refused whichever is asked for first."""
    server = f"127.0.0.1:{nameserver.port}"
    guarded.policy = evolve(POLICY, dns_servers=server)
    for number, addresses in enumerate([(PUBLIC, "127.0.0.1"), ("127.0.0.1", PUBLIC), (PUBLIC, "::1"), ("::1",)]):
        nameserver.on(f"n{number}.test", [Reply(*addresses)])
        upstream = remote(network=Network(dns_servers=server))
        report = await fetched(guarded, f"http://n{number}.test:{canary.port}/", upstream)
        assert isinstance(report.error, BlockedAddress), addresses
    assert 0 == canary.hits


@ensureDeferred
async def test_name_server_inside(guarded: Context, nameserver: NameServer) -> None:
    """A name server that the Remote alone names is not asked where it must not be reached."""
    upstream = remote(network=Network(dns_servers=f"127.0.0.1:{nameserver.port}"))
    report = await fetched(guarded, "http://a.test/", upstream)
    assert isinstance(report.error, BlockedAddress)
    assert [] == nameserver.questions


# What answers lead to


@ensureDeferred
async def test_s3_redirects(guarded: Context, start_scripted: StartScripted, canary: Canary) -> None:
    """S3: each hop is judged: no redirect, whatever its spelling and however late in a row, leads to the canary."""
    public, targets = (
        await start_scripted(interface=PUBLIC),
        [at(f"http://{h}/", canary.port) for h in spellings("127.0.0.1")],
    )
    targets += [url for url in PRIVATE if "\r" not in url and "\n" not in url and "\0" not in url]
    for number, target in enumerate(targets):
        hops = [f"/{number}/{hop}" for hop in range(number % 3 + 1)]
        for hop, path in enumerate(hops):
            location = public.url(hops[hop + 1], PUBLIC) if hop + 1 < len(hops) else target
            code = (301, 302, 303, 307, 308)[number % 5]
            public.on(path.encode(), [status(code, [(b"Location", location.encode())])])
        report = await fetched(guarded, public.url(hops[0], PUBLIC))
        relative = "://" not in target and not target.startswith("//127")
        refusals = (HTTPStatusError, RedirectError) if relative else (BlockedAddress, RedirectError, SettingsError)
        assert isinstance(report.error, refusals), target
    assert 200 <= len(targets)
    assert 0 == canary.hits


@pytest.mark.parametrize(
    "scheme", ["file:///etc/passwd", "ftp://127.0.0.1/x", "unix:///run/x.sock", "data:,x", "gopher://a/"]
)
@pytest.mark.parametrize("free", [True, False])
@ensureDeferred
async def test_s3_schemes(guarded: Context, start_scripted: StartScripted, scheme: str, free: bool) -> None:
    """S3: a redirect leads to no other scheme, guarded or not."""
    public = await start_scripted(interface=PUBLIC)
    public.default = lambda _: status(302, [(b"Location", scheme.encode())])
    upstream = Remote(retry=ONCE, file_roots="/etc") if free else remote(file_roots="/etc")
    report = await fetched(guarded, public.url("/", PUBLIC), upstream)
    assert isinstance(report.error, RedirectError)


@ensureDeferred
async def test_s3_mirrors(
    guarded: Context, start_scripted: StartScripted, canary: Canary, nameserver: NameServer
) -> None:
    """S3: mirrors, mirror lists, where these are, and what they list: the canary is none of them."""
    public = await start_scripted(interface=PUBLIC)
    base = public.url("/pub/", PUBLIC)
    inside = f"http://127.0.0.1:{canary.port}/"
    public.on(b"/list", [ok(f"{inside}\nhttp://localhost:{canary.port}/\nftp://127.0.0.1:{canary.port}/\n".encode())])
    for fields in (
        {"mirrors": (inside,)},
        {"mirror_list": inside},
        {"mirror_list": public.url("/list", PUBLIC)},
        {"mirror_list": lambda _: [inside, f"http://[::1]:{canary.port}/"]},
    ):
        report = await fetched(guarded, base + "file", remote(url=base, **fields))
        assert report.error is not None
    assert 0 == canary.hits
    assert public.asked(b"/list")


@ensureDeferred
async def test_s3_links(guarded: Context, start_scripted: StartScripted, canary: Canary) -> None:
    """S3: a Link header that names a duplicate does not lead inside."""
    public = await start_scripted(interface=PUBLIC)
    link = f"<http://127.0.0.1:{canary.port}/f>; rel=duplicate; pri=1".encode()
    public.on(b"/f", [status(503, [(b"Link", link)])])
    report = await fetched(guarded, public.url("/f", PUBLIC))
    assert isinstance(report.attempts[-1].error, BlockedAddress)
    assert 0 == canary.hits


@ensureDeferred
async def test_s3_metalink(guarded: Context, start_scripted: StartScripted, canary: Canary) -> None:
    """S3: nor do the URLs of a metalink, of any scheme; one that is public is used."""
    public = await start_scripted(interface=PUBLIC)
    public.on(b"/f", [ok(BODY)])
    inside = f"127.0.0.1:{canary.port}"
    urls = [f"http://{inside}/f", f"ftp://{inside}/f", "file:///etc/passwd", public.url("/f", PUBLIC)]
    lines = "".join(f'<url priority="{number + 1}">{url}</url>' for number, url in enumerate(urls))
    text = f"""<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="f">
        <hash type="sha-256">{SHA256}</hash>{lines}</file></metalink>"""
    (described,) = read_metalink(text.encode()).downloads
    report = await fetched(guarded, evolve(described, path=None, writer=Memory()), remote(file_roots="/etc"))
    assert (None, urls[-1]) == (report.error, report.source.url)  # type: ignore[union-attr]
    assert 0 == canary.hits


@pytest.mark.parametrize("auth", ["basic", "token"])
@ensureDeferred
async def test_s3_realm(guarded: Context, start_scripted: StartScripted, canary: Canary, auth: Any) -> None:
    """S3: no token is asked for inside."""
    public = await start_scripted(interface=PUBLIC)
    for host in ("127.0.0.1", "127.1", "[::1]", "localhost"):
        challenge = f'Bearer realm="http://{host}:{canary.port}/token",service="x"'.encode()
        public.default = lambda _, challenge=challenge: status(401, [(b"WWW-Authenticate", challenge)])  # type: ignore[misc]
        base = public.url("/", PUBLIC)
        upstream = remote(
            url=base, username="me", password="S3CR3T", auth=auth, origins=(f"http://{host}:{canary.port}",)
        )
        report = await fetched(guarded, base + "f", upstream)
        assert isinstance(report.error, BlockedAddress), host
    assert 0 == canary.hits


# Other ways


@pytest.mark.parametrize("scheme", ["http", "https", "socks5", "socks5h"])
@ensureDeferred
async def test_s4_proxy(guarded: Context, start_scripted: StartScripted, canary: Canary, scheme: str) -> None:
    """S4: a proxy inside is not reached, and one that may be used is not told of hosts inside."""
    through = remote(proxy=Proxy(url=f"{scheme}://127.0.0.1:{canary.port}"))
    report = await fetched(guarded, f"http://{PUBLIC}:9/", through)
    assert isinstance(report.error, BlockedAddress)
    proxy = await start_scripted(interface=PUBLIC)
    through = remote(proxy=Proxy(url=f"{scheme}://{PUBLIC}:{proxy.port}"))
    for url in (
        f"http://127.0.0.1:{canary.port}/",
        f"https://localhost:{canary.port}/",
        f"http://[::1]:{canary.port}/",
    ):
        report = await fetched(guarded, url, through)
        assert isinstance(report.error, BlockedAddress), url
    assert (0, 0) == (canary.hits, proxy.accepted)


@ensureDeferred
async def test_s4_proxy_of_the_operator(guarded: Context, scripted: Scripted) -> None:
    """S4: a proxy that the operator names may be anywhere; it is asked for what is public."""
    scripted.on(f"http://{PUBLIC}/f".encode(), [ok(BODY)])
    guarded.policy = evolve(POLICY, proxies=scripted.url(""))
    report = await fetched(guarded, f"http://{PUBLIC}/f", remote(proxy=Proxy(url=scripted.url(""))))
    assert (None, 1) == (report.error, len(scripted.requests))


@ensureDeferred
async def test_s5_files(guarded: Context, tmp_path: Path) -> None:
    """S5: a guarded Remote reads and links no files of this machine, whatever its roots."""
    secret = tmp_path / "secret"
    secret.write_bytes(BODY)
    for mode in ("copy", "hardlink", "symlink"):
        upstream = remote(file_roots=str(tmp_path), file_mode=mode)
        report = await fetched(guarded, Download(secret.as_uri(), tmp_path / "out" / "f", digests=DIGESTS), upstream)
        assert isinstance(report.error, BlockedAddress)
        assert not (tmp_path / "out" / "f").exists()


@ensureDeferred
async def test_ftp(guarded: Context, start_ftp: StartFTP) -> None:
    """A guarded Remote speaks no FTP: where its data would come from is the server's word."""
    server = await start_ftp(interface=PUBLIC)
    for scheme in ("ftp", "ftps"):
        report = await fetched(guarded, f"{scheme}://{PUBLIC}:{server.port}/f")
        assert isinstance(report.error, BlockedAddress)
    assert 0 == server.accepted


@ensureDeferred
async def test_other_schemes(guarded: Context) -> None:
    """Nor does it hand anything to schemes of other projects."""
    report = await fetched(guarded, "s3://bucket/key")
    assert isinstance(report.error, BlockedAddress)


@ensureDeferred
async def test_unix_socket(guarded: Context, tmp_path: Path) -> None:
    """Nor does it use a socket of this machine."""
    upstream = remote(network=Network(unix_socket=str(tmp_path / "x.sock")))
    report = await fetched(guarded, f"http://{PUBLIC}/", upstream)
    assert isinstance(report.error, BlockedAddress)


@ensureDeferred
async def test_metadata(guarded: Context, canary: Canary) -> None:
    """What is fetched as metadata, and sent with other methods, is guarded too."""
    client = guarded.downloader(remote()).http
    for method in ("GET", "HEAD", "POST", "PUT"):
        with pytest.raises(BlockedAddress):
            await client.request(method, f"http://127.0.0.1:{canary.port}/", data=b"x" if method[0] == "P" else None)
    assert 0 == canary.hits


# Kept connections


@ensureDeferred
async def test_nothing_is_shared(guarded: Context, start_scripted: StartScripted) -> None:
    """Guarded downloads never use connections that were made freely, nor the other way round."""
    public = await start_scripted(interface=PUBLIC)
    public.default = lambda _: ok(BODY)
    for upstream, connections in ((Remote(), 1), (remote(), 2), (Remote(), 2), (remote(), 2)):
        report = await fetched(guarded, public.url("/", PUBLIC), upstream)
        assert (None, connections) == (report.error, public.accepted)


@ensureDeferred
async def test_new_policy(guarded: Context, start_scripted: StartScripted) -> None:
    """A policy counts from the moment it is set, for kept connections too; so does the old one when it comes back."""
    public, upstream = await start_scripted(interface=PUBLIC), remote()
    public.default = lambda _: ok(BODY)
    assert None is (await fetched(guarded, public.url("/", PUBLIC), upstream)).error
    guarded.policy = evolve(POLICY, deny=PUBLIC)
    assert isinstance((await fetched(guarded, public.url("/", PUBLIC), upstream)).error, BlockedAddress)
    guarded.policy = None
    assert isinstance((await fetched(guarded, public.url("/", PUBLIC), upstream)).error, BlockedAddress)
    guarded.policy = evolve(POLICY)
    assert None is (await fetched(guarded, public.url("/", PUBLIC), upstream)).error
    assert (1, 2) == (public.accepted, len(public.requests))


@ensureDeferred
async def test_own_ports(guarded: Context, start_scripted: StartScripted) -> None:
    """What the program itself listens at is not reached by any address of this machine."""
    own = await start_scripted(interface=PUBLIC)
    guarded.policy = evolve(POLICY, own=f"*:{own.port}")
    report = await fetched(guarded, own.url("/", PUBLIC))
    assert isinstance(report.error, BlockedAddress)
    assert 0 == own.accepted


@ensureDeferred
async def test_default_policy(context: Context, start_scripted: StartScripted) -> None:
    """A Context that was given none has the default: nothing of this machine."""
    server = await start_scripted()
    server.default = lambda _: (Send(b"HTTP/1.1 200 OK\r\n\r\n"), Close())
    report = await fetched(context, server.url("/"))
    assert isinstance(report.error, BlockedAddress)
    assert "the policy blocks the address 127.0.0.1" == report.error.detail
    assert 0 == server.accepted
