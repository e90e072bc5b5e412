"""Stored artifacts as real clients get them, and as nginx would serve them."""

from __future__ import annotations

import os
import random
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from tests.integration.stored import Served, StartSite, start_site
from tests.servers.client import Socket
from tests.servers.programs import require

__all__ = ["start_site"]

THEN = 1_700_000_000
SIZES = (0, 1, 100, 5_000, 200_000)


class Reply:
    """An answer, taken apart."""

    def __init__(self, answer: bytes) -> None:
        head, _, self.body = answer.partition(b"\r\n\r\n")
        status, *lines = head.split(b"\r\n")
        self.status = int(status.split(b" ")[1])
        pairs = [line.partition(b": ") for line in lines]
        self.headers = {name.lower(): value for name, _, value in pairs}

    def parts(self) -> list[tuple[bytes, bytes]] | None:
        """Return place and bytes of each part of a multipart body, or None if it is none."""
        kind, _, boundary = self.headers.get(b"content-type", b"").partition(b"; boundary=")
        if kind != b"multipart/byteranges":
            return None
        found = []
        for part in (b"\r\n" + self.body).split(b"\r\n--" + boundary)[1:-1]:
            head, _, content = part.partition(b"\r\n\r\n")
            places = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-range")]
            found.append((places[0].partition(b": ")[2], content))
        return found

    def essence(self) -> object:
        """Return what two servers of the same bytes have to agree on."""
        content = self.parts() or (self.body if self.status in (200, 206) else b"")
        length = self.headers.get(b"content-length") if self.status in (200, 206) else b""
        if self.parts():
            length = b"%d" % len(self.body) if length == b"%d" % len(self.body) else b"wrong"
            length = b"right" if length != b"wrong" else length
        return self.status, self.headers.get(b"content-range"), length, content


def a_range(rng: random.Random, size: int) -> str:
    """Return a Range of any form."""

    def place() -> int:
        return rng.choice([0, 1, size - 1, size, size + 1, rng.randrange(size + 10)]) if size else rng.randrange(3)

    def one() -> str:
        first, last = max(0, place()), max(0, place())
        near = first + rng.randrange(40)
        if rng.random() < 0.02:
            return rng.choice(["x", "", "1", "--1", "1-2-3"])
        return rng.choice([f"{first}-{last}", f"{first}-{near}", f"{first}-{near}", f"{first}-", f"-{last}"])

    count = rng.choice([1, 1, 1, 2, 3, 10, 32, 33, 100])
    unit = rng.choice(["bytes=", "bytes=", "bytes=", "bytes=", "Bytes=", "lines=", "bytes "])
    return unit + rng.choice([",", ", "]).join(one() for _ in range(count))


def a_case(rng: random.Random, size: int) -> tuple[str, list[str]]:
    """Return a method and headers; ``{etag}`` stands for the server's."""
    method = "HEAD" if rng.random() < 0.1 else "GET"
    headers = []
    if method == "GET" and rng.random() < 0.8:  # what nginx makes of a HEAD with a Range is not RFC 9110's
        headers.append("Range: " + a_range(rng, size))
        if rng.random() < 0.3:
            validator = rng.choice(['"other"', "{etag}", "W/{etag}", date(0), date(1), "never"])
            headers.append("If-Range: " + validator)
    if rng.random() < 0.4:
        name = rng.choice(["If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"])
        tags = ['"other"', "{etag}", "W/{etag}", '"other", {etag}', "*"]
        dates = [date(0), date(-1), date(1), date(86400)]
        headers.append(f"{name}: {rng.choice(tags if name.endswith('Match') else dates)}")
    return method, headers


def date(offset: int) -> str:
    """Return a date of HTTP, relative to when the files were modified."""
    return formatdate(THEN + offset, usegmt=True)


async def asked(reactor: Any, port: int, path: str, method: str, headers: list[str]) -> Reply:
    """Return what the server at *port* answers."""
    client = await Socket.to(reactor, port)
    client.get(path, "Connection: close", *headers, method=method)
    return Reply(await client.heard_all())


@pytest.mark.limit(300)
@pytest_twisted.ensureDeferred
async def test_as_nginx(
    reactor: Any,
    start_site: StartSite,
    start_nginx: Callable[..., Awaitable[Any]],
    tmp_path: Path,
    rng: random.Random,
    campaign_count: Callable[[int, int], int],
) -> None:
    """Random ranges and conditions get the bytes, status and place that nginx answers with."""
    site, root = await start_site(), tmp_path / "files"
    root.mkdir()
    for size in SIZES:
        data = rng.randbytes(size)
        await site.keep(b"/%d" % size, data, modified=THEN)
        (root / str(size)).write_bytes(data)
        os.utime(root / str(size), (THEN, THEN))
    nginx = await start_nginx(root, lines=["if_modified_since before;", "max_ranges 32;"])
    tags = {}
    for size in SIZES:
        for port in (site.port, nginx.port):
            tags[port, size] = (await asked(reactor, port, f"/{size}", "HEAD", [])).headers[b"etag"].decode()
    statuses = set()
    for _ in range(campaign_count(500, 10_000)):
        size = rng.choice(SIZES)
        method, headers = a_case(rng, size)
        mine, theirs = [
            await asked(
                reactor, port, f"/{size}", method, [line.replace("{etag}", tags[port, size]) for line in headers]
            )
            for port in (site.port, nginx.port)
        ]
        assert theirs.essence() == mine.essence(), (size, method, headers)
        statuses.add(mine.status)
    assert {200, 206, 304, 412, 416} == statuses


@pytest.mark.parametrize("size", [3_000, 3_000_000])
@pytest_twisted.ensureDeferred
async def test_head(start_site: StartSite, size: int) -> None:
    """HEAD has the headers of GET, whatever Range it comes with."""
    site = await start_site()
    await site.keep(b"/f", bytes(size))
    got, head = Reply(await site.get("/f")), Reply(await site.get("/f", "Range: bytes=1-2", method="HEAD"))
    assert (200, b"", b"%d" % size) == (head.status, head.body, head.headers[b"content-length"])
    assert {**got.headers, b"date": b""} == {**head.headers, b"date": b""}


@pytest_twisted.ensureDeferred
async def test_keep_alive(reactor: Any, start_site: StartSite) -> None:
    """Small and large files, whole and in parts, follow one another on one connection, asked for all at once."""
    site, large = await start_site(), random.Random(1).randbytes(700_000)
    await site.keep(b"/large", large)
    await site.keep(b"/small", b"abc")
    client = await Socket.to(reactor, site.port)
    for _ in range(3):
        client.get("/large")
        client.get("/small")
        client.get("/large", "Range: bytes=699990-")
        client.get("/none")
    for _ in range(3):
        assert [large, b"abc", large[-10:]] == [await client.answer() for _ in range(3)]
        assert b"404" in await client.answer()
    await client.leave()


@pytest_twisted.ensureDeferred
async def test_tls(reactor: Any, start_site: StartSite, tls: Any) -> None:
    """Over TLS the same bytes come, read by threads."""
    site = await start_site(tls=tls.server())
    data = random.Random(2).randbytes(3_000_000)
    await site.keep(b"/f", data)
    client = await Socket.to(reactor, site.port)
    client.secure(tls.ca_file.read_bytes())
    client.get("/f", "Range: bytes=0-1999999,2500000-2500009")
    client.get("/f")
    await client.heard(2_000_000)
    while b"\r\n\r\n" not in client.received:
        await client.heard(len(client.received) + 1)
    first = await client.answer()
    assert data[:2_000_000] in first
    assert data[2_500_000:2_500_010] in first
    assert data == await client.answer()
    await client.leave()


@pytest.mark.parametrize("options", [(), ("-r", "100000-"), ("-r", "-5"), ("-r", "0-9,1000-1999")])
@pytest_twisted.ensureDeferred
async def test_curl(start_site: StartSite, start_command: Any, tmp_path: Path, options: tuple[str, ...]) -> None:
    """curl gets what it asks for."""
    site, data = await start_site(), random.Random(3).randbytes(300_000)
    await site.keep(b"/f", data)
    expected = {"100000-": data[100_000:], "-5": data[-5:]}.get(options[-1] if options else "", data)
    status = await run(start_command, "curl", "-fsS", *options, "-o", tmp_path / "got", site.url("/f"))
    got = (tmp_path / "got").read_bytes()
    assert 0 == status
    if options[-1:] == ("0-9,1000-1999",):
        assert data[:10] in got
        assert data[1000:2000] in got
    else:
        assert expected == got


@pytest_twisted.ensureDeferred
async def test_curl_resumes(start_site: StartSite, start_command: Any, tmp_path: Path) -> None:
    """curl goes on with a partial file, and asks again only for what has changed."""
    site, data = await start_site(), random.Random(4).randbytes(300_000)
    await site.keep(b"/f", data, modified=THEN)
    (tmp_path / "got").write_bytes(data[:123_456])
    assert 0 == await run(start_command, "curl", "-fsS", "-C", "-", "-o", tmp_path / "got", site.url("/f"))
    assert data == (tmp_path / "got").read_bytes()
    tag = ("--etag-save", tmp_path / "tag", "--etag-compare", tmp_path / "tag")
    for known in (b"", b"304"):
        command = ("curl", "-sS", *tag, "-w", "%{http_code}", "-o", tmp_path / "again", site.url("/f"))
        assert 0 == await run(start_command, *command)
        assert known in (tmp_path / ".out").read_bytes()
    assert data == (tmp_path / "again").read_bytes()


@pytest_twisted.ensureDeferred
async def test_aria2(start_site: StartSite, start_command: Any, tmp_path: Path) -> None:
    """aria2 gets a file over sixteen connections, and finds the digest right."""
    site, data = await start_site(), random.Random(5).randbytes(24 << 20)
    await site.keep(b"/f", data)
    status = await run(
        start_command,
        *("aria2c", "-x16", "-s16", "-k1M", "--no-conf", "--quiet", "--file-allocation=none"),
        *(f"--checksum=sha-256={sha256(data).hexdigest()}", "-d", tmp_path, "-o", "got", site.url("/f")),
    )
    assert 0 == status
    assert data == (tmp_path / "got").read_bytes()
    assert site.resource.asked >= 16


async def run(start_command: Any, program: str, *arguments: object) -> int:
    """Run a real client; its output is in ``.out``."""
    path = require(program)
    command = f"import os, sys; os.execv({path!r}, [{program!r}, *sys.argv[1:]])"
    process = start_command(*arguments, program=command)
    status: int = await process.ended(60)
    (process.directory / ".out").write_text(process.out + process.err)
    return status


@pytest_twisted.ensureDeferred
async def test_gone(start_site: StartSite) -> None:
    """What has left the storage is an error, and nothing of the answer that was meant is in it."""
    site = await start_site()
    for size in (10, 100_000):
        entity = await site.keep(b"/%d" % size, bytes(size))
        await site.resource.stored.storage.remove([entity.sha256])
        reply = Reply(await site.get(f"/{size}", "Range: bytes=0-4"))
        assert 500 == reply.status
        assert {b"etag", b"repr-digest", b"content-range", b"accept-ranges"}.isdisjoint(reply.headers)


@pytest_twisted.ensureDeferred
async def test_shrunk(start_site: StartSite, logged_errors: Any) -> None:
    """A file that loses its end while it is sent is never complete for its client."""
    site = await start_site()
    entity = await site.keep(b"/f", bytes(64 << 20))
    path = site.resource.stored.storage.path(entity.sha256)
    client = await connected(site)
    client.get("/f")
    await client.heard(1)
    client.pause()
    os.chmod(path, 0o644)
    os.truncate(path, 1 << 20)
    client.resume()
    got = await client.heard_all()
    assert len(Reply(got).body) < 64 << 20
    assert site.resource.asked == 1


async def connected(site: Served) -> Socket:
    """Connect to *site*."""
    return await Socket.to(site._reactor, site.port)
