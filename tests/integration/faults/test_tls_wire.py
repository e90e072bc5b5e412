"""Rows 47 and 48: handshakes that stall or break, ends without a word, a certificate that changes; and sessions."""

from __future__ import annotations

import random
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.ssl import Certificate, CertificateOptions, trustRootFromCertificates
from twisted.web.client import BrowserLikePolicyForHTTPS

from tests.integration.faults.conftest import Fetchers
from tests.integration.faults.invariants import Fetcher, quick
from tests.servers.answers import head
from tests.servers.certificates import issue
from tests.servers.corpus import Corpus
from tests.servers.fixtures import StartNginx, StartOpenSSL, StartScripted
from tests.servers.scripted import HalfClose, Hear, Reset, Scripted, Send, Stall, Steps, ok
from tests.servers.tls import Authority
from twisted_pulp import TLS, Download, Retry, Timeouts
from twisted_pulp.errors import ConnectionLost, ConnectTimeout, SettingsError, TLSError
from twisted_pulp.http._pins import pins_of

BODY = random.Random(47).randbytes(50_000)
HERE = ("localhost", "127.0.0.1")


@pytest.fixture
def trust(tls: Authority) -> TLS:
    """Settings that trust the servers of these tests."""
    return TLS(ca_cert=str(tls.ca_file), platform_trust=False)


# Row 47


@pytest.mark.parametrize("steps", [(Stall(),), (Hear(100), Stall())])
@ensureDeferred
async def test_row_47_stall(fetcher: Fetcher, scripted_tls: Scripted, trust: TLS, steps: Steps) -> None:
    """Row 47: a handshake that stalls is given up in time, and tried again."""
    scripted_tls.greeting = lambda number: steps if number < 2 else ()
    scripted_tls.default = lambda request: ok(BODY)
    remote = quick(tls=trust, timeouts=Timeouts(tls=0.3), retry=Retry(retries=3, base=0.01))
    report = await fetcher.fetch(scripted_tls.url("/file"), BODY, remote=remote)
    assert report.error is None
    errors = [each.error for each in report.attempts[:-1]]
    assert [ConnectTimeout] * 2 == [type(error) for error in errors]
    assert all("the TLS handshake did not answer in 0.3 s" in str(error) for error in errors)


@pytest.mark.parametrize("steps", [(Reset(),), (Hear(100), Reset()), (Hear(100), Send(b"\x16\x03\x03"), Reset())])
@ensureDeferred
async def test_row_47_reset(fetcher: Fetcher, scripted_tls: Scripted, trust: TLS, steps: Steps) -> None:
    """Row 47: a connection that is reset in its handshake is made again."""
    scripted_tls.greeting = lambda number: steps if number == 0 else ()
    scripted_tls.default = lambda request: ok(BODY)
    report = await fetcher.fetch(scripted_tls.url("/file"), BODY, remote=quick(tls=trust))
    assert report.error is None
    assert 2 == len(report.attempts)
    assert isinstance(report.attempts[0].error, ConnectionLost | TLSError)
    assert report.attempts[0].error.retryable


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"220 hello\r\n" * 9, b"\0" * 99], ids=["HTTP", "FTP", "zeros"]
)
@ensureDeferred
async def test_row_47_no_tls(fetcher: Fetcher, scripted: Scripted, trust: TLS, said: bytes) -> None:
    """What answers without TLS gets no request, and is not asked again."""
    scripted.greeting = lambda number: (Hear(100), Send(said), Stall())
    url = scripted.url("/file").replace("http:", "https:")
    report = await fetcher.fetch(url, BODY, remote=quick(tls=trust))
    assert isinstance(report.error, TLSError)
    assert "what answers does not speak TLS" in report.error.reason
    assert 1 == len(report.attempts)


@pytest.mark.parametrize("proven", [True, False])
@ensureDeferred
async def test_row_47_length_decides(fetcher: Fetcher, scripted_tls: Scripted, trust: TLS, proven: bool) -> None:
    """Row 47: a body of known length that has come is whole, though TLS is not ended."""
    scripted_tls.on(b"/file", [(*ok(BODY), HalfClose())])
    report = await fetcher.fetch(scripted_tls.url("/file"), BODY, remote=quick(tls=trust), proven=proven)
    assert report.error is None


@pytest.mark.parametrize("sent", [len(BODY), len(BODY) // 2])
@ensureDeferred
async def test_row_47_no_success_without_an_end(
    fetcher: Fetcher, scripted_tls: Scripted, trust: TLS, sent: int
) -> None:
    """Row 47: a body without a length, and without the end of TLS, may have been cut by anybody: it has failed."""
    scripted_tls.default = lambda request: (Send(head(200)), Send(BODY[:sent]), HalfClose())
    remote = quick(tls=trust, allow_unproven=True, retry=Retry(retries=1, base=0.01))
    report = await fetcher.fetch(scripted_tls.url("/file"), BODY, remote=remote, proven=False)
    assert isinstance(report.error, ConnectionLost)
    assert 2 == len(report.attempts)


# Row 48


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@ensureDeferred
async def test_row_48_certificate_changes(
    fetcher: Fetcher, start_openssl: StartOpenSSL, version: Any, tmp_path: Path
) -> None:
    """Row 48: a server that comes back with another certificate, trusted or not, is refused where one is pinned."""
    root = issue(authority=True, common="root")
    leaves = issue(root, *HERE), issue(root, *HERE)
    files = {"file?token=S3CR3T-41": BODY}
    server = await start_openssl(leaves[0].chain, leaves[0].key_pem(), "-WWW", files=files)
    pins = pins_of(leaves[0].certificate)[:1]
    pinned = quick(tls=TLS(ca_cert=root.pem, platform_trust=False, pins=pins, max_version=version))
    trusting = quick(tls=TLS(ca_cert=root.pem, platform_trust=False, max_version=version))
    assert (await fetcher.fetch(server.url(), BODY, remote=pinned)).error is None
    server.stop()
    (server.directory / "chain.pem").write_text(leaves[1].chain)
    (server.directory / "key.pem").write_text(leaves[1].key_pem())
    await server.start(server.port)
    report = await fetcher.fetch(server.url(), BODY, name="second", remote=pinned)
    assert isinstance(report.error, TLSError)
    assert "none of the pinned ones: its key is " + pins_of(leaves[1].certificate)[0] in report.error.reason
    assert not report.error.retryable
    assert (await fetcher.fetch(server.url(), BODY, name="third", remote=trusting)).error is None


# Sessions


async def reused(fetcher: Fetcher, url: str, **tls: Any) -> list[str]:
    """Say of three connections, one after the other, whether `openssl s_server -www` went on with a session."""
    remote = quick(tls=TLS(**tls), allow_unproven=True)
    downloader = fetcher.context.downloader(remote)
    found = []
    for number in range(3):
        path = fetcher.directory / str(number)
        await downloader.download(Download(url, path))
        found += re.findall(r"^(New|Reused), TLS", path.read_text(), re.M)
    await downloader.close()
    return found


@pytest.mark.parametrize("arguments", [(), ("-no_ticket",)])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
@ensureDeferred
async def test_sessions_with_openssl(
    fetcher: Fetcher, start_openssl: StartOpenSSL, version: str, arguments: tuple[str, ...]
) -> None:
    """A real server goes on with the session of the connection before, by ticket or by its own memory."""
    root = issue(authority=True, common="root")
    leaf = issue(root, *HERE)
    server = await start_openssl(leaf.chain, leaf.key_pem(), "-www", *arguments)
    given = {"ca_cert": root.pem, "platform_trust": False, "max_version": version}
    assert ["New", "Reused", "Reused"] == await reused(fetcher, server.url("/"), **given)
    assert ["New", "Reused", "Reused"] == await reused(fetcher, server.url("/"), **given, verify=False)
    assert ["New", "Reused", "Reused"] == await reused(fetcher, server.url("/", "localhost"), **given)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@ensureDeferred
async def test_sessions_with_nginx(
    fetcher: Fetcher, start_nginx: StartNginx, tls: Authority, corpus: Corpus, version: str
) -> None:
    """nginx resumes what a connection that is still open had: many at once share one."""
    (corpus.root / "a").write_bytes(b"a" * 100)
    lines = ["add_header X-Reused $ssl_session_reused always;", "ssl_session_cache none;", "ssl_session_tickets on;"]
    server = await start_nginx(corpus.root, tls=tls.files(), lines=lines)
    remote = quick(tls=TLS(ca_cert=str(tls.ca_file), max_version=version))
    downloader = fetcher.context.downloader(remote)
    said = []
    for names in (["first"], [f"later-{number}" for number in range(8)]):
        downloads = [Download(server.url("/a"), fetcher.directory / name, size=100) for name in names]
        async for report in downloader.download_all(downloads, 8):
            assert report.error is None
            assert report.headers is not None
            said.append(report.headers["x-reused"])
    await downloader.close()
    assert "." == said[0]
    assert said.count("r") >= 6, said  # some go over the connection that was there first


# The rest of the settings, as a server sees them


@ensureDeferred
async def test_key_log(fetcher: Fetcher, scripted_tls: Scripted, tls: Authority, tmp_path: Path) -> None:
    """The keys of a session are written where they can be used, and nobody else may read them."""
    scripted_tls.default = lambda request: ok(BODY)
    path = tmp_path / "keys"
    path.touch(0o644)
    trust = TLS(ca_cert=str(tls.ca_file), key_log=str(path))
    assert (await fetcher.fetch(scripted_tls.url("/file"), BODY, remote=quick(tls=trust))).error is None
    assert re.search(r"^CLIENT_TRAFFIC_SECRET_0 [0-9a-f]{64} [0-9a-f]+$", path.read_text(), re.M)
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


@ensureDeferred
async def test_key_log_that_cannot_be_written(fetcher: Fetcher, scripted_tls: Scripted, tmp_path: Path) -> None:
    """A file that cannot be written is said before anybody is connected to."""
    path = tmp_path / "keys"
    trust = TLS(key_log=str(path))
    path.mkdir()
    with pytest.raises(SettingsError, match=r"tls\.key_log"):
        await fetcher.context.downloader(quick(tls=trust)).download(Download(scripted_tls.url("/file")))
    assert 0 == scripted_tls.accepted


@pytest.mark.parametrize("alpn", [("http/1.1",), ("h3", "http/1.1")])
@pytest.mark.parametrize("ready", [True, False])
@ensureDeferred
async def test_alpn_and_server_name(
    fetcher: Fetcher, start_nginx: StartNginx, corpus: Corpus, tls: Authority, alpn: tuple[str, ...], ready: bool
) -> None:
    """The server sees the name and the protocols that the settings say, and must be of that name."""
    (corpus.root / "file").write_bytes(BODY)
    lines = ["add_header X-Alpn $ssl_alpn_protocol;", "add_header X-Name $ssl_server_name;"]
    server = await start_nginx(corpus.root, tls=tls.files(tls.leaf("a.test")), lines=lines)
    anchors = trustRootFromCertificates([Certificate.loadPEM(tls.ca_file.read_bytes())])
    given = {"options": CertificateOptions(trustRoot=anchors)} if ready else {"ca_cert": str(tls.ca_file)}
    trust = TLS(server_name="a.test", alpn=alpn, **given)  # type: ignore[arg-type]
    report = await fetcher.fetch(server.url("/file"), BODY, remote=quick(tls=trust))
    assert report.headers is not None
    assert ("http/1.1", "a.test") == (report.headers["x-alpn"], report.headers["x-name"])
    other = await fetcher.fetch(server.url("/file"), BODY, name="other", remote=quick(tls=TLS(**given)))  # type: ignore[arg-type]
    assert isinstance(other.error, TLSError)
    assert "the certificate is for another name" == other.error.reason


@ensureDeferred
async def test_a_policy_decides_alone(fetchers: Fetchers, start_scripted: StartScripted, tls: Authority) -> None:
    """A ready policy says whom to trust; pins still count."""
    leaf = tls.leaf("localhost")
    server = await start_scripted(tls.server(leaf))
    server.default = lambda request: ok(BODY)
    anchors = trustRootFromCertificates([Certificate.loadPEM(tls.ca_file.read_bytes())])
    url = server.url("/file", host="localhost")
    for name, policy in ("yes", BrowserLikePolicyForHTTPS(anchors)), ("no", BrowserLikePolicyForHTTPS()):
        report = await fetchers().fetch(url, BODY, name=name, remote=quick(tls=TLS(options=policy)))
        assert isinstance(report.error, TLSError) == (name == "no")
    pinned = TLS(options=BrowserLikePolicyForHTTPS(anchors), pins=f"cert-sha256/{'0' * 64}")  # type: ignore[arg-type]
    report = await fetchers().fetch(url, BODY, name="pin", remote=quick(tls=pinned))
    assert isinstance(report.error, TLSError)
