"""Clients that are slow on purpose, on a clock: they are cut off in time, cost little, and harm nobody."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOProtocol

from tests.integration.daemon import Daemon
from tests.integration.process import Start
from tests.integration.stored import Served, StartSite, start_site
from tests.servers.client import Socket
from tests.servers.scripted import Scripted, ranged

__all__ = ["start_site"]

DATA = random.Random(1).randbytes(16 << 20)
#: What the server may hold in memory for one client, and what goes round it.
MOST = (256 << 10) + 4096


def held(transport: Any) -> int:
    """Return the bytes that a connection of the server has in memory."""
    while isinstance(transport, TLSMemoryBIOProtocol):
        transport = transport.transport
    return len(transport.dataBuffer) - transport.offset + transport._tempDataLen


async def clients(reactor: Any, site: Served, count: int) -> list[Socket]:
    """Connect *count* times."""
    return [await Socket.to(reactor, site.port) for _ in range(count)]


async def is_served(reactor: Any, site: Served) -> None:
    """Assert that somebody else is answered."""
    assert (await site.get("/small")).endswith(b"\r\n\r\nabc")


@pytest.mark.parametrize(
    ("begun", "drop", "seconds"),
    [
        (b"", b"", 30),
        (b"GET /small HTTP/1.1\r\nHost: a\r\nX: ", b"x", 30),
        (b"GET /small HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n", b"x", 60),
        (b"GET /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", 60),
    ],
)
@pytest_twisted.ensureDeferred
async def test_senders(
    reactor: Any,
    start_site: StartSite,
    campaign_count: Callable[[int, int], int],
    begun: bytes,
    drop: bytes,
    seconds: int,
) -> None:
    """Clients that send a byte a second are gone in time, while others are served."""
    clock, count = Clock(), campaign_count(50, 1000)
    site = await start_site(clock=clock)
    await site.keep(b"/small", b"abc")
    slow = await clients(reactor, site, count)
    for client in slow:
        client.send(begun)
    await is_served(reactor, site)
    for second in range(seconds - 1):
        for client in slow:
            client.send(drop)
        if second % 10 == 0:
            await is_served(reactor, site)
        clock.advance(1)
    await is_served(reactor, site)
    assert [None] * count == [client.ended for client in slow]
    clock.advance(2)  # the request of `is_served` came between
    for client in slow:
        await client.heard_all()
        assert b"" == client.received
    await is_served(reactor, site)


@pytest.mark.parametrize("secure", [False, True])
@pytest_twisted.ensureDeferred
async def test_readers(
    reactor: Any, start_site: StartSite, tls: Any, campaign_count: Callable[[int, int], int], secure: bool
) -> None:
    """Clients that take nothing are cut off after a minute, hold little memory until then, and end incomplete."""
    clock, count = Clock(), campaign_count(10, 200)
    site = await start_site(clock=clock, tls=tls.server() if secure else None)
    await site.keep(b"/large", DATA)
    slow = await clients(reactor, site, count)
    for client in slow:
        if secure:
            client.secure(tls.ca_file.read_bytes())
        client.get("/large")
        await client.heard(1)
        client.pause()
    await site.until(lambda: site.resource.asked == count)
    for _ in range(59):
        clock.advance(1)
        assert all(held(transport) <= MOST for transport in site.resource.transports)
    assert 0 == site.resource.ended

    def over() -> bool:
        clock.advance(1)  # the system may have taken something late, on a busy machine: the minute begins anew then
        return bool(site.resource.ended == count)

    await site.until(over)
    for client in slow:
        client.resume()
        assert len(await client.heard_all()) < len(DATA)


@pytest_twisted.ensureDeferred
async def test_slow_but_alive(reactor: Any, start_site: StartSite) -> None:
    """A client that takes a little every now and then gets all of it, however long it takes."""
    clock = Clock()
    site = await start_site(clock=clock)
    await site.keep(b"/large", DATA)
    [client] = await clients(reactor, site, 1)
    client.get("/large")
    await client.heard(1)
    while len(client.received) < len(DATA):
        before = len(client.received)
        client.pause()
        clock.advance(45)
        client.resume()
        await client.heard(min(before + (2 << 20), len(DATA)))
        assert client.ended is None or len(client.received) > len(DATA)
    assert DATA == await client.answer()
    await client.leave()


@pytest_twisted.ensureDeferred
async def test_flood(reactor: Any, start_site: StartSite) -> None:
    """A client that asks hundreds of times and takes no answer has little waiting, and then all in order."""
    site = await start_site()
    for number in range(10):
        await site.keep(b"/%d" % number, DATA[number : number + (60 << 10)])
    [client] = await clients(reactor, site, 1)
    client.pause()
    for number in range(400):
        client.get(f"/{number % 10}")
    await site.until(lambda: site.resource.asked and held(site.resource.transports[0]) > 0)
    for _ in range(50):
        await site.until(lambda: True)
        assert held(site.resource.transports[0]) <= MOST
    assert site.resource.asked < 400
    client.resume()
    for number in range(400):
        assert DATA[number % 10 :][: 60 << 10] == await client.answer()
    await client.leave()


@pytest_twisted.ensureDeferred
async def test_leaves(reactor: Any, start_site: StartSite) -> None:
    """Clients that leave in the middle leave nothing behind."""
    site = await start_site()
    await site.keep(b"/large", DATA)
    for client in await clients(reactor, site, 20):
        client.get("/large")
        await client.heard(100_000)
        await client.leave()
    await site.until(lambda: site.resource.ended == 20)


def resident(daemon: Daemon) -> int:
    """Return the bytes of memory that a daemon has."""
    fields = Path(f"/proc/{daemon.process.popen.pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.limit(180)
@pytest.mark.skipif(sys.platform != "linux", reason="/proc is looked at")
@pytest_twisted.ensureDeferred
async def test_row_85_rss(
    reactor: Any,
    start_command: Start,
    scripted: Scripted,
    tmp_path: Path,
    campaign_count: Callable[[int, int], int],
) -> None:
    """
    Row 85: a thousand clients that send headers or bodies in drops, or take nothing, cost a daemon 64 MiB at most; so
    some hundred do in proportion.
    """
    count, data = campaign_count(240, 1000), tmp_path / "data"
    scripted.on(b"/large.bin", [ranged(DATA[: 8 << 20])])
    options = ("--base-path", "b", "--remote", scripted.url("/"), "--immutable", "*.bin")
    made = start_command("--data", data, "distribution", "create", "d", *options)
    assert 0 == await made.ended(60), made.err
    daemon = Daemon(start_command, reactor, data)
    port = await daemon.start("-q")
    for _ in range(2):
        assert 8 << 20 == len((await daemon.get(port, "/content/b/large.bin")).body)
    before = resident(daemon)
    slow = [await Socket.to(reactor, port) for _ in range(count)]
    for client in slow[0::3]:
        client.send(b"GET /content/b/large.bin HTTP/1.1\r\nHost: a\r\nX: ")
    for client in slow[1::3]:
        client.send(b"GET /content/b/large.bin HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n")
    for client in slow[2::3]:
        client.send(b"GET /content/b/large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        await client.heard(1)
        client.pause()
    for _ in range(20):
        for number, client in enumerate(slow):
            if number % 3 < 2:
                client.send(b"x" * 100)
    assert 8 << 20 == len((await daemon.get(port, "/content/b/large.bin")).body)
    grown = resident(daemon) - before
    for client in slow:
        await client.leave()
    assert grown <= (8 << 20) + count * (56 << 10), f"{grown / count:.0f} bytes each"
    assert 0 == await daemon.end(signal.SIGTERM)
