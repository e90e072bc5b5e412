"""Artifacts that are not here yet, served by one transfer each."""

from __future__ import annotations

import hashlib

import pytest
from attrs import evolve
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from tests.integration.cold_site import QUICK, ColdSite, Got, cold
from tests.servers.scripted import Scripted, Send, Until, chunked, ok, ranged
from twisted_pulp.download import Source
from twisted_pulp.streamer._ahead import Far

__all__ = ["cold"]

BODY = hashlib.shake_256(b"cold").digest(3 << 20)
SHA256 = {"sha256": hashlib.sha256(BODY).hexdigest()}


@pytest.mark.parametrize("policy", ["on_demand", "streamed"])
@pytest.mark.parametrize("size", [0, 1, 1024, 300 << 10, 512 << 10, 1 << 20, 3 << 20])
@ensureDeferred
async def test_get(cold: ColdSite, scripted: Scripted, size: int, policy: str) -> None:
    """An artifact of any size comes whole with its headers, and is an artifact afterwards unless it is streamed."""
    body = BODY[:size]
    sha256 = hashlib.sha256(body).hexdigest()
    scripted.on(b"/f", [ok(body)])
    cold.offer("/f", Source(scripted.url("/f")), size=size, digests={"sha256": sha256}, policy=policy)
    got = await cold.get("/f")
    assert (200, True, f'"{sha256}"') == (got.status, got.whole, got.headers["etag"])
    assert body == got.body
    kept = [sha256] if policy == "on_demand" else []
    await cold.landed()
    assert kept == [report.digests["sha256"] for report in cold.kept]
    assert set(kept) == await cold.storage.has([sha256])


@pytest.mark.parametrize("policy", ["on_demand", "streamed"])
@pytest.mark.parametrize("asked", ["0-99", "1000-1999", "-500", "3000000-", "0-", "1000-1099,2000-2099", "-1,0-0"])
@ensureDeferred
async def test_range(cold: ColdSite, scripted: Scripted, asked: str, policy: str) -> None:
    """Every form of Range is answered from the one transfer as from an artifact that is here."""
    scripted.on(b"/f", [ok(BODY)])
    cold.offer("/f", Source(scripted.url("/f")), size=len(BODY), digests=SHA256, policy=policy)
    got = await cold.get("/f", f"Range: bytes={asked}")
    if asked == "-1,0-0" and policy == "streamed":
        assert (200, BODY) == (got.status, got.body)
        return
    assert (206, True) == (got.status, got.whole)
    spans = [_span(each) for each in asked.split(",")]
    if len(spans) == 1:
        assert BODY[spans[0]] == got.body
    for span in spans:
        assert BODY[span] in got.body
    assert 1 == len(scripted.requests)


def _span(text: str) -> slice:
    first, _, last = text.partition("-")
    return slice(-int(last), None) if not first else slice(int(first), int(last) + 1 if last else None)


@ensureDeferred
async def test_unknown_size(cold: ColdSite, scripted: Scripted) -> None:
    """Of an artifact of which nothing is known, what the upstream says is passed on, and its length proves it."""
    scripted.on(b"/f", [ok(BODY, [(b"Content-Type", b"text/x-test"), (b"Set-Cookie", b"a=b"), (b"X-Other", b"1")])])
    cold.offer("/f", Source(scripted.url("/f")))
    got = await cold.get("/f")
    assert (200, True, "text/x-test") == (got.status, got.whole, got.headers["content-type"])
    assert BODY == got.body
    assert {"set-cookie", "x-other"}.isdisjoint(got.headers)
    await cold.landed()
    assert [False] == [report.verified for report in cold.kept]


@pytest.mark.parametrize("size", [1024, 3 << 20])
@ensureDeferred
async def test_chunked(cold: ColdSite, scripted: Scripted, size: int) -> None:
    """An artifact of unknown length comes whole; a small one then has a length."""
    scripted.on(b"/f", [chunked(BODY[:size])])
    cold.offer("/f", Source(scripted.url("/f")))
    got = await cold.get("/f")
    assert (200, True) == (got.status, got.whole)
    assert BODY[:size] == got.body
    assert (size == 1024) == ("content-length" in got.headers)


@pytest.mark.parametrize("knows", [True, False])
@ensureDeferred
async def test_far_ahead(cold: ColdSite, scripted: Scripted, knows: bool) -> None:
    """
    Parts far ahead come by requests of their own, with the same credentials, while the transfer brings the rest; an
    upstream that knows no ranges is not asked for others, and they are waited for.
    """
    cold.flights.far = Far(least=1 << 20, seconds=0)
    rest = Deferred[None]()
    head, _ = ok(BODY, [(b"ETag", b'"v"')])
    later = ranged(BODY, etag=b'"v"') if knows else ok(BODY)
    scripted.on(b"/f", [(head, Send(BODY[:1000]), Until(rest), Send(BODY[1000:])), later])
    remote = evolve(QUICK, url=scripted.url("/"), username="u", password="p")
    cold.offer("/f", Source(scripted.url("/f")), remote=remote, size=len(BODY), digests=SHA256)
    whole = await cold.client("/f")
    await whole.heard(1000)
    texts = "-500000", "1500000-1999999", "1400000-1400999"
    clients = [await cold.client("/f", f"Range: bytes={text}") for text in texts[:1]]
    while len(scripted.requests) < 2 or next(iter(cold.flights._all)).ahead._asking:
        await deferLater(cold.reactor, 0.01)
    clients += [await cold.client("/f", f"Range: bytes={text}") for text in texts[1:]]
    for client, size in zip(clients if knows else [], (499_999, 499_999, 999), strict=knows):
        while len(Got.of(bytes(client.received)).body) < size:
            await client.heard(len(client.received) + 1)
    rest.callback(None)
    for client, span in zip(
        clients, (slice(-500_000, None), slice(1_500_000, 2_000_000), slice(1_400_000, 1_401_000)), strict=True
    ):
        got = Got.of(await client.heard_all())
        assert (206, True, BODY[span]) == (got.status, got.whole, got.body)
    assert BODY == Got.of(await whole.heard_all()).body
    asked = [dict(each.headers) for each in scripted.requests]
    assert [b"bytes=2645728-3145727", b"bytes=1500000-1999999", b"bytes=1400000-1400999"][: 3 if knows else 1] == [
        each[b"Range"] for each in asked[1:]
    ]
    assert {b"Basic dTpw"} == {each[b"Authorization"] for each in asked}
    await cold.landed()
    assert {SHA256["sha256"]} == await cold.storage.has([SHA256["sha256"]])
