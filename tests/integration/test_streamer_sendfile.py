"""A file to a socket without a copy: what the kernel can refuse, and what the disk makes wait."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, succeed
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from tests.integration.stored import StartSite, start_site
from tests.servers.client import Socket
from twisted_pulp.errors import Cancelled, StorageDamaged
from twisted_pulp.streamer._client import plain_socket
from twisted_pulp.streamer._ranges import Span
from twisted_pulp.streamer._sendfile import Sendfile, Unsupported

__all__ = ["start_site"]

DATA = random.Random(1).randbytes(8 << 20)


class Sends(Resource):
    """Answers with pieces of a file, and keeps what became of it."""

    isLeaf = True

    def __init__(self, fd: int, pieces: tuple[bytes | Span, ...]) -> None:
        super().__init__()
        self.fd, self.pieces = fd, pieces
        self.sending: Deferred[Sendfile] = Deferred()
        self.outcome: Deferred[object] = Deferred()
        self.calls: list[tuple[object, ...]] = []
        self.in_thread: Any = self.at_once

    def at_once(self, f: Any, *args: Any) -> Deferred[Any]:
        """Do in this thread what would be done in another."""
        self.calls.append(args)
        return succeed(f(*args))

    def render(self, request: Any) -> Any:
        transport = plain_socket(request)
        assert transport is not None
        request.setHeader(b"Content-Length", b"%d" % len(DATA))
        sending = Sendfile(request, transport, self.fd, self.in_thread)
        sending.send(self.pieces).addBoth(self._end, request)
        self.sending.callback(sending)
        return NOT_DONE_YET

    def _end(self, outcome: Any, request: Any) -> None:
        if outcome is None:
            request.finish()
        elif request.channel is not None:
            request.channel.forceAbortClient()
        self.outcome.callback(getattr(outcome, "value", outcome))  # an error is no failure here


async def served(reactor: Any, resource: Sends) -> tuple[Any, Socket]:
    """Return a port, and a client that has asked there."""
    port = reactor.listenTCP(0, Site(resource, reactor=reactor), interface="127.0.0.1")
    client = await Socket.to(reactor, port.getHost().port)
    client.get("/")
    return port, client


@pytest.fixture
def fd(tmp_path: Path) -> Any:
    """The descriptor of a file with the data."""
    (tmp_path / "file").write_bytes(DATA)
    opened = os.open(tmp_path / "file", os.O_RDONLY)
    yield opened
    os.close(opened)


@pytest_twisted.ensureDeferred
async def test_pieces(reactor: Any, fd: int) -> None:
    """Bytes of our own and of the file come in their order."""
    last = len(DATA) - 3
    resource = Sends(fd, (b"a", Span(2, last), b"b", b"c"))
    port, client = await served(reactor, resource)
    assert b"a" + DATA[2:-2] + b"bc" == await _body(client, len(DATA) - 1)
    assert None is await resource.outcome
    await client.leave()
    await port.stopListening()


async def _body(client: Socket, length: int) -> bytes:
    while b"\r\n\r\n" not in client.received:
        await client.heard(len(client.received) + 1)
    head = client.received.index(b"\r\n\r\n") + 4
    await client.heard(head + length)
    return bytes(client.received[head:])


@pytest_twisted.ensureDeferred
async def test_unsupported(reactor: Any) -> None:
    """What the kernel cannot send from is said before anything was sent."""
    reading, writing = os.pipe()
    resource = Sends(reading, (Span(0, len(DATA) - 1),))
    port, client = await served(reactor, resource)
    assert isinstance(await resource.outcome, Unsupported)
    await client.heard_all()
    await port.stopListening()
    os.close(reading)
    os.close(writing)


@pytest_twisted.ensureDeferred
async def test_short(reactor: Any, fd: int) -> None:
    """A file that ends early is damaged."""
    resource = Sends(fd, (Span(0, len(DATA)),))
    port, client = await served(reactor, resource)
    assert isinstance(await resource.outcome, StorageDamaged)
    assert len(await client.heard_all()) < len(DATA) + 1000
    await port.stopListening()


@pytest_twisted.ensureDeferred
async def test_gone(reactor: Any, fd: int) -> None:
    """A client that leaves ends it."""
    resource = Sends(fd, (Span(0, len(DATA) - 1),) * 20)
    port, client = await served(reactor, resource)
    await client.heard(1000)
    await client.leave()
    assert isinstance(await resource.outcome, Cancelled)
    await port.stopListening()


@pytest_twisted.ensureDeferred
async def test_stops_while_reading(reactor: Any, fd: int) -> None:
    """While a thread has the file, it is not given back, even when nobody wants it any more."""
    resource = Sends(fd, (Span(0, len(DATA) - 1),))
    reading: Deferred[bytes] = Deferred()
    resource.in_thread = lambda *args: reading
    port, client = await served(reactor, resource)
    sending = await resource.sending
    sending._in_memory = lambda offset: False  # type: ignore[method-assign]
    await client.heard(1)
    await client.leave()
    assert isinstance(await resource.outcome, Cancelled)
    quiet = sending.quiet()
    assert not quiet.called
    reading.callback(b"")
    assert quiet.called
    await port.stopListening()


@pytest_twisted.ensureDeferred
async def test_disk_fails(reactor: Any, fd: int) -> None:
    """What a thread cannot read is damaged."""
    resource = Sends(fd, (Span(0, len(DATA) - 1),))
    reading: Deferred[bytes] = Deferred()
    resource.in_thread = lambda *args: reading
    port, client = await served(reactor, resource)
    (await resource.sending)._in_memory = lambda offset: False  # type: ignore[method-assign]
    await client.heard(1)
    reading.errback(OSError(5, "EIO"))
    assert isinstance(await resource.outcome, StorageDamaged)
    await client.heard_all()
    await port.stopListening()


@pytest_twisted.ensureDeferred
async def test_disk(reactor: Any, fd: int) -> None:
    """What is not in memory is read by a thread first, so that the reactor does not wait for the disk."""
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    try:
        os.preadv(fd, [bytearray(1)], len(DATA) - 1, os.RWF_NOWAIT)
        evicted = False
    except BlockingIOError:
        evicted = True
    except OSError:
        evicted = False  # the file system does not say
    resource = Sends(fd, (Span(0, len(DATA) - 1),))
    port, client = await served(reactor, resource)
    assert DATA == await client.answer()
    assert evicted == bool(resource.calls)
    await client.leave()
    await port.stopListening()


@pytest.mark.parametrize("size", [64 << 10, (64 << 10) + 1, (1 << 20) + 1, (4 << 20) + 1])
@pytest_twisted.ensureDeferred
async def test_edges(reactor: Any, start_site: StartSite, size: int) -> None:
    """Around the sizes at which something changes, every byte comes once."""
    site = await start_site()
    await site.keep(b"/f", DATA[:size])
    client = await Socket.to(reactor, site.port)
    for first, last in ((0, size - 1), (1, size - 2), (size - 1, size - 1)):
        client.get("/f", f"Range: bytes={first}-{last}")
        assert DATA[first : last + 1] == await client.answer()
    await client.leave()
