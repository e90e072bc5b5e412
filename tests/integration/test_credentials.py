"""Who asks: row 41 and 42 of the faults, against nginx, scripted servers, and curl as the other client."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.web.client import readBody

from tests.servers.fixtures import StartNginx, StartScripted
from tests.servers.logins import DigestGuard, Realm, TokenGuard, basic_of
from tests.servers.nginx import Nginx
from tests.servers.programs import require
from tests.servers.reactor import IReactor
from tests.servers.scripted import Request, Scripted, Stall, Steps, Until, ok, status
from tests.servers.tls import Authority
from twisted_pulp import TLS, Context, Download, Limits, Remote, Retry, Source
from twisted_pulp.errors import Cancelled, HTTPStatusError, NotAuthorized, ProtocolError, SettingsError
from twisted_pulp.transfer import Memory

BODY = hashlib.shake_256(b"credentials").digest(5000)
ONCE = Retry(retries=0)


async def got(context: Context, remote: Remote, *urls: str | Source, concurrency: int = 8) -> list[Any]:
    """Download *urls* with *remote*, and return the error of each, or None where the body is right."""
    downloader = context.downloader(remote)
    wanted = [Download(url, writer=Memory()) for url in urls]
    reports = [report async for report in downloader.download_all(wanted, concurrency)]
    await downloader.close()
    return [report.error or (None if report.download.writer.content == BODY else "wrong") for report in reports]


# Basic


@pytest.fixture
def start_guarded(start_nginx: StartNginx, tmp_path: Path) -> Callable[[], Awaitable[Nginx]]:
    """Start nginx with a file for user joe."""

    async def start() -> Nginx:
        (tmp_path / "www").mkdir()
        (tmp_path / "www" / "f").write_bytes(BODY)
        (tmp_path / "users").write_text("joe:{PLAIN}hunter@2 \N{POUND SIGN}\n")
        lines = ['auth_basic "who is there?";', f"auth_basic_user_file {tmp_path}/users;"]
        return await start_nginx(tmp_path / "www", lines=lines)

    return start


@ensureDeferred
async def test_basic(context: Context, start_guarded: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """nginx lets in who has the password, from the settings, the URL, or .netrc, with one request; nobody else."""
    nginx, password = await start_guarded(), "hunter@2 \N{POUND SIGN}"
    netrc = tmp_path / "netrc"
    netrc.touch(0o600)
    netrc.write_text(f'machine 127.0.0.1 login joe password "{password}"')
    monkeypatch.setenv("NETRC", str(netrc))
    in_url = nginx.url("/f").replace("//", "//joe:hunter%402%20%C2%A3@")
    for remote, url in [
        (Remote(username="joe", password=password), nginx.url("/f")),
        (Remote(url=in_url), nginx.url("/f")),
        (Remote(), in_url),
        (Remote(netrc=True), nginx.url("/f")),
    ]:
        assert [None] == await got(context, remote, url)
    assert 4 == len(nginx.log())
    for remote in (Remote(), Remote(username="joe"), Remote(url="http://127.0.0.1/", netrc=True)):
        (error,) = await got(context, remote, nginx.url("/f"))
        assert isinstance(error, NotAuthorized)


@ensureDeferred
async def test_bad_netrc(context: Context, scripted: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A .netrc that others can read is an error of the download's, and nobody is asked."""
    netrc = tmp_path / "netrc"
    netrc.touch(0o644)
    monkeypatch.setenv("NETRC", str(netrc))
    remote = Remote(netrc=True)
    (error,) = await got(context, Remote(), Source(scripted.url("/f"), remote=remote))
    assert isinstance(error, SettingsError)
    assert "chmod 600" in str(error)
    assert [] == scripted.requests


# Digest

KINDS = [
    (["MD5"], "auth"),
    (["MD5"], None),
    (["MD5-sess"], "auth"),
    (["SHA-256"], "auth"),
    (["SHA-256"], None),
    (["SHA-256-sess"], "auth,auth-int"),
    (["MD5", "SHA-256"], "auth"),
]


@pytest.mark.parametrize(("algorithms", "qop"), KINDS)
@ensureDeferred
async def test_digest(context: Context, scripted: Scripted, algorithms: list[str], qop: str | None) -> None:
    """Every kind of digest is answered, by the strongest algorithm, and one nonce serves many files."""
    scripted.default = guard = DigestGuard(ok(BODY), {"joe": "hunter2"}, algorithms, qop)
    remote = Remote(url=scripted.url("/"), username="joe", password="hunter2", auth="digest")
    assert [None] == await got(context, remote, scripted.url("/1?q=1"))
    assert [None] * 20 == await got(context, remote, *[scripted.url(f"/{n}?q") for n in range(20)])
    assert (1, [algorithms[-1]] * 21) == (guard.asked, guard.chosen)
    assert not [each for each in scripted.requests if basic_of(each)]


@ensureDeferred
async def test_digest_wrong(context: Context, scripted: Scripted) -> None:
    """A wrong password is `NotAuthorized`, after two requests."""
    scripted.default = guard = DigestGuard(ok(BODY), {"joe": "hunter2"})
    (error,) = await got(context, Remote(username="joe", password="x", auth="digest"), scripted.url("/"))
    assert isinstance(error, NotAuthorized)
    assert (2, 2) == (guard.asked, len(scripted.requests))


@ensureDeferred
async def test_digest_stale(context: Context, scripted: Scripted) -> None:
    """A nonce that becomes stale is replaced, also when many use it at once."""
    scripted.default = guard = DigestGuard(ok(BODY), {"joe": "hunter2"}, uses=5)
    remote = Remote(username="joe", password="hunter2", auth="digest", retry=ONCE)
    assert [None] * 23 == await got(context, remote, *[scripted.url(f"/{n}") for n in range(23)], concurrency=1)
    assert 5 == guard.asked
    assert [None] * 50 == await got(context, remote, *[scripted.url(f"/{n}") for n in range(50)])


@ensureDeferred
async def test_digest_once(context: Context, scripted: Scripted) -> None:
    """A server that takes every nonce once lets in as many at once as there are."""
    scripted.default = DigestGuard(ok(BODY), {"joe": "hunter2"}, uses=1)
    remote = Remote(username="joe", password="hunter2", auth="digest", retry=ONCE)
    assert [None] * 40 == await got(context, remote, *[scripted.url(f"/{n}") for n in range(40)])


@pytest.mark.parametrize("userhash", [True, False])
@ensureDeferred
async def test_digest_names(context: Context, scripted: Scripted, userhash: bool) -> None:
    """A name beyond ASCII goes through, hashed where the server wants that; so does one in a URL."""
    name = 'J\xe4s\xf8n "Doe"'
    scripted.default = DigestGuard(ok(BODY), {name: "hunter2"}, ["SHA-256"], userhash=userhash)
    assert [None] == await got(context, Remote(username=name, password="hunter2", auth="digest"), scripted.url("/"))
    named = scripted.url("/").replace("//", "//J%C3%A4s%C3%B8n%20%22Doe%22:hunter2@")
    assert [None] == await got(context, Remote(auth="digest"), named)
    assert not [each for each in scripted.requests if b"J\xc3" in b"".join(each.all(b"Authorization"))]


async def curl(reactor: IReactor, *words: str) -> str:
    """Run curl, and return the status that it saw."""
    command = [require("curl"), "-q", "-sS", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_code}", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            await deferLater(reactor, 0.01)
        assert process.stdout is not None
        return process.stdout.read()


@pytest.mark.parametrize(("algorithms", "qop"), KINDS)
@ensureDeferred
async def test_curl_agrees(reactor: IReactor, scripted: Scripted, algorithms: list[str], qop: str | None) -> None:
    """The server that our digests convince is convinced by curl's, and not by a wrong password."""
    scripted.default = DigestGuard(ok(BODY), {"joe": "hunter2"}, algorithms, qop)
    for password, expected in (("hunter2", "200"), ("x", "401")):
        assert expected == await curl(reactor, "--digest", "-u", f"joe:{password}", scripted.url("/f?q=1"))


# Tokens


class Registry:
    """A server of files that wants tokens, and the server of their realm."""

    def __init__(self, files: Scripted, tokens: Scripted, realm: Realm) -> None:
        self.files, self.tokens, self.realm = files, tokens, realm
        self.guard = TokenGuard(ok(BODY), realm, tokens.url("/token"))
        files.default, tokens.default = self.guard, realm

    def remote(self, **settings: Any) -> Remote:
        """Return a Remote that knows the realm."""
        given = {"username": "joe", "password": "hunter2", "auth": "token", "retry": ONCE} | settings
        return Remote(url=self.files.url("/"), origins=(self.tokens.url("/"),), **given)

    def urls(self, count: int) -> list[str]:
        """Return the URLs of *count* files."""
        return [self.files.url(f"/{n}") for n in range(count)]


StartRegistry = Callable[..., Awaitable[Registry]]


@pytest.fixture
def start_registry(start_scripted: StartScripted) -> StartRegistry:
    """Start a registry: ``await start_registry(realm)``."""

    async def start(realm: Realm, tls: Any = None) -> Registry:
        return Registry(await start_scripted(tls), await start_scripted(tls), realm)

    return start


@ensureDeferred
async def test_row_41_shared(context: Context, start_registry: StartRegistry) -> None:
    """Row 41: a hundred downloads that wait for a token fetch it once; those that follow have it."""
    event: Deferred[None] = Deferred()
    registry = await start_registry(Realm(before=[Until(event)], users=["joe:hunter2"]))
    urls = registry.urls(100)

    def release(request: Request) -> Steps:
        if len(registry.files.requests) == 100:
            event.callback(None)
        return registry.guard(request)

    registry.files.default = release
    wide = Context(context.reactor, connections=100, per_host=100)
    assert [None] * 100 == await got(wide, registry.remote(), *urls, concurrency=100)
    await wide.close()
    assert (1, 200) == (len(registry.realm.asked), len(registry.files.requests))
    assert [None] * 100 == [basic_of(each) for each in registry.files.requests[:100]]


@ensureDeferred
async def test_one_connection(context: Context, start_registry: StartRegistry) -> None:
    """Who waits for a token holds no connection: one is enough for all."""
    registry = await start_registry(Realm())
    remote = registry.remote(limits=Limits(connections=1))
    assert [None] * 20 == await got(context, remote, *registry.urls(20), concurrency=20)
    assert 1 == len(registry.realm.asked)


@ensureDeferred
async def test_kept(context: Context, start_registry: StartRegistry) -> None:
    """A token serves every Downloader of its Remote, and metadata; another Remote has its own."""
    registry = await start_registry(Realm(lasts=300))
    remote = registry.remote()
    for _ in range(2):
        assert [None] * 5 == await got(context, remote, *registry.urls(5), concurrency=1)
    response = await context.downloader(remote).http.get(registry.files.url("/meta"))
    assert (200, BODY) == (response.code, await response.content())
    assert (1, 12) == (len(registry.realm.asked), len(registry.files.requests))
    assert [None] == await got(context, registry.remote(), *registry.urls(1))
    assert 2 == len(registry.realm.asked)


@ensureDeferred
async def test_row_41_refreshed(context: Context, start_registry: StartRegistry) -> None:
    """Row 41: a token that is refused in the middle is replaced once, for everybody."""
    registry = await start_registry(Realm(lasts=300))
    remote = registry.remote()
    served = 0

    def ends(request: Request) -> Steps:
        nonlocal served
        served += 1
        if served == 50:
            registry.realm.good.clear()
        return registry.guard(request)

    registry.files.default = ends
    assert [None] * 100 == await got(context, remote, *registry.urls(100), concurrency=8)
    assert 2 == len(registry.realm.asked)


@ensureDeferred
async def test_never_good(context: Context, start_registry: StartRegistry) -> None:
    """A token that is never taken is `NotAuthorized`, after one fetch."""
    registry = await start_registry(Realm())

    def forgets(request: Request) -> Steps:
        registry.realm.good.clear()
        return registry.guard(request)

    registry.files.default = forgets
    (error,) = await got(context, registry.remote(), *registry.urls(1))
    assert isinstance(error, NotAuthorized)
    assert (1, 2) == (len(registry.realm.asked), len(registry.files.requests))


@ensureDeferred
async def test_scopes(context: Context, start_registry: StartRegistry) -> None:
    """Each scope has a token, which is fetched once."""
    registry = await start_registry(Realm(lasts=300))
    registry.guard.scope = lambda request: request.path.decode().rpartition("/")[2]
    urls = [registry.files.url(f"/{n % 3}") for n in range(30)]
    assert [None] * 30 == await got(context, registry.remote(), *urls)
    assert ["0", "1", "2"] == sorted(each.rpartition("-")[2] for each in registry.realm.given)


@ensureDeferred
async def test_whom_it_tells(context: Context, start_registry: StartRegistry) -> None:
    """A realm that is none of the Remote's is asked without the user name, and the rest as well."""
    registry = await start_registry(Realm(users=["joe:hunter2"]))
    secret = {"username": "joe", "password": "S3CR3T", "headers": {"X-Key": "S3CR3T"}, "retry": ONCE}
    for remote in (Remote(url=registry.files.url("/"), **secret), Remote(**secret)):
        (error,) = await got(context, remote, *registry.urls(1))
        assert isinstance(error, NotAuthorized)
        assert "no token: 403" in str(error)
    for each in registry.realm.asked:
        assert {b"Host", b"User-Agent", b"Accept", b"Accept-Encoding"} == {name for name, _ in each.headers}
    assert 2 == len(registry.realm.asked)


@ensureDeferred
async def test_digest_at_the_realm(context: Context, start_registry: StartRegistry) -> None:
    """With digests, the realm too gets no password."""
    registry = await start_registry(Realm())
    registry.tokens.default = guard = DigestGuard(registry.realm, {"joe": "hunter2"}, ["SHA-256"])
    assert [None] * 3 == await got(context, registry.remote(auth="digest"), *registry.urls(3))
    assert (1, ["SHA-256"]) == (guard.asked, guard.chosen)
    assert not [each for each in registry.tokens.requests + registry.files.requests if basic_of(each)]


@ensureDeferred
async def test_over_tls(context: Context, start_registry: StartRegistry, scripted: Scripted, tls: Authority) -> None:
    """A server that speaks https cannot lead to a realm that does not."""
    registry = await start_registry(Realm(), tls.server())
    remote = registry.remote(tls=TLS(ca_cert=str(tls.ca_file)))
    assert [None] == await got(context, remote, *registry.urls(1))
    registry.guard.url = scripted.url("/token")
    registry.realm.good.clear()
    (error,) = await got(context, remote, *registry.urls(1))
    assert isinstance(error, NotAuthorized)
    assert "over http" in str(error)
    assert [] == scripted.requests


@pytest.mark.parametrize(
    ("kind", "answer", "fetches"),
    [
        (NotAuthorized, status(401), 1),
        (NotAuthorized, status(404), 1),
        (HTTPStatusError, status(503), 2),
        (ProtocolError, ok(b"S3CR3T"), 1),
    ],
)
@ensureDeferred
async def test_no_token(
    context: Context, start_registry: StartRegistry, kind: type[Exception], answer: Steps, fetches: int
) -> None:
    """Where there is no token everybody who waits has an error of their own; trouble is tried again."""
    registry = await start_registry(Realm())
    registry.tokens.default = lambda _: answer
    remote = registry.remote(retry=Retry(retries=1, base=0))
    errors = await got(context, remote, *registry.urls(1))
    assert [True] == [isinstance(each, kind) for each in errors]
    assert fetches == len(registry.tokens.requests)
    errors = await got(context, remote, *registry.urls(8))
    assert 8 == len({id(each) for each in errors})


@ensureDeferred
async def test_cancelled(context: Context, reactor: IReactor, start_registry: StartRegistry) -> None:
    """Who is cancelled while waiting for a token disturbs nobody; with the last the fetch ends."""
    registry = await start_registry(Realm(before=[Stall()]))
    downloader = context.downloader(registry.remote())
    running = [downloader.download(url, writer=Memory()) for url in registry.urls(3)]
    while len(registry.tokens.requests) < 1 or len(registry.files.requests) < 3:
        await deferLater(reactor, 0.01)
    await deferLater(reactor, 0.05)
    for each in running[:2]:
        each.cancel()
        with pytest.raises(Cancelled):
            await each
    assert 1 == registry.tokens.live
    running[2].cancel()
    with pytest.raises(Cancelled):
        await running[2]
    for _ in range(100):
        if not registry.tokens.live:
            break
        await deferLater(reactor, 0.01)
    assert (0, 1) == (registry.tokens.live, len(registry.tokens.requests))
    registry.tokens.default = Realm()
    registry.guard.realm = registry.tokens.default
    assert [None] == await got(context, downloader.remote, *registry.urls(1))


@ensureDeferred
async def test_closed(reactor: IReactor, start_registry: StartRegistry) -> None:
    """A Context that is closed leaves no fetch behind."""
    registry = await start_registry(Realm(before=[Stall()]))
    context = Context(reactor)
    running = [context.downloader(registry.remote()).download(url, writer=Memory()) for url in registry.urls(3)]
    while not registry.tokens.requests:
        await deferLater(reactor, 0.01)
    await context.close()
    for each in running:
        with pytest.raises(Cancelled):
            await each


# Cookies


def _login(request: Request) -> Steps:
    if request.path == b"/login":
        return status(302, [(b"Location", b"/f"), (b"Set-Cookie", b"session=S3CR3T-1; Path=/; HttpOnly")])
    cookies = request.all(b"Cookie")
    return ok(BODY) if cookies == [b"session=S3CR3T-1"] else status(403)


@ensureDeferred
async def test_row_42(context: Context, scripted: Scripted, start_scripted: StartScripted) -> None:
    """Row 42: a cookie that is set on the way is there at the end, for all of its Remote, and for nobody else."""
    scripted.default = _login
    remote, other = Remote(cookies=True), await start_scripted()
    other.default = lambda _: ok(BODY)
    assert [None] == await got(context, remote, scripted.url("/login"))
    assert [None] * 5 == await got(context, remote, *[scripted.url(f"/{n}") for n in range(5)])
    response = await context.downloader(remote).http.get(scripted.url("/meta"))
    assert BODY == await readBody(response)
    assert [None] == await got(context, remote, other.url("/f"))
    assert [] == other.requests[0].all(b"Cookie")
    for stranger in (Remote(cookies=True), Remote()):
        (error,) = await got(context, stranger, scripted.url("/f"))
        assert isinstance(error, NotAuthorized)
    fresh = Context(context.reactor)
    (error,) = await got(fresh, remote, scripted.url("/f"))
    await fresh.close()
    assert isinstance(error, NotAuthorized)


@ensureDeferred
async def test_together(context: Context, scripted: Scripted) -> None:
    """Digest and cookies go together: what is set with the question comes back with the answer."""
    guard = DigestGuard(lambda request: ok(BODY) if request.all(b"Cookie") == [b"a=b"] else status(403), {"joe": "x"})

    def both(request: Request) -> Steps:
        asked, steps = guard.asked, guard(request)
        if guard.asked == asked:
            return steps
        line = f'Digest realm="the \\"realm\\"", nonce="nonce-{guard.asked}", qop="auth", algorithm=MD5'
        return status(401, [(b"WWW-Authenticate", line.encode()), (b"Set-Cookie", b"a=b")])

    scripted.default = both
    remote = Remote(username="joe", password="x", auth="digest", cookies=True)
    assert [None] == await got(context, remote, scripted.url("/f"))
