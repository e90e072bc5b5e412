"""Threats H1, B4, F1 to F3, S5 and V2; the others stand with the fault rows they belong to."""

from __future__ import annotations

import hashlib
import os
import random
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pytest_twisted import async_yield_fixture, ensureDeferred

from tests.lag import Lag
from tests.servers.fixtures import in_time
from tests.servers.reactor import IReactor
from tests.servers.scripted import Close, Scripted, Send, SendSlowly, Stall, cut, ok, ranged
from twisted_pulp import Context, Download, DownloadReport, Remote, Retry, Timeouts
from twisted_pulp.errors import (
    DownloadError,
    HTTPStatusError,
    LowSpeed,
    NotAuthorized,
    PathError,
    PulpError,
    SettingsError,
)
from twisted_pulp.transfer import Memory

BODY = random.Random(10).randbytes(300_000)
DIGESTS = {"sha256": hashlib.sha256(BODY).hexdigest()}


@async_yield_fixture
async def context(reactor: IReactor) -> AsyncIterator[Context]:
    """A Context of one's own."""
    made = Context(reactor)
    yield made

    async def closing() -> None:
        await made.close()

    await in_time(reactor, closing())


async def outcome(
    context: Context, download: Download, remote: Remote | None = None, **given: object
) -> DownloadReport:
    """Download one file, and give the report whatever becomes of it."""
    downloader = context.downloader(remote, **given)  # type: ignore[arg-type]
    reports = [report async for report in downloader.download_all([download])]
    await downloader.close()
    (report,) = reports
    return report


_INJECTED = [
    f"{before}{line}{after}"
    for line in ("\r\n", "\n", "\r", "\0", "\x0b", "\x85\n", "\r\n ", "\r\n\r\n", "\u2028\n", "\u560a\n")
    for before, after in (("", "X-Evil: 1"), ("a", "X-Evil: 1"), ("a", ""), ("", "GET /evil HTTP/1.1"))
]


@pytest.mark.parametrize("where", ["url", "host", "header value", "header name", "user agent", "remote value"])
@ensureDeferred
async def test_h1_injection(context: Context, scripted: Scripted, tmp_path: Path, where: str) -> None:
    """H1: no line break or NUL in a URL, a header or a user agent adds a line to a request: 240 are refused."""
    scripted.default = lambda _: ok(BODY)
    refused = 0
    for text in _INJECTED:
        try:
            headers, remote, url = {}, Remote(), scripted.url("/file")
            if where == "url":
                url += text
            elif where == "host":
                url = url.replace("127.0.0.1", f"127.0.0.1{text}")
            elif where == "header value":
                headers = {"X-Given": text}
            elif where == "header name":
                headers = {text: "x"}
            elif where == "user agent":
                remote = Remote(user_agent=text)
            else:
                remote = Remote(headers={"X-Given": text})
            await outcome(context, Download(url, writer=Memory(), headers=headers), remote)
        except SettingsError:
            refused += 1
    assert len(_INJECTED) == refused
    assert [] == scripted.requests


@ensureDeferred
async def test_h1_credentials(context: Context, scripted: Scripted) -> None:
    """H1: a user name and password with line breaks are encoded, and add no line."""
    scripted.default = lambda _: ok(BODY)
    remote = Remote(username="user\r\nX-Evil", password="1\r\n\r\nGET / HTTP/1.1")
    await outcome(context, Download(scripted.url("/file"), writer=Memory()), remote)
    assert 1 == len(scripted.requests)
    assert scripted.requests[0].header(b"X-Evil") is None
    assert 5 == len(scripted.requests[0].headers)  # Host, User-Agent, Accept, Accept-Encoding, Authorization


@ensureDeferred
async def test_b4_slow_loris(reactor: IReactor, scripted: Scripted, lag: Lag) -> None:
    """B4: upstreams that drip or stall are given up, and those who waited for their slots come."""
    slow = Context(reactor, connections=2)
    scripted.on(b"/drip", [(Send(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"), SendSlowly(BODY, 1, 0.02))])
    scripted.on(b"/stall", [(Send(b"HTTP/1.1 200 OK\r\n"), Stall())])
    scripted.on(b"/file", [ok(BODY)])
    remote = Remote(retry=Retry(retries=0), timeouts=Timeouts(headers=1, idle=4, low_speed_time=1))
    downloader = slow.downloader(remote)
    paths = ["/drip", "/stall", *["/file"] * 20]
    downloads = [Download(scripted.url(path), writer=Memory()) for path in paths]
    reports = [report async for report in downloader.download_all(downloads, 22)]
    await slow.close()
    failed = [report for report in reports if report.error is not None]
    assert {"/drip", "/stall"} == {report.url.rpartition("/")[1] + report.url.rpartition("/")[2] for report in failed}
    assert any(isinstance(report.error, LowSpeed) for report in failed)
    assert max(report.finished - report.started for report in reports) < 3 + lag.seconds


_NAMES = [
    "../out", "a/../../out", "/etc/out", "..", ".", "", "a//b", "./a", "a/.", "a/..", "..\\out", "a\\..\\out",
    "C:\\out", "C:out", "%2e%2e/out", "..%2fout", "a%2f..%2fout", "%2e%2e%5cout", "..%00", "a\0b", "a\nb",
    "a/", "con", "NUL.txt", "aux/a", "com1", "lpt9.tar", "a.", "a ", " a", "a" * 256, "é" * 128, "a/" * 3000,
    "a.pulp-part", "a.pulp-journal", ".a.pulp-part/b", "a\u202eb", "\ud800", "a?b", "a*b", "a|b", 'a"b', "a<b",
    "....//....//out\\..", "..;/out\\", "a/%2e%2e/%2e%2e/out", "a:b/../../../out", "\\\\host\\share",
]  # fmt: skip


@ensureDeferred
async def test_f1_names(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """F1: names that leave the directory, hide a separator or fit not everywhere are refused before a request."""
    scripted.default = lambda _: ok(BODY)
    root = tmp_path / "a" / "root"
    for name in _NAMES:
        report = await outcome(context, Download(scripted.url("/x"), name), directory=str(root))
        assert isinstance(report.error, PathError), name
        assert report.error.url
    assert [] == scripted.requests
    assert [] == [each for each in tmp_path.rglob("*") if each not in (root, root.parent)]


@ensureDeferred
async def test_f1_names_that_are_fine(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """F1: other names, odd ones too, become files below the directory and nowhere else."""
    scripted.default = lambda _: ok(BODY)
    names = ["a", "b/c/d", "é", "a" * 255, "..a", "a..b", ".hidden", "%41", "a%20b", "-rf", "~", "$HOME", "a b", "a;b"]
    for name in names:
        report = await outcome(context, Download(scripted.url("/x"), name), directory=str(tmp_path / "root"))
        assert report.error is None, name
    found = sorted(
        str(each.relative_to(tmp_path / "root")) for each in (tmp_path / "root").rglob("*") if each.is_file()
    )
    assert sorted(names) == found


@pytest.mark.parametrize("small", [True, False])
@pytest.mark.parametrize("plant", ["directory", "file", "partial", "hard link", "journal", "fifo"])
@ensureDeferred
async def test_f2_planted(context: Context, scripted: Scripted, tmp_path: Path, plant: str, small: bool) -> None:
    """F2: links and devices that somebody planted are not written through: what they lead to is unchanged."""
    body = b"new" if small else BODY
    scripted.default = lambda _: ok(body)
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    root.mkdir()
    victim = outside / "victim"
    victim.write_bytes(b"old")
    if plant == "directory":
        (root / "sub").symlink_to(outside)
    else:
        (root / "sub").mkdir()
    partial = root / "sub" / ".victim.pulp-part"
    if plant == "file":
        (root / "sub" / "victim").symlink_to(victim)
    elif plant == "partial":
        partial.symlink_to(victim)
    elif plant == "hard link":
        os.link(victim, partial)
    elif plant == "fifo":
        os.mkfifo(partial)
    elif plant == "journal":
        (root / "sub" / ".victim.pulp-journal").symlink_to(victim)
    digests = {"sha256": hashlib.sha256(body).hexdigest()}
    download = Download(scripted.url("/x"), "sub/victim", digests=digests)
    report = await outcome(context, download, directory=str(root))
    assert b"old" == victim.read_bytes()
    assert ["victim"] == [each.name for each in outside.iterdir()]
    if report.error is None:
        assert body == (root / "sub" / "victim").read_bytes()
        assert stat.S_ISREG((root / "sub" / "victim").lstat().st_mode)
    else:
        assert isinstance(report.error, DownloadError)
    refused = plant == "directory" or (plant in ("partial", "hard link", "fifo") and not small)
    assert refused == (report.error is not None)
    for each in (root / "sub").iterdir() if plant != "directory" else ():
        each.unlink()


@pytest.mark.parametrize("name", ["file.zip", "file.tar.gz"])
@ensureDeferred
async def test_f3_nothing_is_unpacked(context: Context, scripted: Scripted, tmp_path: Path, name: str) -> None:
    """F3: an archive is a file like any other."""
    scripted.default = lambda _: ok(b"PK\x03\x04../../out", [(b"Content-Type", b"application/zip")])
    report = await outcome(context, Download(scripted.url("/x"), name), directory=str(tmp_path / "root"))
    assert report.error is None
    assert [name] == [each.name for each in (tmp_path / "root").iterdir()]


@ensureDeferred
async def test_s5_file_urls(context: Context, reactor: IReactor, tmp_path: Path, lag: Lag) -> None:
    """S5: file:// reads regular files below the directories allowed, nothing else; a FIFO or device blocks nobody."""
    allowed = tmp_path / "allowed"
    (allowed / "sub").mkdir(parents=True)
    (allowed / "good").write_bytes(BODY)
    (tmp_path / "secret").write_bytes(b"secret")
    (allowed / "link").symlink_to(tmp_path / "secret")
    (allowed / "folder").symlink_to(tmp_path)
    (allowed / "zero").symlink_to("/dev/zero")
    os.mkfifo(allowed / "fifo")
    remote = Remote(file_roots=(str(allowed),))
    report = await outcome(context, Download(f"file://{allowed}/good", tmp_path / "out", digests=DIGESTS), remote)
    assert report.error is None
    assert report.verified
    started = reactor.seconds()
    for wrong in ("link", "folder/secret", "zero", "fifo", "sub", "../secret", "%2e%2e/secret", "sub/../../secret"):
        report = await outcome(context, Download(f"file://{allowed}/{wrong}", writer=Memory()), remote)
        assert isinstance(report.error, HTTPStatusError), wrong
    for elsewhere in ("/etc/passwd", "/dev/zero", "/proc/self/environ", "//host/share"):
        report = await outcome(context, Download(f"file://{elsewhere}", writer=Memory()), remote)
        assert isinstance(report.error, HTTPStatusError), elsewhere
    report = await outcome(context, Download(f"file://{allowed}/good", writer=Memory()))
    assert isinstance(report.error, NotAuthorized)  # off unless a directory is allowed
    assert reactor.seconds() - started < 2 + lag.seconds


@pytest.mark.parametrize("digests", [{"md5": hashlib.md5(BODY).hexdigest()}, {"sha1": hashlib.sha1(BODY).hexdigest()}])
@ensureDeferred
async def test_v2_weak_digests(context: Context, scripted: Scripted, tmp_path: Path, digests: dict[str, str]) -> None:
    """V2: md5 or sha1 alone are refused before a byte is asked for, unless the Remote allows them."""
    scripted.default = lambda _: ok(BODY)
    download = Download(scripted.url("/x"), tmp_path / "file", digests=digests)
    report = await outcome(context, download)
    assert isinstance(report.error, SettingsError)
    assert [] == scripted.requests
    report = await outcome(context, download, Remote(allow_weak_digests=True))
    assert report.error is None


@ensureDeferred
async def test_v2_no_downgrade(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """V2: a right md5 beside a wrong sha256 proves nothing; with no digest at all the report says unverified."""
    scripted.default = lambda _: ok(BODY)
    both = {"md5": hashlib.md5(BODY).hexdigest(), "sha256": "0" * 64}
    report = await outcome(context, Download(scripted.url("/x"), tmp_path / "file", digests=both))
    assert isinstance(report.error, PulpError)
    assert not (tmp_path / "file").exists()
    report = await outcome(context, Download(scripted.url("/x"), tmp_path / "file", size=len(BODY)))
    assert (None, False) == (report.error, report.verified)


@ensureDeferred
async def test_f2_partial_is_private_until_proven(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """F2: what is left of a download that was cut short stands beside the target, under no final name."""
    scripted.default = cut(ranged(BODY), 290_000, Close())  # type: ignore[assignment]
    download = Download(scripted.url("/x"), tmp_path / "file", digests=DIGESTS)
    report = await outcome(context, download, Remote(retry=Retry(retries=0)))
    assert report.error is not None
    assert {".file.pulp-part", ".file.pulp-journal"} == {each.name for each in tmp_path.iterdir()}
    for each in tmp_path.iterdir():
        each.unlink()
