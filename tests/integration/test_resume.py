"""Nothing that came is fetched twice, and two versions are never spliced."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.task import deferLater

from tests.fakes import Consumer
from tests.servers.corpus import Corpus
from tests.servers.nginx import Nginx
from tests.servers.reactor import IReactor
from tests.servers.scripted import Scripted, cut, ok, ranged, status
from twisted_pulp.context import Context
from twisted_pulp.download import Download
from twisted_pulp.errors import Cancelled, DigestMismatch, PulpError, WriterError
from twisted_pulp.settings import Remote, Retry
from twisted_pulp.transfer import Memory

SIZE = 3 << 20
BODY = hashlib.shake_256(b"one").digest(SIZE)
OTHER = hashlib.shake_256(b"two").digest(SIZE)
SHA256 = hashlib.sha256(BODY).hexdigest()
AT_REST = [(b"Date", b"Tue, 15 Nov 1994 13:00:00 GMT")]
MODIFIED = b"Tue, 15 Nov 1994 12:00:00 GMT"
PATIENT, ONCE = Remote(retry=Retry(base=0)), Remote(retry=Retry(retries=0))


def ranges(server: Scripted) -> list[tuple[bytes | None, bytes | None]]:
    """Return Range and If-Range of each request."""
    return [(request.header(b"Range"), request.header(b"If-Range")) for request in server.requests]


def names(directory: Path) -> list[str]:
    """Return what is in *directory*."""
    return sorted(path.name for path in directory.iterdir())


async def failed(context: Context, download: Download, remote: Remote = ONCE) -> Any:
    """Return the report of a download that fails."""
    try:
        await context.downloader(remote).download(download)
    except PulpError as error:
        return error.report  # type: ignore[attr-defined]
    raise AssertionError("it succeeded")


@pytest.mark.parametrize(
    ("validators", "expected"),
    [
        ({"etag": b'"v1"'}, b'"v1"'),
        ({"etag": None, "last_modified": MODIFIED, "headers": AT_REST}, MODIFIED),
        ({"etag": b'W/"v1"'}, None),
        ({"etag": None}, None),
        ({"etag": None, "last_modified": MODIFIED}, None),
    ],
    ids=["tag", "date", "weak tag", "nothing", "young date"],
)
@pytest.mark.parametrize("size", [100_000, SIZE], ids=["small", "large"])
@ensureDeferred
async def test_retry(
    context: Context, scripted: Scripted, tmp_path: Path, validators: dict[str, Any], expected: bytes | None, size: int
) -> None:
    """A retry asks for the rest with Range and If-Range where a strong validator says of what, else for all."""
    answer = ranged(BODY[:size], **validators)
    scripted.on(b"/f", [cut(answer, 50_000), answer])
    report = await context.downloader(PATIENT).download(scripted.url("/f"), path=tmp_path / "f", size=size)
    assert [(None, None), (b"bytes=50000-" if expected else None, expected)] == ranges(scripted)
    assert BODY[:size] == (tmp_path / "f").read_bytes()
    assert hashlib.sha256(BODY[:size]).hexdigest() == report.digests["sha256"]
    assert size + (0 if expected else 50_000) == sum(attempt.bytes for attempt in report.attempts)
    if expected is None:
        assert [name for name in names(tmp_path) if name != "f"] == []
    for name in names(tmp_path):  # the journal by which the file can be revalidated
        if name != "f":
            (tmp_path / name).unlink()


@ensureDeferred
async def test_many_cuts(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """However often a body is cut, each byte comes once."""
    answer = ranged(BODY)
    scripted.on(b"/f", [cut(answer, 1_000_000), cut(answer, 700_000), cut(answer, 1), answer])
    download = Download(scripted.url("/f"), tmp_path / "f", digests={"sha256": SHA256})
    report = await context.downloader(PATIENT).download(download)
    assert [1_000_000, 700_000, 1, SIZE - 1_700_001] == [attempt.bytes for attempt in report.attempts]
    assert ["f"] == names(tmp_path)


@ensureDeferred
async def test_any_source(context: Context, scripted: Scripted, start_scripted: Any, tmp_path: Path) -> None:
    """When a digest is expected, any source goes on where another broke off."""
    other = await start_scripted()
    scripted.on(b"/f", [cut(ranged(BODY, etag=b'"here"'), 1_000_000)])
    other.on(b"/f", [ranged(BODY, etag=b'"there"')])
    sources = [scripted.url("/f"), other.url("/f")]
    report = await context.downloader(PATIENT).download(sources, path=tmp_path / "f", digests={"sha256": SHA256})
    assert [(b"bytes=1000000-", None)] == ranges(other)
    assert (True, other.url("/f")) == (report.verified, report.source.url)


@ensureDeferred
async def test_other_source_without_digest(context: Context, scripted: Scripted, start_scripted: Any) -> None:
    """Without one, another source begins at 0, even if its tag is the same."""
    other = await start_scripted()
    scripted.on(b"/f", [cut(ranged(OTHER), 1_000_000)])
    other.on(b"/f", [ranged(BODY)])
    memory = Memory()
    await context.downloader(PATIENT).download([scripted.url("/f"), other.url("/f")], writer=memory)
    assert [(None, None)] == ranges(other)
    assert BODY == memory.content


@ensureDeferred
async def test_changed_between_tries(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """A file that changes between two tries comes from the new version alone."""
    scripted.on(b"/f", [cut(ranged(OTHER, etag=b'"v1"'), 1_000_000), ranged(BODY, etag=b'"v2"')])
    await context.downloader(PATIENT).download(scripted.url("/f"), path=tmp_path / "f", digests={"sha256": SHA256})
    assert [(None, None), (b"bytes=1000000-", b'"v1"')] == ranges(scripted)
    assert BODY == (tmp_path / "f").read_bytes()


@pytest.mark.parametrize("headers", [[(b"ETag", b'"v2"')], []], ids=["another tag", "no tag"])
@ensureDeferred
async def test_server_that_ignores_if_range(
    context: Context, scripted: Scripted, tmp_path: Path, headers: list[tuple[bytes, bytes]]
) -> None:
    """A server that sends the rest of another version is found out by its tag, or by the digest."""
    span = b"bytes 1000000-%d/%d" % (SIZE - 1, SIZE)
    wrong = status(206, [(b"Content-Range", span), *headers], BODY[1_000_000:])
    scripted.on(b"/f", [cut(ranged(OTHER), 1_000_000), wrong, ranged(BODY, etag=b'"v2"')])
    report = await context.downloader(PATIENT).download(
        scripted.url("/f"), path=tmp_path / "f", digests={"sha256": SHA256}
    )
    assert (None, None) == ranges(scripted)[2]
    assert (3, BODY) == (len(report.attempts), (tmp_path / "f").read_bytes())


@ensureDeferred
async def test_mismatch_after_resume(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """Bytes that are wrong after a resume are fetched from 0, twice at most."""
    scripted.on(b"/f", [cut(ranged(OTHER), 1_000_000), ranged(OTHER)])
    download = Download(scripted.url("/f"), tmp_path / "f", digests={"sha256": SHA256})
    report = await failed(context, download, PATIENT)
    assert [DigestMismatch] * 3 == [type(attempt.error) for attempt in report.attempts][1:]
    assert [b"bytes=1000000-", None, None] == [asked for asked, _ in ranges(scripted)][1:]
    assert [] == names(tmp_path)


@pytest.mark.parametrize("expected", [{"sha256": SHA256}, None], ids=["digest", "validator"])
@ensureDeferred
async def test_next_run(context: Context, scripted: Scripted, tmp_path: Path, expected: dict[str, str] | None) -> None:
    """Another run goes on from the journal of the one before; the token in a URL may have changed."""
    answer = ranged(BODY)
    scripted.on(b"/f", [cut(answer, 1_000_000), answer])
    report = await failed(context, Download(scripted.url("/f?token=1"), tmp_path / "f", digests=expected))
    assert report.path is None
    assert 2 == len(names(tmp_path))
    assert b"token" not in b"".join(path.read_bytes() for path in tmp_path.iterdir() if "journal" in path.name)
    await context.downloader(ONCE).download(scripted.url("/f?token=2"), path=tmp_path / "f", digests=expected)
    assert (b"bytes=1000000-", b'"v1"') == ranges(scripted)[1]
    assert BODY == (tmp_path / "f").read_bytes()
    if expected is None:
        assert [(True, 304)] == [await again(context, scripted, tmp_path)]
        (tmp_path / ".f.pulp-journal").unlink()
    assert ["f"] == names(tmp_path)


async def again(context: Context, scripted: Scripted, directory: Path) -> tuple[bool, int | None]:
    """Download again; return whether the file was present, and the status."""
    report = await context.downloader(ONCE).download(scripted.url("/f?token=3"), path=directory / "f")
    return report.present, report.status


@pytest.mark.leaves_partials
@ensureDeferred
async def test_revalidated(context: Context, nginx: Nginx, corpus: Corpus, tmp_path: Path) -> None:
    """A finished file that no digest proves is revalidated: 304 makes it present, a change is fetched."""
    file = corpus.file("f", 1 << 20)
    download = Download(nginx.url("/f"), tmp_path / "f")
    for present in (False, True, True):
        report = await context.downloader().download(download)
        assert (present, file.sha256) == (report.present, report.digests["sha256"])
    assert ["200", "304", "304"] == [line.split()[2] for line in nginx.log() if " /f " in line]
    changed = corpus.file("f", body=BODY)
    report = await context.downloader().download(download)
    assert (False, changed.sha256) == (report.present, report.digests["sha256"])
    assert BODY == (tmp_path / "f").read_bytes()


@ensureDeferred
async def test_cancelled_and_resumed(context: Context, scripted: Scripted, reactor: IReactor, tmp_path: Path) -> None:
    """What a cancelled download has is kept, and the next goes on from there."""
    scripted.on(b"/f", [ranged(BODY, delay=0.001), ranged(BODY)])
    download = Download(scripted.url("/f"), tmp_path / "f", digests={"sha256": SHA256})
    downloader = context.downloader()
    running = downloader.download(download)
    while scripted.bytes_sent < 1 << 20:
        await deferLater(reactor, 0.01)
    running.cancel()
    with pytest.raises(Cancelled):
        await running
    report = await downloader.download(download)
    assert 206 == report.status
    assert (BODY, ["f"]) == ((tmp_path / "f").read_bytes(), names(tmp_path))


@ensureDeferred
async def test_shorter_version(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """What an earlier run left of a longer version never stands behind the bytes of a shorter one."""
    scripted.on(b"/f", [cut(ranged(OTHER, etag=b'"v1"'), 2_000_000), ranged(BODY[:1_000_000], etag=b'"v2"')])
    await failed(context, Download(scripted.url("/f"), tmp_path / "f"))
    report = await context.downloader().download(scripted.url("/f"), path=tmp_path / "f", size=1_000_000)
    assert (1_000_000, BODY[:1_000_000]) == (report.size, (tmp_path / "f").read_bytes())
    (tmp_path / ".f.pulp-journal").unlink()


@ensureDeferred
async def test_consumer_goes_on(context: Context, scripted: Scripted) -> None:
    """A consumer that cannot forget gets each byte once, whether the server honours Range or not."""
    scripted.on(b"/f", [cut(ranged(BODY), 1_000_000), cut(ok(BODY, [(b"ETag", b'"v1"')]), 1_500_000), ranged(BODY)])
    consumer = Consumer()
    report = await context.downloader(PATIENT).download(scripted.url("/f"), writer=consumer)
    assert (BODY, SHA256, 3) == (consumer.data, report.digests["sha256"], len(report.attempts))


@ensureDeferred
async def test_consumer_refuses_another_version(context: Context, scripted: Scripted) -> None:
    """Bytes of another version are never added to what it has."""
    scripted.on(b"/f", [cut(ranged(BODY), 1_000_000), ranged(OTHER, etag=b'"v2"')])
    consumer = Consumer()
    report = await failed(context, Download(scripted.url("/f"), writer=consumer), PATIENT)
    assert (WriterError, BODY[:1_000_000]) == (type(report.error), consumer.data)


@ensureDeferred
async def test_memory_starts_again(context: Context, scripted: Scripted) -> None:
    """A writer that can forget starts again where nothing says that the rest is of the same version."""
    scripted.on(b"/f", [cut(ranged(OTHER, etag=None), 1_000_000), ranged(BODY, etag=None)])
    memory = Memory()
    await context.downloader(PATIENT).download(scripted.url("/f"), writer=memory)
    assert BODY == memory.content
