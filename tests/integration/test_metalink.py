"""Metalinks, and what headers say about files, over real connections."""

from __future__ import annotations

import hashlib
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred

from tests.integration.process import Get, Start
from tests.servers.answers import Ranged
from tests.servers.fixtures import StartScripted
from tests.servers.scripted import Scripted, cut, ok, status
from twisted_pulp.context import Context
from twisted_pulp.errors import DigestMismatch
from twisted_pulp.settings import Remote, Retry
from twisted_pulp.transfer import Memory

BODY = hashlib.shake_256(b"linked").digest(600_000)
SHA256 = hashlib.sha256(BODY).hexdigest()
PIECE = 100_000
PATIENT = Remote(retry=Retry(base=0))


def metalink(name: str, *urls: str, pieces: bool = False) -> bytes:
    """Return a metalink for the file."""
    hashes = "".join(
        f"<hash>{hashlib.sha1(BODY[at : at + PIECE], usedforsecurity=False).hexdigest()}</hash>"
        for at in range(0, len(BODY), PIECE)
    )
    part = f'<pieces length="{PIECE}" type="sha-1">{hashes}</pieces>' if pieces else ""
    places = "".join(f'<url priority="{number}">{url}</url>' for number, url in enumerate(urls, 1))
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="{name}"><size>{len(BODY)}</size>
<hash type="sha-256">{SHA256}</hash>{part}{places}</file></metalink>""".encode()


@pytest.mark.parametrize("way", ["path", "input", "url", "stdin"])
@ensureDeferred
async def test_command(get: Get, start_command: Start, scripted: Scripted, tmp_path: Path, way: str) -> None:
    """A metalink is downloaded by its path or URL, or as a list; what fails comes from the next place."""
    scripted.on(b"/good", [ok(BODY)])
    text = metalink("in/b.iso", scripted.url("/missing"), scripted.url("/good"))
    (tmp_path / "b.iso.meta4").write_bytes(text)
    scripted.on(b"/b.iso.meta4", [ok(text)])
    if way == "stdin":
        done = start_command("get", "-i", "-", "-d", "out", stdin=subprocess.PIPE)
        assert done.popen.stdin is not None
        done.popen.stdin.write(text)
        done.popen.stdin.close()
        await done.ended()
    else:
        arguments = {"path": ["b.iso.meta4"], "input": ["-i", "b.iso.meta4"], "url": [scripted.url("/b.iso.meta4")]}
        done = await get(*arguments[way], "-d", "out")
    assert (0, "") == (done.popen.returncode, done.err)
    assert BODY == (tmp_path / "out/in/b.iso").read_bytes()
    assert [b"/missing", b"/good"] == [each.path for each in scripted.requests if b"meta4" not in each.path]


@ensureDeferred
async def test_itself(get: Get, scripted: Scripted, tmp_path: Path) -> None:
    """With a name of its own a metalink is a file as any other."""
    text = metalink("b.iso", scripted.url("/good"))
    scripted.on(b"/b.iso.meta4", [ok(text)])
    done = await get(scripted.url("/b.iso.meta4"), "-o", "saved")
    assert (0, text) == (done.popen.returncode, (tmp_path / "saved").read_bytes())


@ensureDeferred
async def test_bad(get: Get, scripted: Scripted, tmp_path: Path) -> None:
    """A name that leads elsewhere, and what is no metalink, are failures that say why."""
    (tmp_path / "a.meta4").write_bytes(metalink("../b.iso", scripted.url("/good")))
    (tmp_path / "b.meta4").write_bytes(b"<!DOCTYPE a><metalink/>")
    done = await get("a.meta4", "b.meta4", "-d", "out")
    assert (1, []) == (done.popen.returncode, scripted.requests)
    first, second, *_ = done.err.splitlines()
    assert (True, True) == (first.startswith("failed: a.meta4: '../b.iso': "), second.startswith("failed: b.meta4: "))


@ensureDeferred
async def test_piece(get: Get, start_scripted: StartScripted, tmp_path: Path) -> None:
    """Only the piece that is damaged is fetched again."""
    first, second = await start_scripted(), await start_scripted()
    damaged = BODY[: 2 * PIECE + 5] + b"?" + BODY[2 * PIECE + 6 :]
    first.on(b"/f", [Ranged(damaged)])
    second.on(b"/f", [Ranged(BODY)])
    (tmp_path / "f.meta4").write_bytes(metalink("f", first.url("/f"), second.url("/f"), pieces=True))
    done = await get("f.meta4")
    assert (0, BODY) == (done.popen.returncode, (tmp_path / "f").read_bytes())
    assert PIECE == sum(len(BODY) if each.header(b"range") is None else PIECE for each in second.requests)


# RFC 6249


@ensureDeferred
async def test_duplicates(context: Context, start_scripted: StartScripted, tmp_path: Path) -> None:
    """A response that breaks off, or is a failure, has named where to go on; there no secret is told."""
    first, second = await start_scripted(), await start_scripted()
    links = [(b"Link", b"<%s>; rel=duplicate; pri=1" % second.url("/f").encode())]
    first.on(b"/cut", [cut(ok(BODY, links), 300_000)])
    first.on(b"/busy", [status(503, links)])
    second.on(b"/f", [Ranged(BODY)])
    remote = Remote(url=first.url("/"), username="me", password="S3CR3T")
    downloader = context.downloader(remote)
    for name in ("cut", "busy"):
        report = await downloader.download(first.url(f"/{name}"), path=tmp_path / name, digests={"sha256": SHA256})
        assert (second.url("/f"), BODY) == (report.source.url, (tmp_path / name).read_bytes())  # type: ignore[union-attr]
    assert [None, None] == [each.header(b"authorization") for each in second.requests]
    assert [True, False] == [each.header(b"range") is not None for each in second.requests]


@ensureDeferred
async def test_unproven_duplicates(context: Context, start_scripted: StartScripted, tmp_path: Path) -> None:
    """Without an expected digest nobody could tell what another place sends: it is not asked."""
    first, second = await start_scripted(), await start_scripted()
    links = [(b"Link", b"<%s>; rel=duplicate" % second.url("/f").encode())]
    first.on(b"/f", [status(503, links), ok(BODY)])
    await context.downloader(PATIENT).download(first.url("/f"), path=tmp_path / "f")
    assert [] == second.requests


# Digests in headers

GOOD = b"sha-256=:%s:" % b64encode(hashlib.sha256(BODY).digest())
WRONG = b"sha-256=:%s:" % b64encode(hashlib.sha256(b"").digest())
MD5 = b64encode(hashlib.md5(BODY, usedforsecurity=False).digest())
WRONG_MD5 = b64encode(hashlib.md5(b"", usedforsecurity=False).digest())


@pytest.mark.parametrize(
    ("name", "good", "wrong"),
    [
        (b"Repr-Digest", GOOD, WRONG),
        (b"Content-Digest", GOOD, WRONG),
        (b"Content-MD5", MD5, WRONG_MD5),
        (b"x-goog-hash", b"md5=" + MD5, b"md5=" + WRONG_MD5),
    ],
)
@ensureDeferred
async def test_declared(
    context: Context, scripted: Scripted, tmp_path: Path, name: bytes, good: bytes, wrong: bytes
) -> None:
    """What a server declares about a file is compared when nothing else is known; it proves nothing, though."""
    scripted.on(b"/good", [ok(BODY, [(name, good)])])
    scripted.on(b"/wrong", [ok(BODY, [(name, wrong)])])
    for where in ({"writer": Memory()}, {"path": tmp_path / "f"}):
        report = await context.downloader(PATIENT).download(scripted.url("/good"), **where)
        assert (SHA256, False) == (report.digests["sha256"], report.verified)
    with pytest.raises(DigestMismatch):
        await context.downloader(PATIENT).download(scripted.url("/wrong"), path=tmp_path / "wrong")
    assert (2, False) == (len(scripted.asked(b"/wrong")), (tmp_path / "wrong").exists())


@ensureDeferred
async def test_expected_counts(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """Where a digest is expected, what the server declares does not count."""
    scripted.on(b"/f", [ok(BODY, [(b"Repr-Digest", WRONG)])])
    report = await context.downloader().download(scripted.url("/f"), path=tmp_path / "f", digests={"sha256": SHA256})
    assert report.verified


@ensureDeferred
async def test_end_of_connection(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """A body that ends with the connection is complete if the server has declared its digest."""
    scripted.on(b"/f", [ok(BODY, [(b"Repr-Digest", GOOD)], length=False)])
    report = await context.downloader().download(scripted.url("/f"), path=tmp_path / "f")
    assert (len(BODY), False) == (report.size, report.verified)


@ensureDeferred
async def test_resumed(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """The digest of the whole file holds for one that came in two parts."""
    whole = [(b"ETag", b'"v1"'), (b"Repr-Digest", GOOD)]
    scripted.on(b"/f", [cut(ok(BODY, whole), 300_000), Ranged(BODY, headers=[(b"Repr-Digest", WRONG)]), ok(BODY)])
    report = await context.downloader(PATIENT).download(scripted.url("/f"), path=tmp_path / "f")
    assert ["ConnectionLost", "DigestMismatch", "NoneType"] == [type(each.error).__name__ for each in report.attempts]
