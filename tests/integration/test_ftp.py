"""FTP and FTPS from real servers."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer
from twisted.internet.task import deferLater
from zope.interface import implementer

from tests.lag import Lag
from tests.servers.corpus import Corpus
from tests.servers.fixtures import StartFTP, StartFTPServer
from tests.servers.ftp import Control, cut
from tests.servers.ftpd import FTPServer
from tests.servers.reactor import IReactor
from tests.servers.tls import Authority
from twisted_pulp.context import Context
from twisted_pulp.download import Download, Pieces, Source
from twisted_pulp.errors import (
    Cancelled,
    DigestMismatch,
    HTTPStatusError,
    LowSpeed,
    NotAuthorized,
    NotFound,
    PulpError,
    RedirectError,
    SettingsError,
    TLSError,
)
from twisted_pulp.settings import TLS, Limits, Proxy, Remote, Retry, Timeouts
from twisted_pulp.transfer import Hooks

ONCE = Remote(retry=Retry(retries=0))
NAMES = ["plain", "with space", "per%cent", "%41", "semi;colon", "что-то ü", "q?estion", "ha#sh", "d/e e/p"]
LONG_AGO = 1634819696


async def start_one(start: StartFTPServer, tls: Authority, kind: str, root: Path) -> tuple[FTPServer, Remote]:
    """Start a server of *kind*, with TLS when that ends in "s", and return it with a Remote that trusts it."""
    secure = kind.endswith(" tls")
    server = await start(kind.removesuffix(" tls"), root, tls=tls.files() if secure else None)
    return server, Remote(retry=Retry(retries=0), tls=TLS(ca_cert=str(tls.ca_file)) if secure else TLS())


KINDS = pytest.mark.parametrize("kind", ["vsftpd", "pyftpdlib", "vsftpd tls", "pyftpdlib tls"])


async def error_of(d: Deferred[Any]) -> Any:
    """Return what *d* fails with."""
    try:
        await d
    except PulpError as error:
        return error
    raise AssertionError("it succeeded")


@KINDS
@ensureDeferred
async def test_files(
    start_ftp_server: StartFTPServer,
    tls: Authority,
    corpus: Corpus,
    reactor: IReactor,
    context: Context,
    tmp_path: Path,
    kind: str,
) -> None:
    """Files of every size and name come as they are, over one login; HEAD has size and time; what is missing is 404."""
    server, remote = await start_one(start_ftp_server, tls, kind, corpus.root)
    files = [corpus.file(name, 1000) for name in NAMES] + corpus.files([0, 1, 65_536, 3_000_000])
    downloader = context.downloader(remote)
    for number, file in enumerate(files):
        os.utime(file.path, (LONG_AGO, LONG_AGO))
        url = server.url("/" + quote(file.name))
        report = await downloader.download(url, path=tmp_path / str(number), digests={"sha256": file.sha256})
        assert (200, file.size, True) == (report.status, report.size, report.verified)
        assert file.body == (tmp_path / str(number)).read_bytes()
    head = await downloader.head(server.url("/file-3"))
    assert (200, 3_000_000, "Thu, 21 Oct 2021 12:34:56 GMT") == (head.status, head.size, head.headers["last-modified"])
    assert (1, 1) == (context.pool.overall.open, len(context.pool._idle))
    for request in (downloader.head, downloader.download):
        error = await error_of(request(server.url("/none")))
        assert (NotFound, 404) == (type(error), error.status)
    assert isinstance(await error_of(downloader.download(server.url("/d"))), NotFound)
    await deferLater(reactor, 0.01)
    assert 1 == context.pool.overall.open


@KINDS
@ensureDeferred
async def test_many(
    start_ftp_server: StartFTPServer, tls: Authority, corpus: Corpus, reactor: IReactor, tmp_path: Path, kind: str
) -> None:
    """A hundred files come over few connections, which never exceed the caps, control and data together."""
    server, remote = await start_one(start_ftp_server, tls, kind, corpus.root)
    files = corpus.files([2000] * 100)
    context = Context(reactor, connections=10, per_host=4)
    wanted = [
        Download(server.url("/" + file.name), tmp_path / file.name, digests={"sha256": file.sha256}) for file in files
    ]
    totals = await context.downloader(remote).download_each(wanted, lambda report: None, 50)
    assert (100, 0) == (totals.succeeded, totals.failed)
    assert [file.body for file in files] == [(tmp_path / file.name).read_bytes() for file in files]
    assert context.pool.overall.high <= 8
    assert context.pool.overall.open <= 4
    await context.close()
    assert 0 == context.pool.overall.open


@KINDS
@ensureDeferred
async def test_resumed_after_a_kill(
    start_ftp_server: StartFTPServer,
    tls: Authority,
    corpus: Corpus,
    reactor: IReactor,
    context: Context,
    tmp_path: Path,
    kind: str,
) -> None:
    """When the server is killed in the middle of a file, the next run gets only the rest."""
    server, remote = await start_one(start_ftp_server, tls, kind, corpus.root)
    file = corpus.file("big", 20_000_000)
    os.utime(file.path, (LONG_AGO, LONG_AGO))
    came: Deferred[None] = Deferred()

    def progress(download: Download, size: int, total: int | None) -> None:
        if size > 1_000_000 and not came.called:
            came.callback(None)

    downloader = context.downloader(remote, hooks=Hooks(progress=progress))
    d = downloader.download(server.url("/big"), path=tmp_path / "big")
    await came
    await server.stop()
    error = await error_of(d)
    assert error.retryable
    had = sum(attempt.bytes for attempt in error.report.attempts)
    again, remote = await start_one(start_ftp_server, tls, kind, corpus.root)
    report = await context.downloader(remote).download(
        [Source(again.url("/big"))], path=tmp_path / "big", digests={"sha256": file.sha256}
    )
    assert 0 < had < file.size
    assert (206, file.size, file.size - had) == (report.status, report.size, report.attempts[-1].bytes)
    assert file.body == (tmp_path / "big").read_bytes()


@pytest.mark.parametrize("kind", ["pyftpdlib", "pyftpdlib tls"])
@ensureDeferred
async def test_login(
    start_ftp_server: StartFTPServer, tls: Authority, corpus: Corpus, context: Context, tmp_path: Path, kind: str
) -> None:
    """The login is the URL's own, else the Remote's, else anonymous; a wrong one is 401, and costs the connection."""
    server, remote = await start_one(start_ftp_server, tls, kind, corpus.root)
    file = corpus.file("file", 10)
    right, wrong = "reader:se%20cret%25@", "reader:wrong@"
    for url, fields in [
        (server.url("/file", right), {}),
        (server.url("/file", right), {"username": "reader", "password": "wrong"}),
        (server.url("/file"), {"username": "reader", "password": "se cret%"}),
        (server.url("/file"), {"url": server.url("/", right)}),
        (server.url("/file"), {"url": "https://elsewhere.invalid/", "username": "reader", "password": "wrong"}),
    ]:
        downloader = context.downloader(Remote(retry=remote.retry, tls=remote.tls, **fields))
        report = await downloader.download(url, path=tmp_path / "file")
        assert file.size == report.size
    for url, fields in [
        (server.url("/file", wrong), {}),
        (server.url("/file"), {"username": "reader", "password": "wrong"}),
    ]:
        error = await error_of(
            context.downloader(Remote(retry=remote.retry, tls=remote.tls, **fields)).download(
                url, path=tmp_path / "other"
            )
        )
        assert (NotAuthorized, 401) == (type(error), error.status)
        assert "wrong" not in repr(error) + str(error) + repr(error.report)


@KINDS
@ensureDeferred
async def test_digest_mismatch(
    start_ftp_server: StartFTPServer, tls: Authority, corpus: Corpus, context: Context, tmp_path: Path, kind: str
) -> None:
    """A file with another digest is refused, and leaves nothing."""
    server, remote = await start_one(start_ftp_server, tls, kind, corpus.root)
    corpus.file("file", 10)
    d = context.downloader(remote).download(
        server.url("/file"), path=tmp_path / "file", digests={"sha256": hashlib.sha256(b"other").hexdigest()}
    )
    assert isinstance(await error_of(d), DigestMismatch)
    assert ["corpus"] == [path.name for path in tmp_path.iterdir()]


@ensureDeferred
async def test_revalidated(start_ftp: StartFTP, context: Context, tmp_path: Path) -> None:
    """A file that is there and that the server still has the same time for is not fetched again."""
    ftp = await start_ftp()
    ftp.files[b"f"] = b"f" * 300_000
    downloader = context.downloader(ONCE)
    first = await downloader.download(ftp.url("/f"), path=tmp_path / "f")
    second = await downloader.download(ftp.url("/f"), path=tmp_path / "f")
    assert ((False, 200), (True, 304)) == ((first.present, first.status), (second.present, second.status))
    ftp.modified = b"20211021123457"
    third = await downloader.download(ftp.url("/f"), path=tmp_path / "f")
    assert (False, 200) == (third.present, third.status)
    for path in tmp_path.glob(".*"):
        path.unlink()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, ["REST"]),
        ({"modified": b"20211021123457"}, []),
        ({"modified": b"20991021123456"}, []),
    ],
)
@ensureDeferred
async def test_resumed_by_time(
    start_ftp: StartFTP, context: Context, tmp_path: Path, change: dict[str, bytes], said: list[str]
) -> None:
    """Without a digest, only a file whose time is the same, and long ago, is resumed."""
    ftp = await start_ftp()
    ftp.files[b"f"] = bytes(range(256)) * 2000

    async def broken(control: Control, path: bytes) -> None:
        await cut(300_000, b"426 gone")(control, path)  # type: ignore[misc,operator]
        for name, value in change.items():
            setattr(ftp, name, value)

    ftp.on("RETR", [broken, None])
    report = await context.downloader(Remote(retry=Retry(base=0))).download(ftp.url("/f"), path=tmp_path / "f")
    assert ftp.files[b"f"] == (tmp_path / "f").read_bytes()
    assert said == [verb for verb in ftp.verbs() if verb == "REST"]
    assert 2 == len(report.attempts)
    for path in tmp_path.glob(".*"):
        path.unlink()


@pytest.mark.parametrize("bad", ["%0d%0aDELE%20x", "a%0ab", "a%00b", "a%0Db"])
@ensureDeferred
async def test_no_smuggling(start_ftp: StartFTP, context: Context, tmp_path: Path, bad: str) -> None:
    """A line break in a path, a user name or a password is refused before a connection is made."""
    ftp = await start_ftp()
    for url in (ftp.url(f"/{bad}"), ftp.url("/f", f"{bad}:x@"), ftp.url("/f", f"x:{bad}@")):
        assert isinstance(await error_of(context.downloader(ONCE).download(url, path=tmp_path / "f")), SettingsError)
    assert 0 == ftp.accepted


@ensureDeferred
async def test_no_redirect_to_ftp(start_ftp: StartFTP, scripted: Any, context: Context, tmp_path: Path) -> None:
    """HTTP leads nowhere but to HTTP."""
    from tests.servers.answers import status

    ftp = await start_ftp()
    ftp.files[b"f"] = b"f"
    scripted.on(b"/f", [status(302, headers=[(b"Location", ftp.url("/f").encode())])])
    error = await error_of(context.downloader(ONCE).download(scripted.url("/f"), path=tmp_path / "f"))
    assert (RedirectError, 0) == (type(error), ftp.accepted)


@ensureDeferred
async def test_no_proxy(start_ftp: StartFTP, context: Context, tmp_path: Path) -> None:
    """A proxy is never passed by: FTP cannot go through one."""
    ftp = await start_ftp()
    remote = Remote(retry=ONCE.retry, proxy=Proxy(url="http://127.0.0.1:1"))
    error = await error_of(context.downloader(remote).download(ftp.url("/f"), path=tmp_path / "f"))
    assert (SettingsError, "proxy", 0) == (type(error), error.field, ftp.accepted)
    ftp.files[b"f"] = b"f"
    direct = Remote(retry=ONCE.retry, proxy=Proxy(url="http://127.0.0.1:1", no_proxy=("127.0.0.0/8",)))
    assert 1 == (await context.downloader(direct).download(ftp.url("/f"), path=tmp_path / "f")).size
    for path in tmp_path.glob(".*"):
        path.unlink()


# TLS


@pytest.mark.parametrize("kind", ["vsftpd tls", "pyftpdlib tls"])
@ensureDeferred
async def test_untrusted(
    start_ftp_server: StartFTPServer, tls: Authority, corpus: Corpus, context: Context, tmp_path: Path, kind: str
) -> None:
    """A certificate that nobody vouches for, or for another name, is refused before the login."""
    server, remote = await start_one(start_ftp_server, tls, kind, corpus.root)
    for host, settings in [("127.0.0.1", TLS()), ("127.0.0.1", TLS(ca_cert=str(tls.ca_file), server_name="other"))]:
        trusting = Remote(retry=remote.retry, tls=settings, username="reader", password="secret")
        error = await error_of(context.downloader(trusting).download(server.url("/f", host=host), path=tmp_path / "f"))
        assert (TLSError, False) == (type(error), error.retryable)
    assert "USER" not in server.log()


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@ensureDeferred
async def test_sessions(
    start_ftp_server: StartFTPServer, tls: Authority, corpus: Corpus, context: Context, tmp_path: Path, version: Any
) -> None:
    """A vsftpd that wants data connections to go on with the control connection's session gets that, TLS 1.3 too."""
    server, _ = await start_one(start_ftp_server, tls, "vsftpd tls", corpus.root)
    files = corpus.files([0, 1000, 1_000_000])
    remote = Remote(retry=ONCE.retry, tls=TLS(ca_cert=str(tls.ca_file), min_version=version, max_version=version))
    for file in files:
        report = await context.downloader(remote).download(server.url(f"/{file.name}"), path=tmp_path / file.name)
        assert (file.size, 1) == (report.size, context.pool.overall.open)


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        ("AUTH", b"500 what?"),
        ("AUTH", b"234 go on\r\n230 you are logged in already"),
        ("PBSZ", b"500 what?"),
        ("PROT", b"536 not private"),
    ],
)
@ensureDeferred
async def test_no_protection(
    start_ftp: StartFTP, tls: Authority, context: Context, tmp_path: Path, verb: str, answer: bytes
) -> None:
    """Without TLS on both connections nothing is fetched; what was said in clear behind AUTH is not believed."""
    ftp = await start_ftp(tls.server())
    ftp.on(verb, [answer])
    remote = Remote(retry=ONCE.retry, tls=TLS(ca_cert=str(tls.ca_file)), username="reader", password="secret")
    error = await error_of(context.downloader(remote).download(ftp.url("/f"), path=tmp_path / "f"))
    assert not error.retryable
    assert ("USER" in ftp.verbs()) == (verb != "AUTH")
    assert "RETR" not in ftp.verbs()


# Time, and the end


@ensureDeferred
async def test_low_speed(start_ftp: StartFTP, context: Context, tmp_path: Path) -> None:
    """A data connection that is too slow is given up."""
    ftp = await start_ftp()
    ftp.files[b"f"] = bytes(100_000)

    async def drip(control: Control, path: bytes) -> None:
        data, body = await control.begin(path)
        for byte in body:
            data.transport.write(bytes([byte]))
            await control.wait(0.02)

    ftp.on("RETR", [drip])
    remote = Remote(retry=ONCE.retry, timeouts=Timeouts(low_speed=1000, low_speed_time=0.5))
    assert isinstance(await error_of(context.downloader(remote).download(ftp.url("/f"), path=tmp_path / "f")), LowSpeed)
    for path in tmp_path.glob(".*"):
        path.unlink()


@pytest.mark.parametrize("verb", ["", "USER", "AUTH", "SIZE", "EPSV", "RETR"])
@pytest.mark.parametrize("how", ["cancel", "close"])
@ensureDeferred
async def test_stopped_anywhere(
    start_ftp: StartFTP, tls: Authority, reactor: IReactor, tmp_path: Path, verb: str, how: str
) -> None:
    """Wherever it is stopped, a download leaves neither connection nor slot."""
    ftp = await start_ftp(tls.server())
    ftp.files[b"f"] = bytes(2_000_000)
    reached: Deferred[None] = Deferred()

    async def stop(control: Control, argument: bytes) -> None:
        if verb == "RETR":
            data, body = await control.begin(argument)
            data.transport.write(body[:100_000])
            await control.wait(0.05)
        reached.callback(None)

    ftp.on(verb, [stop])
    context = Context(reactor)
    downloader = context.downloader(Remote(tls=TLS(ca_cert=str(tls.ca_file))))
    d = downloader.download(ftp.url("/f"), path=tmp_path / "f")
    await reached
    if how == "cancel":
        d.cancel()
    closing = context.close()
    assert isinstance(await error_of(d), Cancelled)
    await closing
    overall = context.pool.overall
    assert (0, overall.limit) == (overall.open, overall.semaphore.tokens)
    while ftp.live:
        await deferLater(reactor, 0.001)
    for path in tmp_path.glob(".*"):
        path.unlink()


@pytest.mark.parametrize("connections", [1, 2, 3])
@ensureDeferred
async def test_few_connections(
    start_ftp: StartFTP, scripted: Any, reactor: IReactor, tmp_path: Path, connections: int
) -> None:
    """However few connections there may be, FTP and HTTP share them, and idle ones make room for the others."""
    from tests.servers.answers import ok

    ftp = await start_ftp()
    ftp.files[b"f"] = b"f" * 1000
    scripted.on(b"/f", [ok(b"f" * 1000)])
    context = Context(reactor, connections=connections)
    urls = [ftp.url("/f"), scripted.url("/f"), ftp.url("/f", "me:x@")] * 10
    wanted = [Download(url, tmp_path / str(number)) for number, url in enumerate(urls)]
    totals = await context.downloader(ONCE).download_each(wanted, lambda report: None, 10)
    assert 30 == totals.succeeded
    assert context.pool.overall.high <= connections
    await context.close()


@ensureDeferred
async def test_remote_cap(start_ftp: StartFTP, context: Context, tmp_path: Path) -> None:
    """A Remote's own cap is on sessions."""
    ftp = await start_ftp()
    ftp.files[b"f"] = b"f"
    remote = Remote(limits=Limits(connections=2))
    wanted = [Download(ftp.url("/f"), tmp_path / str(number)) for number in range(20)]
    totals = await context.downloader(remote).download_each(wanted, lambda report: None, 20)
    assert (20, 2) == (totals.succeeded, ftp.accepted)


@ensureDeferred
async def test_too_many(start_ftp: StartFTP, context: Context, tmp_path: Path) -> None:
    """A server that is full answers 503, which is tried again."""
    ftp = await start_ftp()
    ftp.files[b"f"] = b"f"
    ftp.on("", [b"421 too many users", None])
    report = await context.downloader(Remote(retry=Retry(base=0))).download(ftp.url("/f"), path=tmp_path / "f")
    assert [HTTPStatusError, type(None)] == [type(attempt.error) for attempt in report.attempts]
    assert 503 == report.attempts[0].status


# TLS that goes wrong


async def unprotected(control: Control, _: bytes) -> None:
    """Agree to protect data, and do not."""
    control.say(b"200 private")


async def refusing(control: Control, _: bytes) -> None:
    """Refuse a data connection in the middle of its handshake."""
    control.say(b"150 coming\r\n522 the session is not the right one")
    data = await control.data()
    await control.wait(0.05)
    data.transport.loseConnection()


@pytest.mark.parametrize(
    ("prot", "retr", "kind"),
    [(unprotected, None, TLSError), (unprotected, refusing, NotAuthorized), ("other", None, TLSError)],
    ids=["clear", "522", "other"],
)
@ensureDeferred
async def test_data_without_protection(
    start_ftp: StartFTP, tls: Authority, context: Context, tmp_path: Path, prot: Any, retr: Any, kind: type
) -> None:
    """A data connection in clear, or to somebody else, gives no bytes."""
    ftp = await start_ftp(tls.server())

    async def other(control: Control, argument: bytes) -> None:
        (tmp_path / "other").mkdir()
        ftp.tls = Authority(tmp_path / "other").server()
        await control.do_PROT(argument)

    ftp.files[b"f"] = b"f" * 100_000
    ftp.on("PROT", [other if prot == "other" else prot])
    ftp.on("RETR", [retr])
    remote = Remote(retry=ONCE.retry, tls=TLS(ca_cert=str(tls.ca_file)), timeouts=Timeouts(tls=2))
    error = await error_of(context.downloader(remote).download(ftp.url("/f"), path=tmp_path / "f"))
    assert (kind, 0) == (type(error), error.report.attempts[0].bytes)
    assert "certificate" in str(error) or prot != "other"


@pytest.mark.parametrize("verb", ["AUTH", "PBSZ"])
@ensureDeferred
async def test_full_before_tls(
    start_ftp: StartFTP, tls: Authority, context: Context, tmp_path: Path, verb: str
) -> None:
    """A server that says goodbye instead of agreeing to TLS is full, not unprotected."""
    ftp = await start_ftp(tls.server())
    ftp.on(verb, [b"421 too many"])
    remote = Remote(retry=ONCE.retry, tls=TLS(ca_cert=str(tls.ca_file)))
    error = await error_of(context.downloader(remote).download(ftp.url("/f"), path=tmp_path / "f"))
    assert 503 == error.status


# Pressure, and what is imported


@implementer(IConsumer)
class Reluctant:
    """Takes a piece, and then no more until it is told to."""

    def __init__(self) -> None:
        self.size, self.began = 0, Deferred()  # type: int, Deferred[None]
        self.producer: Any = None

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def write(self, data: bytes) -> None:
        self.size += len(data)
        if not self.began.called:
            self.producer.pauseProducing()
            self.began.callback(None)


@pytest.mark.parametrize("secure", [False, True])
@ensureDeferred
async def test_pressure(start_ftp: StartFTP, tls: Authority, reactor: IReactor, context: Context, secure: bool) -> None:
    """Who does not take the bytes stops them at the server, whatever the size of the file."""
    ftp = await start_ftp(tls.server() if secure else None)
    ftp.files[b"f"] = bytes(8_000_000)
    remote = Remote(retry=ONCE.retry, tls=TLS(ca_cert=str(tls.ca_file)), timeouts=Timeouts(idle=1))
    writer = Reluctant()
    running = context.downloader(remote).download(ftp.url("/f"), writer=writer)
    await writer.began
    await deferLater(reactor, 1.5)
    assert writer.size <= 512 << 10
    writer.producer.resumeProducing()
    assert 8_000_000 == (await running).size == writer.size


LAZY = """
import sys
from twisted.internet.testing import MemoryReactorClock
from twisted_pulp import Context, Remote
agent = Context(MemoryReactorClock()).agent(Remote())
agent.request(b"GET", b"http://192.0.2.1/")
print([name for name in sys.modules if "ftp" in name])
agent.request(b"GET", b"ftp://192.0.2.1/f")
print("twisted_pulp.schemes._ftp" in sys.modules, "twisted_pulp.schemes._ftp_tls" in sys.modules)
"""


def test_imported_when_it_is_needed() -> None:
    """Nothing of FTP is imported before an FTP URL is asked for, and TLS not before it is spoken."""
    done = subprocess.run([sys.executable, "-c", LAZY], check=True, capture_output=True, text=True, timeout=60)
    assert ["[]", "True False"] == done.stdout.split("\n")[:2]


@ensureDeferred
async def test_absolute_path(
    start_ftp_server: StartFTPServer, corpus: Corpus, context: Context, tmp_path: Path
) -> None:
    """%2F at the beginning of a path makes it absolute."""
    server = await start_ftp_server("pyftpdlib", corpus.root)
    file = corpus.file("d/file", 100)
    report = await context.downloader(ONCE).download(server.url("/%2Fd/file;type=i"), path=tmp_path / "f")
    assert file.size == report.size
    assert "RETR " in server.log()


@pytest.mark.parametrize("kind", ["vsftpd", "vsftpd tls"])
@ensureDeferred
async def test_rate(
    start_ftp_server: StartFTPServer,
    tls: Authority,
    corpus: Corpus,
    context: Context,
    tmp_path: Path,
    kind: str,
    lag: Lag,
) -> None:
    """Bytes of FTP count for the limits too: a second's worth takes about a second, and comes whole."""
    server, remote = await start_one(start_ftp_server, tls, kind, corpus.root)
    file = corpus.file("file", 1_500_000)
    slow = Remote(retry=remote.retry, tls=remote.tls, limits=Limits(bytes_per_second=1_000_000))
    report = await context.downloader(slow).download(
        server.url("/file"), path=tmp_path / "file", digests={"sha256": file.sha256}
    )
    assert 1.2 <= report.finished - report.started <= 3 + lag.seconds


@ensureDeferred
async def test_pieces(start_ftp: StartFTP, context: Context, tmp_path: Path) -> None:
    """A piece that is damaged is fetched again alone, from an FTP server too."""
    ftp = await start_ftp()
    ftp.files[b"f"] = body = bytes(range(256)) * 4000
    pieces = Pieces(
        100_000, "sha256", [hashlib.sha256(body[at : at + 100_000]).hexdigest() for at in range(0, len(body), 100_000)]
    )

    async def damaged(control: Control, path: bytes) -> None:
        data, body = await control.begin(path)
        data.transport.write(body[:250_000] + b"damaged" + body[250_007:])
        data.transport.loseConnection()
        control.say(b"226 done")

    ftp.on("RETR", [damaged, None])
    report = await context.downloader(ONCE).download(
        ftp.url("/f"), path=tmp_path / "f", pieces=pieces, digests={"sha256": hashlib.sha256(body).hexdigest()}
    )
    assert (True, body) == (report.verified, (tmp_path / "f").read_bytes())
    assert [b"200000"] == ftp.said("REST")
