"""The servers as fixtures; tests/conftest.py gives them to every test."""

from __future__ import annotations

import contextlib
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IOpenSSLContextFactory

from tests.servers.corpus import Corpus
from tests.servers.dns import NameServer
from tests.servers.faulty import Faulty
from tests.servers.ftp import FTP
from tests.servers.ftpd import FTPServer
from tests.servers.netns import Network
from tests.servers.nginx import Nginx
from tests.servers.openssl import OpenSSLServer
from tests.servers.programs import missing, require
from tests.servers.proxies import ProxyServer, directory, remove
from tests.servers.reactor import IReactor
from tests.servers.scripted import Scripted
from tests.servers.tls import Authority

StartScripted = Callable[..., Awaitable[Scripted]]
StartFaulty = Callable[[int], Awaitable[Faulty]]
StartNginx = Callable[..., Awaitable[Nginx]]
StartFTP = Callable[..., Awaitable[FTP]]
StartFTPServer = Callable[..., Awaitable[FTPServer]]
StartNetwork = Callable[..., Network]
StartProxy = Callable[..., Awaitable[ProxyServer]]
StartOpenSSL = Callable[..., Awaitable[OpenSSLServer]]

_PATIENCE = 45.0  # seconds; more than nginx is given to stop

__all__ = [
    "StartFTP",
    "StartFTPServer",
    "StartFaulty",
    "StartNetwork",
    "StartNginx",
    "StartOpenSSL",
    "StartProxy",
    "StartScripted",
    "corpus",
    "faulty",
    "ftp",
    "in_time",
    "nameserver",
    "network",
    "nginx",
    "nginx_program",
    "scripted",
    "scripted_tls",
    "start_faulty",
    "start_ftp",
    "start_ftp_server",
    "start_nginx",
    "start_openssl",
    "start_proxy",
    "start_scripted",
    "tls",
]


async def in_time(reactor: IReactor, closing: Coroutine[Any, Any, None]) -> None:
    """Wait for the end of *closing*, but not forever: nothing else ends a fixture that hangs."""
    await Deferred.fromCoroutine(closing).addTimeout(_PATIENCE, reactor)


@pytest.fixture
def corpus(tmp_path: Path, seed: int) -> Corpus:
    """Makes files with known digests in ``tmp_path/corpus``."""
    root = tmp_path / "corpus"
    root.mkdir()
    return Corpus(root, seed)


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that issues certificates and server contexts; trust its ``ca_file``."""
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest_twisted.async_yield_fixture
async def start_scripted(reactor: IReactor) -> AsyncIterator[StartScripted]:
    """Start any number of scripted servers: ``await start_scripted(tls=..., interface="127.0.0.1")``."""
    started: list[Scripted] = []

    async def start(tls: IOpenSSLContextFactory | None = None, interface: str = "127.0.0.1", port: int = 0) -> Scripted:
        server = Scripted(reactor, tls)
        server.listen(interface, port)
        started.append(server)
        return server

    yield start
    for server in started:
        await in_time(reactor, server.close())


@pytest_twisted.async_fixture
async def scripted(start_scripted: StartScripted) -> Scripted:
    """A scripted server over plain HTTP."""
    return await start_scripted()


@pytest_twisted.async_fixture
async def scripted_tls(start_scripted: StartScripted, tls: Authority) -> Scripted:
    """A scripted server over HTTPS, with a certificate of `tls` for localhost and 127.0.0.1."""
    return await start_scripted(tls.server())


@pytest_twisted.async_yield_fixture
async def start_faulty(reactor: IReactor, rng: random.Random) -> AsyncIterator[StartFaulty]:
    """Start any number of fault proxies: ``await start_faulty(port)``; what they leave to chance obeys the seed."""
    started: list[Faulty] = []

    async def start(upstream: int) -> Faulty:
        proxy = Faulty(reactor, upstream, rng)
        proxy.up()
        started.append(proxy)
        return proxy

    yield start
    for proxy in started:
        await in_time(reactor, proxy.down())


@pytest_twisted.async_fixture
async def faulty(start_faulty: StartFaulty, scripted: Scripted) -> Faulty:
    """A fault proxy before `scripted`."""
    return await start_faulty(scripted.port)


@pytest_twisted.async_yield_fixture
async def start_ftp(reactor: IReactor) -> AsyncIterator[StartFTP]:
    """Start any number of scripted FTP servers: ``await start_ftp(tls=..., interface="127.0.0.1")``."""
    started: list[FTP] = []

    async def start(tls: IOpenSSLContextFactory | None = None, interface: str = "127.0.0.1") -> FTP:
        server = FTP(reactor, tls)
        server.listen(interface)
        started.append(server)
        return server

    yield start
    for server in started:
        await in_time(reactor, server.close())


@pytest_twisted.async_fixture
async def ftp(start_ftp: StartFTP) -> FTP:
    """A scripted FTP server."""
    return await start_ftp()


@pytest_twisted.async_yield_fixture
async def start_ftp_server(
    reactor: IReactor, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[StartFTPServer]:
    """Start any number of real FTP servers: ``await start_ftp_server("vsftpd" or "pyftpdlib", root, tls=...)``."""
    started: list[FTPServer] = []

    async def start(kind: str, root: Path, **options: Any) -> FTPServer:
        command = require("vsftpd") if kind == "vsftpd" else None
        if command is None and find_spec("pyftpdlib") is None:
            missing("pyftpdlib is not installed")
        prefix = tmp_path_factory.mktemp(kind)
        server = FTPServer(reactor=reactor, command=command, prefix=prefix, root=root, **options)
        started.append(server)
        await server.start()
        return server

    yield start
    for server in started:
        await in_time(reactor, server.stop())


@pytest.fixture
def nginx_program() -> str:
    """The path of nginx; without it the test skips, or fails when ``CI=true``."""
    return require("nginx")


@pytest_twisted.async_yield_fixture
async def start_nginx(
    reactor: IReactor, nginx_program: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[StartNginx]:
    """Start any number of nginx: ``await start_nginx(root, tls=..., ranges=..., lines=..., workers=...)``."""
    started: list[Nginx] = []

    async def start(root: Path, **options: Any) -> Nginx:
        prefix = tmp_path_factory.mktemp("nginx")
        server = Nginx(reactor=reactor, program=nginx_program, prefix=prefix, root=root, **options)
        started.append(server)
        await server.start()
        return server

    yield start
    for server in started:
        await in_time(reactor, server.stop())


@pytest_twisted.async_fixture
async def nginx(start_nginx: StartNginx, corpus: Corpus) -> Nginx:
    """An nginx that serves the files of `corpus`."""
    return await start_nginx(corpus.root)


@pytest.fixture
def start_openssl(reactor: IReactor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartOpenSSL]:
    """
    Start any number of ``openssl s_server``: ``await start_openssl(chain, key, "-tls1", files={"name": b""})``.

    *program* is another command, which gets the arguments, and the files of *chain* and *key*, after its own.
    """
    started: list[OpenSSLServer] = []

    async def start(
        chain: str, key: str, *arguments: str, files: Mapping[str, bytes] | None = None, program: Sequence[str] = ()
    ) -> OpenSSLServer:
        directory = tmp_path_factory.mktemp("openssl")
        given = {"chain.pem": chain.encode(), "key.pem": key.encode(), **(files or {})}
        for name, content in given.items():
            (directory / name).write_bytes(content)
        command = [*program, *arguments, "chain.pem", "key.pem"]
        if not program:
            command = [require("openssl"), "s_server", "-accept", "127.0.0.1:{port}", "-cert", "chain.pem"]
            command += ["-cert_chain", "chain.pem", "-key", "key.pem", *arguments]
        started.append(OpenSSLServer(reactor=reactor, command=command, directory=directory))
        await started[-1].start()
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest_twisted.async_yield_fixture
async def start_proxy(reactor: IReactor) -> AsyncIterator[StartProxy]:
    """Start any number of real proxies: ``await start_proxy(squid, credentials=True)``, or any of `proxies`."""
    started: list[ProxyServer] = []

    async def start(make: Callable[..., ProxyServer], **options: Any) -> ProxyServer:
        prefix = directory()
        try:
            started.append(make(reactor, prefix, **options))
        except BaseException:
            remove(prefix)
            raise
        await started[-1].start()
        return started[-1]

    yield start
    for proxy in started:
        await in_time(reactor, proxy.stop(signal.SIGKILL))  # squid would take two seconds
        remove(proxy.prefix)


@pytest_twisted.async_yield_fixture
async def nameserver(reactor: IReactor) -> AsyncIterator[NameServer]:
    """A name server of one's own, on UDP."""
    server = NameServer(reactor)
    server.listen()
    yield server
    await in_time(reactor, server.close())


@pytest.fixture
def network() -> Iterator[StartNetwork]:
    """Make networks of one's own, ``network(rules=..., hosts=...)``; where that is not permitted the test skips."""
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(Network.made(**options))
