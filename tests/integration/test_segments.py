"""Large files in several ranges at once, and pieces that are fetched again."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.task import deferLater

from tests.forked import environment
from tests.servers.corpus import Corpus
from tests.servers.fixtures import StartNginx, StartScripted
from tests.servers.reactor import IReactor
from tests.servers.scripted import Answer, Scripted, cut, ok, ranged, status
from twisted_pulp.context import Context
from twisted_pulp.download import Download, Pieces
from twisted_pulp.errors import Cancelled, DigestMismatch, PulpError
from twisted_pulp.settings import Limits, Remote, Retry

KIB, MIB = 1 << 10, 1 << 20
SIZE = 4 * MIB
BODY = hashlib.shake_256(b"one").digest(SIZE)
SHA256 = hashlib.sha256(BODY).hexdigest()
SEVERAL = Remote(limits=Limits(segments=4, segment_size=256 * KIB), retry=Retry(base=0))
ONE = Remote(retry=Retry(base=0))
SLOW = 0.002  # seconds for each 16 KiB: 8 MiB/s at most
PIECE = SIZE // 16
PIECES = Pieces(PIECE, "sha256", [hashlib.sha256(BODY[at : at + PIECE]).hexdigest() for at in range(0, SIZE, PIECE)])


def spans(server: Scripted) -> list[bytes | None]:
    """Return the ranges that were asked for."""
    return [request.header(b"Range") for request in server.requests]


def names(directory: Path) -> list[str]:
    """Return what is in *directory*."""
    return sorted(path.name for path in directory.iterdir())


def damaged(number: int) -> bytes:
    """Return the body with one wrong byte in the piece with *number*."""
    at = number * PIECE + 7
    return BODY[:at] + bytes([BODY[at] ^ 1]) + BODY[at + 1 :]


async def failed(context: Context, download: Download, remote: Remote) -> Any:
    """Return the report of a download that fails."""
    with pytest.raises(PulpError) as caught:
        await context.downloader(remote).download(download)
    return caught.value.report  # type: ignore[attr-defined]


@ensureDeferred
async def test_several_at_once(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """Ranges are fetched side by side, each byte once, and the report names each request."""
    scripted.on(b"/f", [ranged(BODY, delay=SLOW)])
    download = Download(scripted.url("/f"), tmp_path / "f", digests={"sha256": SHA256})
    report = await context.downloader(SEVERAL).download(download)
    assert (BODY, True, scripted.url("/f")) == ((tmp_path / "f").read_bytes(), report.verified, report.source.url)
    assert [None, b"bytes=2"] == [span and span[:7] for span in spans(scripted)[:2]]
    assert {b'"v1"'} == {request.header(b"If-Range") for request in scripted.requests[1:]}
    assert [200, 206] == [attempt.status for attempt in report.attempts[:2]]
    assert scripted.high_water >= 2
    assert ["f"] == names(tmp_path)


@ensureDeferred
async def test_small_file(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """A file that is smaller than two segments comes in one request."""
    scripted.on(b"/f", [ranged(BODY[: 500 * KIB])])
    await context.downloader(SEVERAL).download(scripted.url("/f"), path=tmp_path / "f", digests={})
    assert [None] == spans(scripted)
    (tmp_path / ".f.pulp-journal").unlink()


@pytest.mark.parametrize(
    "answer",
    [ok(BODY), ok(BODY, [(b"ETag", b'"v1"')]), ranged(BODY, etag=b'W/"v1"'), ranged(BODY, etag=None)],
    ids=["nothing", "no ranges", "weak", "no tag"],
)
@ensureDeferred
async def test_no_strong_validator(context: Context, scripted: Scripted, tmp_path: Path, answer: Answer) -> None:
    """Without Accept-Ranges and a strong validator there is one request."""
    scripted.on(b"/f", [answer])
    await context.downloader(SEVERAL).download(scripted.url("/f"), path=tmp_path / "f", digests={"sha256": SHA256})
    assert [None] == spans(scripted)


@pytest.mark.parametrize(
    "refusal",
    [ranged(BODY, etag=b'"v2"'), ok(BODY), status(416, [(b"Content-Range", b"bytes */4194304")])],
    ids=["changed", "200", "416"],
)
@ensureDeferred
async def test_one_stream_after_all(context: Context, scripted: Scripted, tmp_path: Path, refusal: Answer) -> None:
    """Where a range is refused, the first stream brings all of the file."""
    scripted.on(b"/f", [ranged(BODY, delay=SLOW), refusal])
    download = Download(scripted.url("/f"), tmp_path / "f", digests={"sha256": SHA256})
    report = await context.downloader(SEVERAL).download(download)
    assert 2 == len(scripted.requests)
    assert (BODY, SIZE) == ((tmp_path / "f").read_bytes(), report.attempts[0].bytes)


@ensureDeferred
async def test_failed_range(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """A range that breaks off is gone on with, and the others with it."""
    answer = ranged(BODY, delay=SLOW)
    scripted.on(b"/f", [answer, cut(answer, 100_000), answer])
    download = Download(scripted.url("/f"), tmp_path / "f", digests={"sha256": SHA256})
    report = await context.downloader(SEVERAL).download(download)
    assert (BODY, 100_000) == ((tmp_path / "f").read_bytes(), report.attempts[1].bytes)
    assert report.attempts[1].error is not None
    assert b"bytes=%d" % (int(spans(scripted)[1][6:].split(b"-")[0]) + 100_000) in spans(scripted)[2]  # type: ignore[index,operator]


@ensureDeferred
async def test_too_many_connections(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """A server that wants one connection only is not asked for ever, and the file comes."""
    scripted.on(b"/f", [ranged(BODY, delay=SLOW), status(503)])
    download = Download(scripted.url("/f"), tmp_path / "f", digests={"sha256": SHA256})
    report = await context.downloader(SEVERAL).download(download)
    assert BODY == (tmp_path / "f").read_bytes()
    assert [200, 503] == [attempt.status for attempt in report.attempts]


@ensureDeferred
async def test_all_fail(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """When every range has failed it is one failure, and another run fetches what is missing only."""
    answer = ranged(BODY)
    scripted.on(b"/f", [cut(answer, 400_000), cut(answer, 300_000), status(404)])
    download = Download(scripted.url("/f"), tmp_path / "f", digests={"sha256": SHA256})
    report = await failed(context, download, Remote(limits=SEVERAL.limits, retry=Retry(retries=0)))
    assert isinstance(report.error, PulpError)
    journal = msgspec.json.decode((tmp_path / ".f.pulp-journal").read_bytes())
    there = journal["ranges"]
    assert 2 == len(there)
    scripted.requests.clear()
    scripted.on(b"/f", [answer])
    await context.downloader(SEVERAL).download(download)
    asked = [tuple(map(int, (span or b"")[6:].split(b"-"))) for span in spans(scripted)]
    assert [] == [(first, last) for first, last in asked for start, end in there if first < end and start <= last]
    assert (BODY, ["f"]) == ((tmp_path / "f").read_bytes(), names(tmp_path))
    assert b"bytes=%d-%d" % (there[0][1], there[1][0] - 1) == spans(scripted)[0]


@ensureDeferred
async def test_one_stream_goes_on(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """One stream goes on behind the first range of a journal, and several behind what one stream left."""
    answer = ranged(BODY)
    scripted.on(b"/f", [cut(answer, 400_000), cut(answer, 300_000), status(404)])
    download = Download(scripted.url("/f"), tmp_path / "f", digests={"sha256": SHA256})
    await failed(context, download, Remote(limits=SEVERAL.limits, retry=Retry(retries=0)))
    done = msgspec.json.decode((tmp_path / ".f.pulp-journal").read_bytes())["ranges"][0][1]
    scripted.on(b"/f", [cut(answer, 1_000_000), ranged(BODY, delay=SLOW)])
    scripted.requests.clear()
    await failed(context, download, Remote(retry=Retry(retries=0)))
    await context.downloader(SEVERAL).download(download)
    assert [b"bytes=%d-" % done, b"bytes=%d-" % (done + 1_000_000)] == spans(scripted)[:2]
    assert len(scripted.requests) > 2
    assert (BODY, ["f"]) == ((tmp_path / "f").read_bytes(), names(tmp_path))


@ensureDeferred
async def test_mirrors(context: Context, scripted: Scripted, start_scripted: StartScripted, tmp_path: Path) -> None:
    """With size and digest expected, ranges come from several sources."""
    other = await start_scripted()
    scripted.on(b"/f", [ranged(BODY, etag=b'"here"', delay=SLOW)])
    other.on(b"/g", [ranged(BODY, etag=b'"there"', delay=SLOW)])
    sources = [scripted.url("/f"), other.url("/g")]
    download = Download(sources, tmp_path / "f", size=SIZE, digests={"sha256": SHA256})
    report = await context.downloader(SEVERAL).download(download)
    assert (BODY, scripted.url("/f")) == ((tmp_path / "f").read_bytes(), report.source.url)
    assert {*sources} == {attempt.source.url for attempt in report.attempts}
    assert {None, b'"there"'} >= {request.header(b"If-Range") for request in other.requests}


@ensureDeferred
async def test_cancelled(context: Context, scripted: Scripted, reactor: IReactor, tmp_path: Path) -> None:
    """To cancel gives everything back at once, and keeps what came."""
    scripted.on(b"/f", [ranged(BODY, delay=0.01)])
    download = Download(scripted.url("/f"), tmp_path / "f", digests={"sha256": SHA256})
    running = context.downloader(SEVERAL).download(download)
    while scripted.bytes_sent < MIB // 2:
        await deferLater(reactor, 0.01)
    running.cancel()
    with pytest.raises(Cancelled):
        await running
    assert len(msgspec.json.decode((tmp_path / ".f.pulp-journal").read_bytes())["ranges"]) >= 2
    scripted.on(b"/f", [ranged(BODY)])
    await context.downloader(SEVERAL).download(download)
    assert (BODY, ["f"]) == ((tmp_path / "f").read_bytes(), names(tmp_path))


@pytest.mark.parametrize("remote", [ONE, SEVERAL], ids=["one stream", "several"])
@ensureDeferred
async def test_bad_piece(
    context: Context, scripted: Scripted, start_scripted: StartScripted, tmp_path: Path, remote: Remote
) -> None:
    """Only a piece that is damaged at one source is fetched again, from the other."""
    other = await start_scripted()
    scripted.on(b"/f", [ranged(damaged(5))])
    other.on(b"/f", [ranged(BODY)])
    sources = [scripted.url("/f"), other.url("/f")]
    download = Download(sources, tmp_path / "f", digests={"sha256": SHA256}, pieces=PIECES)
    report = await context.downloader(remote).download(download)
    assert (BODY, ["f"]) == ((tmp_path / "f").read_bytes(), names(tmp_path))
    assert [b"bytes=%d-%d" % (5 * PIECE, 6 * PIECE - 1)] == spans(other)
    assert PIECE == report.attempts[-1].bytes
    if remote is ONE:
        assert [None] == spans(scripted)
        assert SIZE + PIECE == sum(attempt.bytes for attempt in report.attempts)


@ensureDeferred
async def test_bad_piece_same_source(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """Where there is one source only, it gets another chance for the piece."""
    scripted.on(b"/f", [ranged(damaged(15)), ranged(BODY)])
    await context.downloader(ONE).download(
        scripted.url("/f"), path=tmp_path / "f", pieces=PIECES, digests={"sha256": SHA256}
    )
    assert [None, b"bytes=%d-%d" % (15 * PIECE, SIZE - 1)] == spans(scripted)
    assert BODY == (tmp_path / "f").read_bytes()


@ensureDeferred
async def test_bad_piece_everywhere(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """A piece is fetched again once from each source; then the file is wrong."""
    scripted.on(b"/f", [ranged(damaged(3))])
    download = Download(scripted.url("/f"), tmp_path / "f", digests={"sha256": SHA256}, pieces=PIECES)
    report = await failed(context, download, ONE)
    assert isinstance(report.error, DigestMismatch)
    assert "piece 4 of 16" in str(report.error)
    assert [None, b"bytes=%d-%d" % (3 * PIECE, 4 * PIECE - 1), None] == spans(scripted)
    assert [] == names(tmp_path)


@ensureDeferred
async def test_no_ranges_for_a_piece(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """A source that sends no ranges sends everything again."""
    scripted.on(b"/f", [ok(damaged(3)), ok(BODY)])
    download = Download(scripted.url("/f"), tmp_path / "f", digests={"sha256": SHA256}, pieces=PIECES)
    report = await context.downloader(ONE).download(download)
    assert BODY == (tmp_path / "f").read_bytes()
    assert [None, b"bytes=%d-%d" % (3 * PIECE, 4 * PIECE - 1), None] == spans(scripted)
    assert isinstance(report.attempts[0].error or report.attempts[1].error, PulpError)


@ensureDeferred
async def test_good_pieces_wrong_file(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """Good pieces do not make a wrong digest right."""
    scripted.on(b"/f", [ranged(BODY)])
    download = Download(scripted.url("/f"), tmp_path / "f", digests={"sha256": "0" * 64}, pieces=PIECES)
    report = await failed(context, download, ONE)
    assert (DigestMismatch, [None, None]) == (type(report.error), spans(scripted))


@pytest.mark.parametrize(
    ("size", "rate", "aim"),
    [(36, 6, 0.5), pytest.param(400, 20, 0.32, marks=pytest.mark.campaign)],
    ids=["small", "full"],
)
@pytest.mark.limit(120)
@ensureDeferred
async def test_throttled(
    context: Context, corpus: Corpus, start_nginx: StartNginx, tmp_path: Path, size: int, rate: int, aim: float
) -> None:
    """From a server that limits each connection a file comes faster in four ranges than in one."""
    file = corpus.file("f", size * MIB)
    nginx = await start_nginx(corpus.root, lines=[f"limit_rate {rate}m;"])
    seconds = []
    for segments in (1, 4):
        download = Download(nginx.url("/f"), tmp_path / "f", digests={"sha256": file.sha256})
        began = time.monotonic()
        await context.downloader(Remote(limits=Limits(segments=segments))).download(download)
        seconds.append(time.monotonic() - began)
        (tmp_path / "f").unlink()
    assert seconds[1] < aim * seconds[0]


_KILLED = """
import sys
from twisted.internet.task import react
from twisted.internet.defer import Deferred
from twisted_pulp import Context, Limits, Remote

async def main(reactor):
    downloader = Context(reactor).downloader(Remote(limits=Limits(segments=4, segment_size=1 << 20)))
    await downloader.download(sys.argv[1], path=sys.argv[2], digests={"sha256": sys.argv[3]})

react(lambda reactor: Deferred.fromCoroutine(main(reactor)))
"""


@ensureDeferred
async def test_killed(
    context: Context, corpus: Corpus, start_nginx: StartNginx, reactor: IReactor, tmp_path: Path
) -> None:
    """After kill -9 only the gaps are fetched."""
    file = corpus.file("f", 32 * MIB)
    nginx = await start_nginx(corpus.root, lines=["limit_rate 9m;"])
    arguments = [sys.executable, "-c", _KILLED, nginx.url("/f"), str(tmp_path / "f"), file.sha256]
    process = subprocess.Popen(arguments, cwd=tmp_path, env=environment())
    journal = tmp_path / ".f.pulp-journal"
    try:
        for _ in range(1500):
            if journal.exists():
                break
            assert process.poll() is None
            await deferLater(reactor, 0.01)
        await deferLater(reactor, 0.1)
    finally:
        process.kill()
        process.wait()
    there = msgspec.json.decode(journal.read_bytes())["ranges"]
    assert len(there) > 1
    remote = Remote(limits=Limits(segments=2, segment_size=64 * MIB))
    report = await context.downloader(remote).download(
        nginx.url("/f"), path=tmp_path / "f", digests={"sha256": file.sha256}
    )
    missing = file.size - sum(end - start for start, end in there)
    assert missing == sum(attempt.bytes for attempt in report.attempts)
    assert {206} == {attempt.status for attempt in report.attempts}
    assert (file.body, ["corpus", "f"]) == ((tmp_path / "f").read_bytes(), names(tmp_path))
