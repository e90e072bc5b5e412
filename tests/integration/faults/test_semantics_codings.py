"""Row 40, and B1 of the threats: content codings."""

from __future__ import annotations

import gzip
import time
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred

from tests.integration.faults.conftest import Fetchers
from tests.integration.faults.invariants import Fetcher, quick
from tests.integration.faults.memory import forget_peak, peak
from tests.servers.answers import head
from tests.servers.scripted import Close, Forever, Scripted, Send, cut, ok
from twisted_pulp import Limits
from twisted_pulp.errors import ProtocolError, PulpError, TooLarge, Truncated

TEXT = b"".join(b"line %d\n" % n for n in range(20_000))
CODED = gzip.compress(TEXT)


def coded(body: bytes, *names: bytes) -> tuple[Send, ...]:
    """Answer with *body* and the codings *names*."""
    return ok(body, [(b"Content-Encoding", b", ".join(names))])  # type: ignore[return-value]


def bomb(size: int) -> bytes:
    """Compress *size* zeros, a piece at a time."""
    made = zlib.compressobj(9, wbits=31)
    pieces = [made.compress(bytes(1 << 20)) for _ in range(size >> 20)]
    return b"".join([*pieces, made.flush()])


@pytest.mark.parametrize("name", [b"gzip", b"x-gzip", b"deflate", b"br", b"zstd", b"unheard-of"])
@ensureDeferred
async def test_row_40_stored_as_served(fetcher: Fetcher, scripted: Scripted, name: bytes) -> None:
    """Row 40: an artifact is hashed and stored as it was served, whatever its coding; identity is asked for."""
    scripted.on(b"/file.tar.gz", [coded(CODED, name)])
    report = await fetcher.fetch(scripted.url("/file.tar.gz"), CODED)
    assert report.error is None
    assert len(CODED) == report.size
    assert [b"identity"] == scripted.requests[0].all(b"Accept-Encoding")


@ensureDeferred
async def test_row_40_bomb_as_artifact(fetcher: Fetcher, scripted: Scripted) -> None:
    """Row 40: a bomb that is fetched as an artifact is just its bytes."""
    body = bomb(64 << 20)
    scripted.on(b"/file", [coded(body, b"gzip", b"gzip", b"gzip")])
    report = await fetcher.fetch(scripted.url("/file"), body)
    assert report.error is None


async def _read(fetchers: Fetchers, url: str, limit: int = 64 << 20) -> bytes:
    """Read *url* as metadata."""
    downloader: Any = fetchers().context.downloader(quick(limits=Limits(max_metadata_size=limit)))
    response = await downloader.http.get(url, unbuffered=True)
    try:
        return await response.content()  # type: ignore[no-any-return]
    finally:
        await downloader.close()


_SIX = [b"gzip"] * 6


@pytest.mark.parametrize(
    ("body", "names", "kind"),
    [
        (CODED, [b"gzip"], None),
        (CODED, [b"X-GZIP"], None),
        (CODED, [b"identity", b"gzip"], None),
        (zlib.compress(TEXT), [b"deflate"], None),
        (gzip.compress(gzip.compress(CODED)), [b"gzip"] * 3, None),
        (CODED[:-9], [b"gzip"], Truncated),
        (CODED[:1000] + b"\0" * 100 + CODED[1100:], [b"gzip"], ProtocolError),
        (b"no gzip", [b"gzip"], ProtocolError),
        (CODED, _SIX, ProtocolError),
        (CODED, [b"br"], ProtocolError),
        (bomb(256 << 20), [b"gzip"], TooLarge),
    ],
    ids=["gzip", "x-gzip", "identity", "deflate", "three", "truncated", "broken", "none", "six", "br", "bomb"],
)
@ensureDeferred
async def test_row_40_metadata(
    fetchers: Fetchers, scripted: Scripted, body: bytes, names: list[bytes], kind: type[PulpError] | None
) -> None:
    """Row 40: metadata is decoded, up to five codings; what is broken, truncated, unknown or a bomb is an error."""
    scripted.on(b"/index", [coded(body, *names)])
    forget_peak()
    before = peak()
    if kind is None:
        assert TEXT == await _read(fetchers, scripted.url("/index"))
    else:
        found = None
        try:
            await _read(fetchers, scripted.url("/index"))
        except Exception as error:
            reasons = getattr(error, "reasons", None)
            found = reasons[0].value if reasons else error
        assert isinstance(found, kind)
    assert peak() - before <= 16 << 20


@pytest.mark.parametrize("ratio", [True, False])
@ensureDeferred
async def test_b1_endless_bomb(
    fetchers: Fetchers, scripted: Scripted, ratio: bool, campaign_count: Callable[[int, int], int]
) -> None:
    """B1: a bomb of 10 GiB is refused within a second of work, by its ratio or the size allowed; memory stays."""
    size = campaign_count(1, 10) << 30
    coded_size = bomb(64 << 20)
    pieces = [(b"Content-Encoding", b"gzip"), (b"Content-Length", b"%d" % (len(coded_size) * size // (64 << 20)))]
    scripted.on(b"/index", [(Send(head(200, pieces)), Forever(coded_size, len(coded_size) * size // (64 << 20)))])
    forget_peak()
    before = peak()
    started = time.thread_time()  # of the processor: whoever else uses it does not count
    failed: list[object] = []
    limit = (1 << 40) if ratio else 8 << 20
    d = Deferred.fromCoroutine(_read(fetchers, scripted.url("/index"), limit))
    await d.addErrback(lambda why: failed.append(why.value))
    assert failed
    assert time.thread_time() - started <= 1
    assert peak() - before <= 16 << 20


@pytest.mark.parametrize("framed", ["length", "end", "chunked"])
@ensureDeferred
async def test_b2_unbounded(fetcher: Fetcher, scripted: Scripted, framed: str) -> None:
    """B2: a body that is larger than allowed is stopped there: by its length at once, else at the byte too many."""
    limit = 1 << 20
    heads = {
        "length": head(200, [(b"Content-Length", b"9000000000000000000")]),
        "end": head(200),
        "chunked": head(200, [(b"Transfer-Encoding", b"chunked")]) + b"7fffffffffffffff\r\n",
    }
    scripted.on(b"/file", [(Send(heads[framed]), Forever(b"x" * 65_536, 100 << 20))])
    remote = quick(limits=Limits(max_size=limit))
    report = await fetcher.fetch(scripted.url("/file"), b"", proven=False, remote=remote)
    assert isinstance(report.error, TooLarge)
    assert 1 == len(report.attempts)
    assert report.attempts[0].bytes <= limit + (256 << 10)
    assert scripted.bytes_sent < 12 << 20  # the rest is in the kernel's buffers


@ensureDeferred
async def test_b2_more_than_expected(fetcher: Fetcher, scripted: Scripted) -> None:
    """B2: where a size is expected, not one byte more than a read is taken in."""
    body = b"x" * 100_000
    scripted.on(b"/file", [(Send(head(200)), Forever(b"x" * 65_536, 100 << 20), Close())])
    report = await fetcher.fetch(scripted.url("/file"), body, size=len(body))
    assert report.error is not None
    assert "wrong size" in str(report.error)
    assert max(attempt.bytes for attempt in report.attempts) <= len(body) + (256 << 10)


@pytest.mark.parametrize("says", [10, 10**6])
@ensureDeferred
async def test_b2_lying_length(fetcher: Fetcher, scripted: Scripted, says: int) -> None:
    """B2: a Content-Length that is not the expected size fails before a byte of the body is taken."""
    body = b"x" * 1000
    answer = (Send(head(200, [(b"Content-Length", b"%d" % says)]) + body), Close())
    scripted.on(b"/file", [cut(answer, 1000, Close())])
    report = await fetcher.fetch(scripted.url("/file"), body, size=len(body))
    assert "wrong size" in str(report.error)
    assert {0} == {attempt.bytes for attempt in report.attempts}
