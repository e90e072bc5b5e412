"""Bodies that are too much: refused soon, in bounded memory, and heard of by who sent them."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from tests.integration.api_site import Site, StartAPI, parsed, start_api
from tests.servers.client import Socket

__all__ = ["start_api"]

MIB = 1 << 20


def resident() -> int:
    """Return the bytes of memory that this process has."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def pieces(size: int) -> Iterator[bytes]:
    """Give the pieces of a document of *size* bytes, which is one long text."""
    yield b'{"items": "'
    piece = b"a" * (MIB // 4)
    for _ in range(size // len(piece)):
        yield piece
    yield b'"}'


class Sender:
    """A client in a thread, which sends until it is done or nobody takes it, and then reads."""

    def __init__(self, port: int, head: bytes, body: Callable[[], Iterator[bytes]], chunked: bool) -> None:
        self._port, self._head, self._body, self._chunked = port, head, body, chunked
        self.sent = 0
        self.answer = b""
        self.seconds = 0.0
        self.thread = Thread(target=self._run)

    def _run(self) -> None:
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", self._port), 30) as client:
            client.sendall(self._head)
            try:
                for piece in self._body():
                    client.sendall(b"%x\r\n%s\r\n" % (len(piece), piece) if self._chunked else piece)
                    self.sent += len(piece)
                if self._chunked:
                    client.sendall(b"0\r\n\r\n")
            except OSError:
                pass
            try:
                while piece := client.recv(65536):
                    self.answer += piece
                    self.seconds = self.seconds or time.monotonic() - began
            except OSError:
                pass


async def send(site: Site, body: Callable[[], Iterator[bytes]], length: int | None, **headers: str) -> Sender:
    """Send a body that comes in pieces, and return the client when it is done."""
    said = {"Content_Length": str(length)} if length is not None else {"Transfer_Encoding": "chunked"}
    head = site.request(
        "POST", "/downloads", **{"token": site.token, "Content_Type": "application/json", **said, **headers}
    )
    sender = Sender(site.port, head, body, length is None)
    sender.thread.start()
    while sender.thread.is_alive():
        await deferLater(site.reactor, 0.01)
    sender.thread.join()
    return sender


@pytest.mark.parametrize("said", [True, False], ids=["length", "chunks"])
@pytest_twisted.ensureDeferred
async def test_gigabyte(start_api: StartAPI, said: bool) -> None:
    """A body of a GiB is refused, whether its length was said or not; who sends it hears why, and memory stays."""
    site = await start_api()
    await site.ask("GET", "/status")
    before = resident()
    size = 1 << 30
    sender = await send(site, lambda: pieces(size), size + 13 if said else None)
    reply = parsed(sender.answer)
    assert (413, "application/problem+json") == (reply.status, reply.headers["content-type"])
    assert sender.sent < 64 * MIB
    assert resident() - before < 32 * MIB
    assert [] == (await site.ask("GET", "/jobs")).document["items"]


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"a":' * 100_000, b'{"items":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}"],
    ids=["lists", "objects", "closed"],
)
@pytest_twisted.ensureDeferred
async def test_deep(start_api: StartAPI, body: bytes) -> None:
    """A document that is nested too deep is refused while it arrives."""
    site = await start_api()
    reply = await site.ask("POST", "/downloads", body)
    assert (422, "The document is nested more than 32 deep.") == (reply.status, reply.document["detail"])


@pytest_twisted.ensureDeferred
async def test_many(start_api: StartAPI) -> None:
    """A million URLs in one document are refused: as too many bytes, or, where those are taken, as too many items."""
    site = await start_api(limits={"body": 64 * MIB})
    await site.ask("GET", "/status")
    body = b'{"items":[' + b",".join([b'{"url":"http://e.org/a"}'] * 1_000_000) + b"]}"
    reply = await site.ask("POST", "/downloads", body)
    assert (413, "urn:pulpdownloader:too_many_items") == (reply.status, reply.document["type"])
    other = await (await start_api()).ask("POST", "/downloads", body)
    assert 413 == other.status


@pytest_twisted.ensureDeferred
async def test_most(start_api: StartAPI) -> None:
    """As many items as are allowed are taken, and one more is not."""
    site = await start_api(limits={"items": 300})
    items = [{"url": f"https://example.org/{number}"} for number in range(301)]
    assert 202 == (await site.ask("POST", "/downloads", {"items": items[:300]})).status
    assert 413 == (await site.ask("POST", "/downloads", {"items": items})).status


@pytest_twisted.ensureDeferred
async def test_strangers(start_api: StartAPI) -> None:
    """Somebody without a token is not listened to: little is read of what they send, and they hear 401."""
    site = await start_api()
    for headers in ({"token": ""}, {"token": "", "Content_Type": "application/jsonl"}):
        sender = await send(
            site, lambda: pieces(256 * MIB), 256 * MIB + 13 if "Content_Type" in headers else None, **headers
        )
        assert 401 == parsed(sender.answer).status
        assert sender.sent < 64 * MIB


@pytest_twisted.ensureDeferred
async def test_expectation(start_api: StartAPI) -> None:
    """Who asks before sending hears 100 when the body is wanted, and why it is not otherwise."""
    site = await start_api()
    body = json.dumps({"items": [{"url": "https://example.org/a"}]}).encode()
    for token, length, wanted in (
        (site.token, len(body), b"100 Continue"),
        (site.token, 9 * MIB, b"413"),
        ("", 9, b""),
    ):
        client = await Socket.to(site.reactor, site.port)
        client.send(
            site.request(
                "POST",
                "/downloads",
                token=token,
                Content_Type="application/json",
                Content_Length=str(length),
                Expect="100-continue",
            )
        )
        if wanted == b"100 Continue":
            while b"100 Continue\r\n\r\n" not in client.received:
                await deferLater(site.reactor, 0.01)
            client.send(body)
            assert b"HTTP/1.1 202" in await client.heard_all()
        elif wanted:
            assert (await client.heard_all()).startswith(b"HTTP/1.1 413")
        await client.leave()


@pytest_twisted.ensureDeferred
async def test_slow(start_api: StartAPI) -> None:
    """A body that comes in drops is cut off, and others are answered meanwhile."""
    site = await start_api(body_time=0.5)
    client = await Socket.to(site.reactor, site.port)
    client.send(
        site.request("POST", "/downloads", token=site.token, Content_Type="application/json", Content_Length="99")
    )
    while client.ended is None:
        client.send(b"[")
        assert 200 == (await site.ask("GET", "/health")).status
        await deferLater(site.reactor, 0.05)
    await client.leave()


class Slow:
    """Jobs that take nothing before they are told to."""

    def __init__(self, jobs: Any) -> None:
        self._jobs = jobs
        self.asked: Deferred[None] = Deferred()
        self.told: Deferred[None] = Deferred()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._jobs, name)

    def draft(self, *args: Any, **given: Any) -> Deferred[Any]:
        self.asked.callback(None)
        return self.told.addCallback(lambda _: self._jobs.draft(*args, **given))


@pytest_twisted.ensureDeferred
async def test_backpressure(start_api: StartAPI) -> None:
    """Lines are not read faster than they are kept: while the catalog is slow, the client waits."""
    site = await start_api(queued=1)
    jobs = site.running.jobs = Slow(site.running.jobs)
    head = site.request(
        "POST", "/downloads", token=site.token, Content_Type="application/jsonl", Transfer_Encoding="chunked"
    )
    piece = b"".join(b'{"url":"https://example.org/%08d"}\n' % number for number in range(5000))
    sender = Sender(site.port, head, lambda: (piece for _ in range(200)), True)
    sender.thread.start()
    await jobs.asked
    before = -1
    while before != sender.sent:  # what the sockets hold
        before = sender.sent
        await deferLater(site.reactor, 0.3)
    assert sender.thread.is_alive()
    assert sender.sent < 16 * MIB < 200 * len(piece)
    jobs.told.callback(None)
    while sender.thread.is_alive():
        await deferLater(site.reactor, 0.01)
    sender.thread.join()
    assert (503, "urn:pulpdownloader:queue_full") == (
        parsed(sender.answer).status,
        parsed(sender.answer).document["type"],
    )
