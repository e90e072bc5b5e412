"""Mirrors and other sources, over real connections: each failure goes on elsewhere, and says why."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from pathlib import Path
from typing import Any

from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred, succeed

from tests.servers.answers import Ranged
from tests.servers.fixtures import StartScripted
from tests.servers.scripted import Scripted, Send, cut, ok, ranged, status
from twisted_pulp.context import Context
from twisted_pulp.download import Download, Source
from twisted_pulp.settings import Remote, Retry
from twisted_pulp.transfer import Hooks

BODY = hashlib.shake_256(b"mirrored").digest(400_000)
SHA256 = {"sha256": hashlib.sha256(BODY).hexdigest()}
ONCE = Retry(retries=0)


async def three(start: StartScripted) -> list[Scripted]:
    """Start three servers."""
    return [await start() for _ in range(3)]


@ensureDeferred
async def test_next_at_once(context: Context, start_scripted: StartScripted, tmp_path: Path) -> None:
    """A source that fails is followed by the next at once; the report names each, and why it failed."""
    first, second, third = await three(start_scripted)
    first.on(b"/f", [status(404)])
    second.on(b"/f", [status(503)])
    third.on(b"/f", [ok(BODY)])
    sources = [Source(server.url("/f"), number) for number, server in enumerate((first, second, third), 1)]
    remote = Remote(retry=Retry(base=60.0))
    report = await context.downloader(remote).download(Download(sources, tmp_path / "f", digests=SHA256))
    assert sources == [attempt.source for attempt in report.attempts]
    assert ["NotFound", "HTTPStatusError", "NoneType"] == [type(each.error).__name__ for each in report.attempts]
    assert (third.url("/f"), BODY) == (report.source.url, (tmp_path / "f").read_bytes())  # type: ignore[union-attr]


@ensureDeferred
async def test_in_the_middle(context: Context, start_scripted: StartScripted, tmp_path: Path) -> None:
    """A body that breaks off goes on from the next source, from there on, when a digest is expected."""
    first, second, _ = await three(start_scripted)
    first.on(b"/f", [cut(ok(BODY), 300_000)])
    second.on(b"/f", [Ranged(BODY, etag=b'"other"')])
    sources = [first.url("/f"), second.url("/f")]
    report = await context.downloader().download(Download(sources, tmp_path / "f", digests=SHA256))
    assert (206, BODY) == (report.status, (tmp_path / "f").read_bytes())
    got, rest = (attempt.bytes for attempt in report.attempts)
    assert 0 < got < len(BODY) == got + rest
    assert b"bytes=%d-" % got == second.requests[0].header(b"range")


@ensureDeferred
async def test_own_credentials(context: Context, start_scripted: StartScripted, tmp_path: Path) -> None:
    """Each source gets the secrets of its own Remote, and none of another's or of the download's."""
    first, second, _ = await three(start_scripted)
    first.on(b"/f", [status(404)])
    second.on(b"/f", [ok(BODY)])
    one = Remote(url=first.url(), username="one", password="S3CR3T-1", headers={"X-One": "S3CR3T-2"})
    two = Remote(url=second.url(), username="two", password="S3CR3T-3")
    download = Download(
        [Source(first.url("/f"), 1, one), Source(second.url("/f"), 2, two)],
        tmp_path / "f",
        headers={"X-Mine": "S3CR3T-4", "Accept-Language": "eo"},
    )
    await context.downloader(Remote(headers={"X-All": "S3CR3T-5"})).download(download)
    (asked,), (answered,) = first.requests, second.requests
    assert (b"S3CR3T-4", b"eo") == (asked.header(b"x-mine"), asked.header(b"accept-language"))
    assert (b"S3CR3T-2", True) == (asked.header(b"x-one"), asked.header(b"authorization").startswith(b"Basic "))
    names = {name.lower() for name, _ in answered.headers}
    assert (set(), b"eo") == (names & {b"x-mine", b"x-one", b"x-all"}, answered.header(b"accept-language"))
    assert f"Basic {b64encode(b'two:S3CR3T-3').decode()}".encode() == answered.header(b"authorization")


@ensureDeferred
async def test_mirrors_of_a_remote(context: Context, start_scripted: StartScripted, tmp_path: Path) -> None:
    """A Remote's mirrors have what is below its URL; they get none of its secrets."""
    first, second, third = await three(start_scripted)
    first.on(b"/pub/a/f", [status(500)])
    second.on(b"/m/a/f", [status(500)])
    third.on(b"/a/f", [ok(BODY)])
    remote = Remote(
        url=first.url("/pub/"),
        username="joe",
        password="S3CR3T-1",
        mirrors=(second.url("/m"), third.url("/")),
        retry=ONCE,
    )
    report = await context.downloader(remote).download(first.url("/pub/a/f"), path=tmp_path / "f", digests=SHA256)
    assert (third.url("/a/f"), 3) == (report.source.url, len(report.attempts))  # type: ignore[union-attr]
    assert [True, False, False] == [b"authorization" in names(each) for each in (first, second, third)]


def names(server: Scripted) -> set[bytes]:
    """Return the names of the headers of the only request that *server* got."""
    (request,) = server.requests
    return {name.lower() for name, _ in request.headers}


@ensureDeferred
async def test_list_of_mirrors(context: Context, start_scripted: StartScripted, tmp_path: Path) -> None:
    """A list of mirrors is fetched once for all downloads, with the Remote's secrets where they belong."""
    first, second, _ = await three(start_scripted)
    first.on(b"/mirrors", [ok(b"# ours\n%s\n" % second.url("/m/").encode())])
    second.on(b"/m/1", [ok(BODY)])
    second.on(b"/m/2", [ok(BODY)])
    remote = Remote(url=first.url("/pub/"), mirror_list=first.url("/mirrors"), headers={"X-Key": "S3CR3T"}, retry=ONCE)
    downloads = [Download(first.url(f"/pub/{number}"), tmp_path / str(number), digests=SHA256) for number in (1, 2)]
    reports = [report async for report in context.downloader(remote).download_all(downloads, 2)]
    assert [None, None] == [report.error for report in reports]
    (listed,) = first.asked(b"/mirrors")
    assert b"S3CR3T" == listed.header(b"x-key")


@ensureDeferred
async def test_callable(context: Context, start_scripted: StartScripted, tmp_path: Path) -> None:
    """A plugin writer says where mirrors are, with a callable."""
    first, second, _ = await three(start_scripted)
    second.on(b"/f", [ok(BODY)])

    def mirrors(remote: Remote) -> Deferred[list[str]]:
        return succeed([second.url("/")])

    remote = Remote(url=first.url("/"), mirror_list=mirrors, retry=ONCE)
    report = await context.downloader(remote).download(first.url("/f"), path=tmp_path / "f", digests=SHA256)
    assert second.url("/f") == report.source.url  # type: ignore[union-attr]


@ensureDeferred
async def test_corrupt_mirror(context: Context, start_scripted: StartScripted, tmp_path: Path) -> None:
    """A mirror with wrong bytes is left alone for a while: later downloads begin elsewhere."""
    first, second, _ = await three(start_scripted)
    first.default = lambda request: ok(b"?" * len(BODY))
    second.default = lambda request: ok(BODY)
    remote = Remote(url=first.url("/"), mirrors=(second.url("/"),), retry=Retry(base=0.0))
    downloader = context.downloader(remote)
    for number in range(5):
        await downloader.download(first.url(f"/{number}"), path=tmp_path / str(number), digests=SHA256)
    assert (1, 5) == (len(first.requests), len(second.requests))


@ensureDeferred
async def test_faster_first(context: Context, start_scripted: StartScripted, tmp_path: Path) -> None:
    """Of equals, the one that was faster goes first once both are known."""
    slow, fast, _ = await three(start_scripted)
    slow.default = lambda request: ranged(BODY, delay=0.02)(request) if request.target != b"/0" else status(404)
    fast.default = ranged(BODY)
    remote = Remote(url=slow.url("/"), mirrors=(fast.url("/"),), retry=ONCE)
    downloader = context.downloader(remote)
    for number in range(6):
        await downloader.download(slow.url(f"/{number}"), path=tmp_path / str(number), digests=SHA256)
    assert (2, 5) == (len(slow.requests), len(fast.requests))


@ensureDeferred
async def test_policy(context: Context, start_scripted: StartScripted, tmp_path: Path) -> None:
    """One callable replaces the policy: it sees the sources with their mirrors, and says what is tried, in order."""
    first, second, third = await three(start_scripted)
    for server in (first, second, third):
        server.default = lambda request: ok(BODY)
    seen: list[Any] = []

    def policy(download: Download, sources: tuple[Source, ...]) -> list[Source]:
        seen.append([source.url for source in sources])
        return [source for source in reversed(sources) if source.url != third.url("/f")]

    remote = Remote(url=first.url("/"), mirrors=(second.url("/"), third.url("/")))
    downloader = context.downloader(remote, hooks=Hooks(sources=policy))
    report = await downloader.download(first.url("/f"), path=tmp_path / "f", digests=SHA256)
    assert [[server.url("/f") for server in (first, second, third)]] == seen
    assert second.url("/f") == report.source.url  # type: ignore[union-attr]


@ensureDeferred
async def test_resumed_after_a_stall(context: Context, start_scripted: StartScripted, tmp_path: Path) -> None:
    """A mirror that sends half and falls silent is given up, and the rest comes from the other."""
    from twisted_pulp.settings import Timeouts

    first, second, _ = await three(start_scripted)
    head, body = ok(BODY)
    assert isinstance(body, Send)
    first.on(b"/f", [(head, Send(BODY[:300_000]))])
    second.on(b"/f", [Ranged(BODY)])
    remote = Remote(url=first.url("/"), mirrors=(second.url("/"),), timeouts=Timeouts(idle=0.3))
    report = await context.downloader(remote).download(first.url("/f"), path=tmp_path / "f", digests=SHA256)
    assert ([300_000, 100_000], BODY) == (
        [attempt.bytes for attempt in report.attempts],
        (tmp_path / "f").read_bytes(),
    )
