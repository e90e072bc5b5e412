"""Rows 33 to 36: resuming, and servers that make it hard."""

from __future__ import annotations

import random
from collections.abc import Callable
from email.utils import formatdate

import pytest
from pytest_twisted import ensureDeferred

from tests.integration.faults.conftest import Fetchers
from tests.integration.faults.invariants import Fetcher, quick, sha256
from tests.servers.scripted import Answer, Close, Scripted, Send, Steps, chunked, cut, ok, ranged, status
from twisted_pulp import Download, Retry

BODY = random.Random(6).randbytes(400_000)
AT = 300_000  # bytes that the first attempt brings
TAG = (b"ETag", b'"v1"')
PART = b"bytes %d-%d/%d"


def partial(start: int, stop: int, total: int, body: bytes, *more: tuple[bytes, bytes]) -> Steps:
    """Answer 206 with *body*, and say that it is from *start* to *stop* of *total*."""
    return status(206, [(b"Content-Range", PART % (start, stop - 1, total)), TAG, *more], body)


def parts(start: int, stop: int, total: int, body: bytes) -> Steps:
    """Answer 206 with *body* as a list of one range."""
    said = PART % (start, stop - 1, total)
    whole = b"--x\r\nContent-Range: %s\r\n\r\n%s\r\n--x--\r\n" % (said, body)
    return status(206, [(b"Content-Type", b"multipart/byteranges; boundary=x"), TAG], whole)


def as_partial(steps: Steps) -> Steps:
    """Change the status of *steps*, 200, to 206."""
    return tuple(
        Send(step.data.replace(b" 200 OK", b" 206 Partial Content", 1)) for step in steps if isinstance(step, Send)
    )


SIZE = len(BODY)
# The answers after the first, the ranges that are asked for, and the attempts in the end.
_ANSWERS: dict[str, tuple[list[Answer], list[bool]]] = {
    "206 right": ([partial(AT, SIZE, SIZE, BODY[AT:])], [False, True]),
    "206 wrong offset": ([partial(AT - 1, SIZE, SIZE, BODY[AT - 1 :]), ok(BODY)], [False, True, False]),
    "206 from 0": ([partial(0, SIZE, SIZE, BODY), ok(BODY)], [False, True, False]),
    "206 other total": ([partial(AT, SIZE + 1, SIZE + 1, BODY[AT:] + b"x"), ok(BODY)], [False, True, False]),
    "206 too short": ([partial(AT, SIZE - 1, SIZE, BODY[AT:-1]), ok(BODY)], [False, True, False]),
    "206 other tag": (
        [status(206, [(b"Content-Range", PART % (AT, SIZE - 1, SIZE)), (b"ETag", b'"v2"')], BODY[AT:]), ok(BODY)],
        [False, True, False],
    ),
    "206 no range": ([status(206, [TAG], BODY[AT:]), ok(BODY)], [False, True, False]),
    "200": ([ok(BODY)], [False, True]),
    "416 otherwise": ([status(416, [(b"Content-Range", b"bytes */7")]), ok(BODY)], [False, True, False]),
    "416 silent": ([status(416), ok(BODY)], [False, True, False]),
    "multipart": ([parts(AT, SIZE, SIZE, BODY[AT:]), ok(BODY)], [False, True, False]),
}


@pytest.mark.parametrize("proven", [True, False])
@pytest.mark.parametrize("case", _ANSWERS)
@ensureDeferred
async def test_row_33_resume(fetcher: Fetcher, scripted: Scripted, case: str, proven: bool) -> None:
    """Row 33: each answer to a request for the rest is used, or all of the file is asked for; the bytes are exact."""
    answers, ranges = _ANSWERS[case]
    scripted.on(b"/file", [cut(ranged(BODY), AT), *answers])
    report = await fetcher.fetch(scripted.url("/file"), BODY, proven=proven)
    assert report.error is None
    expected = [b"bytes=%d-" % AT if resumed else None for resumed in ranges]
    assert expected == [request.header(b"Range") for request in scripted.requests]
    assert [b'"v1"' if resumed else None for resumed in ranges] == [
        request.header(b"If-Range") for request in scripted.requests
    ]


@ensureDeferred
async def test_row_33_complete_already(fetcher: Fetcher, scripted: Scripted) -> None:
    """Row 33: 416 with the very length that is here means that the file is complete, and it is proven as ever."""
    # Chunked, so that its end was not known: only the last chunk was missing.
    cut_off = chunked(BODY, headers=[TAG], end=False)
    scripted.on(b"/file", [(*cut_off, Close()), status(416, [(b"Content-Range", b"bytes */%d" % SIZE)])])
    report = await fetcher.fetch(scripted.url("/file"), BODY)
    assert report.error is None
    assert [200, 416] == [attempt.status for attempt in report.attempts]


@pytest.mark.parametrize("proven", [True, False])
@ensureDeferred
async def test_row_34_changed_meanwhile(
    fetchers: Fetchers,
    scripted: Scripted,
    rng: random.Random,
    proven: bool,
    campaign_count: Callable[[int, int], int],
) -> None:
    """Row 34: a file that changes between two tries, at any byte, is never a mix of both."""
    fetcher, count = fetchers(), campaign_count(60, 1000)
    dates = [formatdate(10**9 + n, usegmt=True).encode() for n in range(2)]
    sent = (b"Date", formatdate(10**9 + 10**6, usegmt=True).encode())
    bodies = {b"/%d" % n: [rng.randbytes(rng.choice([2000, 300_000]))] for n in range(count)}
    for path, versions in bodies.items():
        size = len(versions[0]) + rng.choice([0, 0, 1, -1])
        versions.append(rng.randbytes(size))
        tags = (b'"v1"', b'"v2"') if rng.random() < 0.5 else (None, None)
        answers = [
            ranged(body, etag=tag, last_modified=None if tag else date, headers=[sent])
            for body, tag, date in zip(versions, tags, dates, strict=True)
        ]
        scripted.on(path, [cut(answers[0], rng.randrange(len(versions[0])), Close()), answers[1]])
    wanted = []
    for path, (_, new) in bodies.items():
        download, _ = fetcher.wanted(scripted.url(path.decode()), new, path.decode()[1:])
        wanted.append((download if proven else Download(download.url, download.path), new))
    reports = await fetcher.many(wanted)  # `check` finds every mix
    assert [None] * count == [report.error for report in reports]
    assert any(request.header(b"If-Range") for request in scripted.requests)


@pytest.mark.parametrize("tag", [None, b'W/"v1"'])
@pytest.mark.parametrize("proven", [True, False])
@ensureDeferred
async def test_row_35_weak_or_none(fetcher: Fetcher, scripted: Scripted, tag: bytes | None, proven: bool) -> None:
    """Row 35: with a weak validator, or none, only a file that a digest will prove is resumed."""
    answer = ranged(BODY, etag=tag)
    scripted.on(b"/file", [cut(answer, AT), answer])
    report = await fetcher.fetch(scripted.url("/file"), BODY, proven=proven)
    assert report.error is None
    second = scripted.requests[1]
    assert (b"bytes=%d-" % AT if proven else None) == second.header(b"Range")
    assert second.header(b"If-Range") is None


@ensureDeferred
async def test_row_35_date_too_fresh(fetcher: Fetcher, scripted: Scripted) -> None:
    """Row 35: a Last-Modified within a minute of the answer is weak: the file may have changed in that second."""
    sent = (b"Date", formatdate(10**9 + 30, usegmt=True).encode())
    answer = ranged(BODY, etag=None, last_modified=formatdate(10**9, usegmt=True).encode(), headers=[sent])
    scripted.on(b"/file", [cut(answer, AT), answer])
    report = await fetcher.fetch(scripted.url("/file"), BODY, proven=False)
    assert report.error is None
    assert [None, None] == [request.header(b"Range") for request in scripted.requests]


@pytest.mark.parametrize("proven", [True, False])
@pytest.mark.parametrize("framed", ["length", "chunked", "more", "less"])
@ensureDeferred
async def test_row_36_lies_about_the_range(fetcher: Fetcher, scripted: Scripted, proven: bool, framed: str) -> None:
    """Row 36: a server that says 206 and sends everything is found out by its length, digest or no digest."""
    said = [(b"Content-Range", PART % (AT, SIZE - 1, SIZE)), TAG]
    lies = {
        "length": status(206, said, BODY),
        "chunked": as_partial(chunked(BODY, headers=said)),
        "more": as_partial(chunked(BODY[AT:] + b"x", headers=said)),
        "less": as_partial(chunked(BODY[AT:-1], headers=said)),
    }
    scripted.on(b"/file", [cut(ranged(BODY), AT), lies[framed], ok(BODY)])
    report = await fetcher.fetch(scripted.url("/file"), BODY, proven=proven)
    assert report.error is None
    assert [None, b"bytes=%d-" % AT, None] == [request.header(b"Range") for request in scripted.requests]


@ensureDeferred
async def test_row_36_other_bytes(fetcher: Fetcher, scripted: Scripted) -> None:
    """Row 36: a range with other bytes than asked for is a digest that disagrees, and all of it is asked for again."""
    wrong = partial(AT, SIZE, SIZE, BODY[: SIZE - AT])
    scripted.on(b"/file", [cut(ranged(BODY), AT), wrong, ok(BODY)])
    report = await fetcher.fetch(scripted.url("/file"), BODY)
    assert report.error is None
    assert [None, b"bytes=%d-" % AT, None] == [request.header(b"Range") for request in scripted.requests]


@ensureDeferred
async def test_row_33_across_runs(fetchers: Fetchers, scripted: Scripted) -> None:
    """Row 33: a later run, with a Context of its own, resumes what an earlier one left, by its journal."""
    scripted.on(b"/file", [cut(ranged(BODY), AT), ranged(BODY)])
    once = quick(retry=Retry(retries=0))
    report = await fetchers().fetch(scripted.url("/file"), BODY, remote=once, keep=True)
    assert report.error is not None
    report = await fetchers().fetch(scripted.url("/file"), BODY, remote=once)
    assert report.error is None
    assert sha256(BODY) == report.digests["sha256"]
    assert [None, b"bytes=%d-" % AT] == [request.header(b"Range") for request in scripted.requests]
