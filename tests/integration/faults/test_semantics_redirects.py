"""Rows 31 and 32, and L2 of the threats: redirects."""

from __future__ import annotations

import random
from collections.abc import Callable
from urllib.parse import quote

import pytest
from pytest_twisted import ensureDeferred

from tests.integration.faults.conftest import Fetchers
from tests.integration.faults.invariants import Fetcher, quick
from tests.servers.answers import Ranged
from tests.servers.fixtures import StartScripted
from tests.servers.scripted import Forever, Request, Scripted, Send, Steps, cut, ok, status
from tests.servers.tls import Authority
from twisted_pulp import TLS, Limits
from twisted_pulp.errors import RedirectError

BODY = random.Random(5).randbytes(3000)


def to(*locations: str, code: int = 302) -> Steps:
    """Answer with a redirect to *locations*."""
    return status(code, [(b"Location", location.encode()) for location in locations])


@pytest.mark.parametrize("limit", [20, 30, 0])
@ensureDeferred
async def test_row_31_chain(fetcher: Fetcher, scripted: Scripted, limit: int) -> None:
    """Row 31: a chain of as many redirects as allowed is followed; one more fails after limit + 1 requests."""
    scripted.default = lambda request: ok(BODY) if request.path == b"/0" else to(f"/{int(request.path[1:]) - 1}")
    remote = quick(limits=Limits(redirects=limit))
    report = await fetcher.fetch(scripted.url(f"/{limit}"), BODY, remote=remote)
    assert report.error is None
    assert scripted.url("/0") == (report.final_url or "").partition("?")[0]
    del scripted.requests[:]
    report = await fetcher.fetch(scripted.url(f"/{limit + 1}"), BODY, name="other", remote=remote)
    assert isinstance(report.error, RedirectError)
    assert limit + 1 == len(scripted.requests)
    assert 1 == len(report.attempts)


@pytest.mark.parametrize(
    "script",
    [{"/a": "/a"}, {"/a": "/b", "/b": "/a"}, {"/a": "?again"}, {"/a": "#only"}],
    ids=["self", "pair", "query", "fragment"],
)
@ensureDeferred
async def test_row_31_loop(fetcher: Fetcher, scripted: Scripted, script: dict[str, str]) -> None:
    """Row 31: a loop ends at the limit."""
    for path, location in script.items():
        scripted.on(path.encode(), [to(location)])
    report = await fetcher.fetch(scripted.url("/a"), BODY)
    assert isinstance(report.error, RedirectError)
    assert 21 == len(scripted.requests)


@pytest.mark.parametrize(
    "locations",
    [
        ["file:///etc/passwd"],
        ["ftp://127.0.0.1/file"],
        ["gopher://127.0.0.1/"],
        ["data:,hello"],
        ["unix:/run/socket"],
        ["javascript:1"],
        ["//"],
        ["http://"],
        ["http:///file"],
        ["http://127.0.0.1:99999/"],
        ["http://a b/"],
        ["http://[::1/"],
        [""],
        ["   "],
        [],
        ["/one", "/other"],
    ],
    ids=lambda given: "|".join(given) or "none",
)
@ensureDeferred
async def test_row_31_refused(fetcher: Fetcher, scripted: Scripted, locations: list[str]) -> None:
    """Row 31, S3: where a redirect may not lead it is a typed failure, after one request."""
    scripted.on(b"/a", [to(*locations)])
    report = await fetcher.fetch(scripted.url("/a"), BODY)
    assert isinstance(report.error, RedirectError)
    assert 1 == len(scripted.requests)
    assert 1 == len(report.attempts)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("file", b"/dir/file"),
        ("../file", b"/file"),
        ("../../../file", b"/file"),
        ("/file", b"/file"),
        ("?x=1", b"/dir/start?x=1"),
        ("/file#part", b"/file"),
        ("/a b", b"/a%20b"),
        ("/a%20b", b"/a%20b"),
        ("/ü", b"/" + quote("ü").encode()),
        ("/%C3%BC", b"/%C3%BC"),
        (" /file ", b"/file"),
        ("//{host}/file", b"/file"),
        ("http://{host}/file", b"/file"),
        ("HTTP://{host}/file", b"/file"),
        ("http://user:pass@{host}/file", b"/file"),
        ("http://{host}", b"/"),
        ("http://{host}?x", b"/?x"),
    ],
)
@ensureDeferred
async def test_row_31_resolved(fetcher: Fetcher, scripted: Scripted, location: str, target: bytes) -> None:
    """Row 31: a Location is resolved against the URL that sent it, encoded where it must be, and loses its fragment."""
    scripted.on(b"/dir/start", [to(location.format(host=f"127.0.0.1:{scripted.port}")), ok(BODY)])
    scripted.on(target, [ok(BODY)]) if b"start" not in target else None
    report = await fetcher.fetch(scripted.url("/dir/start"), BODY)
    assert report.error is None
    assert target == scripted.requests[-1].target
    assert scripted.requests[-1].header(b"Authorization") is None


@ensureDeferred
async def test_row_31_base_is_each_hop(start_scripted: StartScripted, fetcher: Fetcher) -> None:
    """Row 31: a relative Location of the second server belongs to the second server, not to the first."""
    first, second = await start_scripted(), await start_scripted()
    first.on(b"/start", [to(second.url("/middle"))])
    second.on(b"/middle", [to("/final")])
    second.on(b"/final", [ok(BODY)])
    report = await fetcher.fetch(first.url("/start"), BODY)
    assert report.error is None
    assert second.url("/final") == report.final_url


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
@ensureDeferred
async def test_row_32_method(fetcher: Fetcher, scripted: Scripted, code: int, method: bytes) -> None:
    """Row 32: GET stays GET and HEAD stays HEAD, whatever the redirect."""
    scripted.on(b"/a", [to("/b", code=code) if method == b"GET" else to("/b", code=code)[:1]])
    scripted.on(b"/b", [ok(BODY) if method == b"GET" else ok(BODY)[:1]])
    if method == b"GET":
        report = await fetcher.fetch(scripted.url("/a"), BODY)
    else:
        downloader = fetcher.context.downloader(quick())
        report = await downloader.head(scripted.url("/a"))
        await downloader.close()
    assert report.error is None
    assert len(BODY) == report.size
    assert [method, method] == [request.method for request in scripted.requests]


@pytest.mark.parametrize("code", [300, 304, 305, 306])
@ensureDeferred
async def test_row_32_not_followed(fetcher: Fetcher, scripted: Scripted, code: int) -> None:
    """Row 32: other statuses from 300 on are followed nowhere, and are no file."""
    scripted.on(b"/a", [to("/b", code=code)])
    scripted.on(b"/b", [ok(BODY)])
    report = await fetcher.fetch(scripted.url("/a"), BODY)
    assert report.error is not None
    assert 1 == len(scripted.requests)


@ensureDeferred
async def test_b3_bodies_on_the_way(fetchers: Fetchers, scripted: Scripted) -> None:
    """B3: the body of a redirect is read up to 64 KiB; a longer one loses its connection, and none is left open."""
    large = Forever(b"x" * 65_536)
    scripted.on(b"/small", [status(302, [(b"Location", b"/file")], b"x" * 1000)])
    scripted.on(
        b"/large", [(Send(b"HTTP/1.1 302 Found\r\nLocation: /file\r\nContent-Length: 10000000000\r\n\r\n"), large)]
    )
    scripted.on(b"/file", [ok(BODY)])
    fetcher = fetchers(connections=1)
    for name in ("small", "large"):
        sent = scripted.bytes_sent
        report = await fetcher.fetch(scripted.url(f"/{name}"), BODY, name=name)
        assert report.error is None
        assert scripted.bytes_sent - sent < 8 << 20  # what the kernel's buffers take, not what was read
    assert [0, 0, 0, 1] == [request.connection for request in scripted.requests]


@pytest.mark.parametrize("leads", ["{plain}", "//{plain}", "{secure}"])
@ensureDeferred
async def test_l2_no_downgrade(
    fetcher: Fetcher,
    scripted: Scripted,
    scripted_tls: Scripted,
    tls: Authority,
    leads: str,
    campaign_count: Callable[[int, int], int],
) -> None:
    """L2: https never leads to http, not even by way of https again; http may lead to https."""
    assert campaign_count(1, 1)
    plain, secure = scripted.url("/file"), scripted_tls.url("/middle")
    scripted_tls.on(b"/start", [to(leads.format(plain=plain, secure=secure).replace("//http:", "http:"))])
    scripted_tls.on(b"/middle", [to(plain)])
    scripted.on(b"/file", [ok(BODY)])
    scripted.on(b"/up", [to(scripted_tls.url("/file"))])
    scripted_tls.on(b"/file", [ok(BODY)])
    remote = quick(tls=TLS(ca_cert=str(tls.ca_file)))
    report = await fetcher.fetch(scripted_tls.url("/start"), BODY, remote=remote)
    assert isinstance(report.error, RedirectError)
    assert [] == scripted.requests
    report = await fetcher.fetch(scripted.url("/up"), BODY, name="up", remote=remote)
    assert report.error is None


@ensureDeferred
async def test_c1_headers_stay_at_home(start_scripted: StartScripted, fetcher: Fetcher) -> None:
    """C1: what the user configured is dropped where the origin changes, and does not come back with a redirect back."""
    first, second = await start_scripted(), await start_scripted()
    first.on(b"/start", [to(second.url("/middle"))])
    second.on(b"/middle", [to(first.url("/final"))])
    first.on(b"/final", [ok(BODY)])
    remote = quick(headers={"X-Key": "S3CR3T-key"}, username="u", password="S3CR3T-word")
    report = await fetcher.fetch(first.url("/start"), BODY, remote=remote, headers={"Cookie": "S3CR3T-cookie"})
    assert report.error is None

    def secrets(request: Request) -> list[bytes]:
        return [name for name in (b"X-Key", b"Authorization", b"Cookie") if request.header(name) is not None]

    assert [b"X-Key", b"Authorization", b"Cookie"] == secrets(first.requests[0])
    assert [] == secrets(second.requests[0])
    assert [] == secrets(first.requests[1])


@ensureDeferred
async def test_signed_urls(fetcher: Fetcher, scripted: Scripted) -> None:
    """A redirect to a URL that is good for one request only: each try, and each rest, asks the first URL again."""
    signatures: list[int] = []

    def sign(request: Request) -> Steps:
        signatures.append(len(signatures))
        return to(f"/signed?{signatures[-1]}")

    def once(request: Request) -> Steps:
        if request.target != b"/signed?%d" % signatures[-1] or len(scripted.asked(request.target)) > 1:
            return status(403)
        whole = Ranged(BODY)(request)
        return cut(whole, 1000) if len(signatures) == 1 else whole

    scripted.on(b"/f", [sign])
    scripted.on(b"/signed", [once])
    report = await fetcher.fetch(scripted.url("/f"), BODY)
    assert report.error is None
    assert ([0, 1], 2, 206) == (signatures, len(report.attempts), report.status)
