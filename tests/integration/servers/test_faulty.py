"""Tests for `tests.servers.faulty`: a plain socket sees each fault."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.error import ConnectError, ConnectionDone, ConnectionLost
from twisted.internet.task import deferLater

from tests.lag import Lag
from tests.servers.client import Connect
from tests.servers.faulty import Faulty
from tests.servers.reactor import IReactor
from tests.servers.scripted import Close, Reset, Scripted, Send, Stall, ok

_BODY = bytes(range(256)) * 1024


async def _eventually(reactor: IReactor, met: Callable[[], bool]) -> None:
    while not met():
        await deferLater(reactor, 0.001)


@ensureDeferred
async def test_passes_everything(reactor: IReactor, scripted: Scripted, faulty: Faulty, connect: Connect) -> None:
    """Without faults every byte passes both ways, and is counted."""
    scripted.on(b"/", [ok(_BODY)])
    client = await connect(faulty)
    for _ in range(2):
        client.get()
        assert _BODY == await client.answer()
    assert (1, 1, 1) == (faulty.accepted, faulty.live, faulty.high_water)
    assert scripted.bytes_sent == faulty.bytes_to_client
    await client.leave()
    await _eventually(reactor, lambda: not faulty.live and not scripted.live)
    assert 2 * len(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") == faulty.bytes_to_server


@pytest.mark.parametrize(("ending", "expected"), [(Close(), ConnectionDone), (Reset(), ConnectionLost)])
@ensureDeferred
async def test_passes_endings(
    scripted: Scripted, faulty: Faulty, connect: Connect, ending: Close | Reset, expected: type
) -> None:
    """The upstream's FIN and RST arrive as such, after its bytes."""
    scripted.on(b"/", [[Send(_BODY), ending]])
    client = await connect(faulty)
    client.get()
    assert _BODY == await client.heard_all()
    assert expected is type(client.ended)


@ensureDeferred
async def test_latency(reactor: IReactor, scripted: Scripted, faulty: Faulty, connect: Connect, lag: Lag) -> None:
    """Latency delays bytes each way and does not add up over pieces."""
    scripted.on(b"/", [ok(_BODY * 4)])
    faulty.to_client.latency = faulty.to_server.latency = 0.1
    client = await connect(faulty)
    started = reactor.seconds()
    client.get()
    await client.answer()
    assert 0.2 <= client.times[0] - started <= 1 + lag.seconds
    assert client.times[-1] - client.times[0] <= 0.5 + lag.seconds


@ensureDeferred
async def test_jitter(reactor: IReactor, scripted: Scripted, faulty: Faulty, connect: Connect) -> None:
    """Jitter varies the latency within its bounds."""
    scripted.on(b"/", [ok(b"x")])
    faulty.to_client.latency, faulty.to_client.jitter = 0.03, 0.02
    client = await connect(faulty)
    taken = []
    for _ in range(20):
        started = reactor.seconds()
        client.get()
        await client.answer()
        taken.append(client.times[-1] - started)
    assert min(taken) >= 0.01
    assert max(taken) - min(taken) >= 0.01


@ensureDeferred
async def test_bandwidth(reactor: IReactor, scripted: Scripted, faulty: Faulty, connect: Connect, lag: Lag) -> None:
    """Bandwidth is kept over many pieces, and can be changed while bytes flow."""
    scripted.on(b"/", [ok(_BODY)])
    faulty.to_client.bandwidth = 2**18
    client = await connect(faulty)
    started = reactor.seconds()
    client.get()
    await client.heard(2**17)
    assert 0.4 <= reactor.seconds() - started <= 1 + lag.seconds
    faulty.to_client.bandwidth = None
    started = reactor.seconds()
    await client.answer()
    assert reactor.seconds() - started <= 0.3 + lag.seconds


@ensureDeferred
async def test_slices(reactor: IReactor, scripted: Scripted, faulty: Faulty, connect: Connect, lag: Lag) -> None:
    """Slices arrive one by one with the delay between."""
    scripted.on(b"/", [[Send(b"abcdefg"), Close()]])
    faulty.to_client.slice, faulty.to_client.slice_delay = 2, 0.03
    client = await connect(faulty)
    started = reactor.seconds()
    client.get()
    assert b"abcdefg" == await client.heard_all()
    assert 4 == len(client.times) or lag.seconds > 0.02
    assert client.times[-1] - started >= 0.08


@ensureDeferred
async def test_stall_ends(reactor: IReactor, scripted: Scripted, faulty: Faulty, connect: Connect, lag: Lag) -> None:
    """A stall comes after exactly so many bytes and lasts as long as told."""
    scripted.on(b"/", [ok(_BODY)])
    faulty.to_client.stall_after, faulty.to_client.stall_for = 1000, 0.15
    client = await connect(faulty)
    started = reactor.seconds()
    client.get()
    assert 1000 == len(await client.heard(1)) or lag.seconds > 0.1
    assert _BODY == await client.answer()
    assert client.times[-1] - started >= 0.14


@ensureDeferred
async def test_stall_lifted(reactor: IReactor, scripted: Scripted, faulty: Faulty, connect: Connect) -> None:
    """A stall without end lasts until the test lifts it."""
    scripted.on(b"/", [ok(_BODY)])
    faulty.to_client.stall_after = 0
    client = await connect(faulty)
    client.get()
    await deferLater(reactor, 0.1)
    assert b"" == bytes(client.received)
    faulty.clear()
    assert _BODY == await client.answer()


@pytest.mark.parametrize("size", [0, 1, 16_383, 65_536, len(_BODY) - 1])
@ensureDeferred
async def test_reset(reactor: IReactor, scripted: Scripted, faulty: Faulty, connect: Connect, size: int) -> None:
    """A reset comes after exactly so many bytes, on both sides."""
    scripted.on(b"/", [[Send(_BODY), Stall()]])
    faulty.to_client.reset_after = size
    client = await connect(faulty)
    client.get()
    assert _BODY[:size] == await client.heard_all()
    assert isinstance(client.ended, ConnectionLost)
    await _eventually(reactor, lambda: not faulty.live and not scripted.live)


@ensureDeferred
async def test_reset_of_requests(scripted: Scripted, faulty: Faulty, connect: Connect) -> None:
    """A reset towards the server leaves it with half a request."""
    faulty.to_server.reset_after = 5
    client = await connect(faulty)
    client.get()
    await client.heard_all()
    assert isinstance(client.ended, ConnectionLost)
    assert 5 == faulty.bytes_to_server
    assert [] == scripted.requests


@ensureDeferred
async def test_reset_by_chance(scripted: Scripted, faulty: Faulty, connect: Connect) -> None:
    """A share of the connections is reset, each at a byte of its own within the bounds."""
    scripted.on(b"/", [[Send(_BODY), Close()]])
    faulty.to_client.reset_chance, faulty.to_client.reset_between = 0.5, (100, 200)
    sizes = []
    for _ in range(60):
        client = await connect(faulty)
        client.get()
        sizes.append(len(await client.heard_all()))
    cut = [size for size in sizes if size < len(_BODY)]
    assert 12 <= len(cut) <= 48
    assert 100 <= min(cut) < max(cut) <= 200
    assert len(set(cut)) > 5


@ensureDeferred
async def test_truncate(scripted: Scripted, faulty: Faulty, connect: Connect) -> None:
    """A truncation looks like an orderly end."""
    scripted.on(b"/", [[Send(_BODY), Stall()]])
    faulty.to_client.truncate_after = 1000
    client = await connect(faulty)
    client.get()
    assert _BODY[:1000] == await client.heard_all()
    assert isinstance(client.ended, ConnectionDone)


@ensureDeferred
async def test_close_delay(reactor: IReactor, scripted: Scripted, faulty: Faulty, connect: Connect) -> None:
    """The end can come later than the last byte."""
    scripted.on(b"/", [[Send(b"x"), Close()]])
    faulty.to_client.close_delay = 0.1
    client = await connect(faulty)
    started = reactor.seconds()
    client.get()
    await client.heard_all()
    assert reactor.seconds() - started >= 0.09


@ensureDeferred
async def test_down_and_up(reactor: IReactor, scripted: Scripted, faulty: Faulty, connect: Connect) -> None:
    """Down resets what is open and refuses what comes; up serves again on the same port."""
    scripted.on(b"/", [[Send(b"x"), Stall()], ok(b"again")])
    client = await connect(faulty)
    client.get()
    await client.heard(1)
    await faulty.down()
    await client.heard_all()
    assert isinstance(client.ended, ConnectionLost)
    with pytest.raises(ConnectError, match="refused"):
        await connect(faulty)
    faulty.up()
    client = await connect(faulty)
    client.get()
    assert b"again" == await client.answer()


@ensureDeferred
async def test_refuse(scripted: Scripted, faulty: Faulty, connect: Connect) -> None:
    """Refusing leaves open connections alone."""
    scripted.on(b"/", [ok(b"x")])
    client = await connect(faulty)
    client.get()
    await client.answer()
    await faulty.refuse()
    with pytest.raises(ConnectError, match="refused"):
        await connect(faulty)
    client.get()
    assert b"x" == await client.answer()


@ensureDeferred
async def test_upstream_gone(reactor: IReactor, scripted: Scripted, faulty: Faulty, connect: Connect) -> None:
    """When the upstream refuses, the client is reset."""
    await scripted.close()
    client = await connect(faulty)
    assert b"" == await client.heard_all()
    assert isinstance(client.ended, ConnectionLost)
    await _eventually(reactor, lambda: not faulty.live)


@ensureDeferred
async def test_slow_reader(
    reactor: IReactor, scripted: Scripted, start_faulty: Callable[[int], Awaitable[Faulty]], connect: Connect
) -> None:
    """A client that reads nothing holds the upstream back, so that the proxy's memory is bounded."""
    scripted.on(b"/", [ok(bytes(50_000_000))])
    proxy = await start_faulty(scripted.port)
    client = await connect(proxy)
    client.pause()
    client.get()
    await _eventually(reactor, lambda: scripted.bytes_sent > 2**20)
    await deferLater(reactor, 0.3)
    assert scripted.bytes_sent < 40_000_000
    client.resume()
    assert 50_000_000 == len(await client.answer())


@ensureDeferred
async def test_client_leaves(reactor: IReactor, scripted: Scripted, faulty: Faulty, connect: Connect) -> None:
    """A client that leaves takes its upstream connection along, also in a stall."""
    scripted.on(b"/", [[Send(b"x" * 100), Stall()]])
    faulty.to_client.stall_after = 10
    client = await connect(faulty)
    client.get()
    await client.heard(10)
    await client.leave()
    await _eventually(reactor, lambda: not faulty.live and not scripted.live)
