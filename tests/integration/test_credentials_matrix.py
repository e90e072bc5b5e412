"""
Threat C1: nine kinds of redirects and seven kinds of secrets.

The name server is a table: every host of a.test and b.test is this machine. What each origin received is looked at,
header by header: beyond what every stranger gets there is nothing, whether or not the stranger asks for more.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from attrs import define, field
from pytest_twisted import async_yield_fixture, ensureDeferred

from tests.servers.fixtures import StartScripted, in_time
from tests.servers.logins import DigestGuard, Realm, TokenGuard
from tests.servers.reactor import IReactor
from tests.servers.scripted import Answer, Request, Scripted, Steps, ok, status
from tests.servers.tls import Authority
from twisted_pulp import TLS, Context, Download, Remote, Retry
from twisted_pulp.errors import NotAuthorized
from twisted_pulp.http import Resolver
from twisted_pulp.transfer import Memory

BODY = hashlib.shake_256(b"matrix").digest(1000)
STRANGER = {b"Host", b"User-Agent", b"Accept", b"Accept-Encoding"}
HOME = "www.a.test"


def to(location: str) -> Steps:
    """Answer with a redirect."""
    return status(302, [(b"Location", location.encode())])


def _table(host: str, port: int, *rest: Any) -> Any:
    assert host.rstrip(".").endswith((".a.test", "a.test", "b.test"))
    return socket.getaddrinfo("127.0.0.1", port, *rest)


@define(eq=False)
class World:
    """
    The server that everything is for, and two others.

    :ivar home: at www.a.test, and at every other host that anybody thinks of.
    :ivar other: on another port.
    :ivar secure: speaks https.
    """

    context: Context
    home: Scripted
    other: Scripted
    secure: Scripted
    trusted: str
    realm: Realm = field(factory=Realm)

    def url(self, path: str, host: str = HOME) -> str:
        """Return a URL at home, or at another host on its port."""
        return self.home.url(path, host)

    @property
    def all(self) -> Iterator[Request]:
        """Every request that anybody got, but those for tokens."""
        for server in (self.home, self.other, self.secure):
            yield from (request for request in server.requests if request.path != b"/token")


@async_yield_fixture
async def world(reactor: IReactor, start_scripted: StartScripted, tls: Authority) -> AsyncIterator[World]:
    """The servers, and a Context that finds them by all names."""
    context = Context(reactor)
    context.resolver = Resolver(reactor, getaddrinfo=_table)  # type: ignore[arg-type]  # all of it that it needs
    secure = await start_scripted(tls.server(tls.leaf(HOME)))
    made = World(context, await start_scripted(), await start_scripted(), secure, str(tls.ca_file))
    yield made

    async def closing() -> None:
        await context.close()

    await in_time(reactor, closing())


# Where a redirect leads: the Location of /start, and the path that is asked in the end.
AWAY = {
    "other host": lambda w: w.other.url("/end", "b.test"),
    "other port": lambda w: w.other.url("/end", HOME),
    "other scheme": lambda w: w.secure.url("/end", HOME),
    "subdomain": lambda w: w.url("/end", f"sub.{HOME}"),
    "parent domain": lambda w: w.url("/end", "a.test"),
    "userinfo": lambda w: f"http://{HOME}:{w.home.port}@b.test:{w.other.port}/end",
    "trailing dot": lambda w: w.url("/end", "WWW.a.test."),
    "out and back": lambda w: w.other.url("/back", "b.test"),
    "protocol-relative": lambda w: f"//b.test:{w.other.port}/end",
}
STAYING = {
    "path": lambda w: "/end",
    "absolute": lambda w: w.url("/end"),
    "other case": lambda w: w.url("/end", "WWW.A.TEST"),
}
#: What the file's own server must see of each secret, in a header.
SECRETS = {
    "basic": (b"Authorization", b"Basic am9lOlMzQ1IzVC0x"),  # joe:S3CR3T-1
    "digest": (b"Authorization", b'Digest username="S3CR3T-2"'),
    "bearer": (b"Authorization", b"Bearer S3CR3T-3"),
    "fetched": (b"Authorization", b"Bearer S3CR3T-token-0-pull"),
    "cookie": (b"Cookie", b"session=S3CR3T-5"),
    "custom": (b"X-Key", b"S3CR3T-6"),
    "download": (b"X-Own", b"S3CR3T-7"),
}


def remote_of(world: World, secret: str) -> Remote:
    """Return the Remote that has *secret*."""
    settings: dict[str, dict[str, Any]] = {
        "basic": {"username": "joe", "password": "S3CR3T-1"},
        "digest": {"username": "S3CR3T-2", "password": "S3CR3T-2", "auth": "digest"},
        "bearer": {"token": "S3CR3T-3"},
        "fetched": {"username": "joe", "password": "S3CR3T-4", "auth": "token"},
        "cookie": {"cookies": True},
        "custom": {"headers": {"X-Key": "S3CR3T-6", "Cookie": "S3CR3T-6", "Authorization": "S3CR3T-6"}},
        "download": {},
    }
    rest: dict[str, Any] = settings[secret]
    return Remote(url=world.url("/"), tls=TLS(ca_cert=world.trusted), retry=Retry(retries=0), **rest)


def download_of(world: World, secret: str) -> Download:
    """Return the Download that has *secret*."""
    url = world.url("/start")
    if secret != "download":
        return Download(url, writer=Memory())
    own = {"X-Own": "S3CR3T-7", "Cookie": "S3CR3T-7"}
    return Download(url.replace("//", "//S3CR3T-7:S3CR3T-7@"), writer=Memory(), headers=own)


def guarded(world: World, secret: str, answer: Answer) -> Answer:
    """Return *answer* behind what asks for *secret*."""
    if secret == "digest":
        return DigestGuard(answer, {"S3CR3T-2": "S3CR3T-2"}, ["SHA-256"])
    if secret == "fetched":
        return TokenGuard(answer, world.realm, world.url("/token"))
    return answer


def curious(world: World) -> Steps:
    """Ask for everything there is."""
    asks = [
        b'Basic realm="x"',
        b'Digest realm="the \\"realm\\"", nonce="nonce-1", qop="auth", algorithm=SHA-256',
        b'Bearer realm="%b",service="files",scope="pull"' % world.url("/token").encode(),
    ]
    return status(401, [*((b"WWW-Authenticate", each) for each in asks), (b"Set-Cookie", b"c=d; Path=/")])


async def fetch(world: World, secret: str) -> Any:
    """Log in where that is needed, and download; return the error."""
    world.home.on(b"/token", [world.realm])
    world.home.on(b"/login", [status(200, [(b"Set-Cookie", b"session=S3CR3T-5; Path=/")])])
    downloader = world.context.downloader(remote_of(world, secret))
    if secret == "cookie":
        await downloader.download(world.url("/login"), writer=Memory())
        del world.home.requests[:]
    (report,) = [each async for each in downloader.download_all([download_of(world, secret)])]
    await downloader.close()
    return report.error


def names(request: Request) -> set[bytes]:
    """Return the names of the headers of *request*."""
    return {name for name, _ in request.headers}


@pytest.mark.parametrize("asks", [False, True], ids=["", "asks"])
@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("kind", AWAY)
@ensureDeferred
async def test_c1_away(world: World, kind: str, secret: str, asks: bool) -> None:
    """C1: a secret goes to its origin, and to no other; a way back brings nothing back."""
    last: Steps = curious(world) if asks else ok(BODY)
    world.home.on(b"/start", [guarded(world, secret, to(AWAY[kind](world)))])
    world.other.on(b"/back", [to(world.url("/end"))])
    for server in (world.home, world.other, world.secure):
        server.on(b"/end", [last])
    error = await fetch(world, secret)
    assert isinstance(error, NotAuthorized) if asks else error is None
    header, value = SECRETS[secret]
    at_home = [request for request in world.all if request.path == b"/start"]
    assert (at_home[-1].header(header) or b"").startswith(value)
    away = [request for request in world.all if request.path != b"/start"]
    assert (2 if kind == "out and back" else 1) == len(away)
    for request in away:
        assert names(request) <= STRANGER
        assert b"S3CR3T" not in b"".join(each for _, each in request.headers) + request.target
    tokens = world.home.asked(b"/token")
    assert (1 if secret == "fetched" else 0) == len(tokens)


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("kind", STAYING)
@ensureDeferred
async def test_c1_at_home(world: World, kind: str, secret: str) -> None:
    """C1, the other side: within its origin a secret goes along with every redirect."""
    world.home.on(b"/start", [to(STAYING[kind](world))])
    guard = guarded(world, secret, ok(BODY))
    world.home.on(b"/end", [guard])
    assert None is await fetch(world, secret)
    header, value = SECRETS[secret]
    last = world.home.asked(b"/end")[-1]
    assert (last.header(header) or b"").startswith(value)


@pytest.mark.parametrize("secret", SECRETS)
@ensureDeferred
async def test_c1_asked_elsewhere(world: World, secret: str) -> None:
    """C1: nor does an origin get a secret that is asked by itself, whatever it asks for."""
    world.home.on(b"/start", [guarded(world, secret, ok(BODY))])
    assert None is await fetch(world, secret)
    world.other.default = lambda _: curious(world)
    downloader = world.context.downloader(remote_of(world, secret))
    for url in (world.other.url("/end", HOME), world.other.url("/end", "b.test")):
        for fetched in (downloader.download(url, writer=Memory()), downloader.head(url)):
            with pytest.raises(NotAuthorized):
                await fetched
    assert 4 <= len(world.other.requests)
    for request in world.other.requests:
        # A token that anybody may have is fetched, without a word of who asks.
        anybody = {b"Authorization"} if secret == "fetched" else set()
        assert names(request) <= STRANGER | anybody
        assert b"S3CR3T-token-0" not in b"".join(each for _, each in request.headers)
    for request in world.home.asked(b"/token")[1:]:
        assert names(request) <= STRANGER
