"""Bodies of stored artifacts on their way to clients, without sockets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from tests.stored_site import StoredResource
from tests.unit.streamer.site import Client
from twisted_pulp.storage import MemoryStorage
from twisted_pulp.streamer._body import Stored
from twisted_pulp.streamer._entity import Entity
from twisted_pulp.streamer._hot import Hot

DATA = bytes(range(256)) * 4096  # 1 MiB


def in_thread(f: Any, *args: Any) -> Deferred[Any]:
    """Do it here."""
    return succeed(f(*args))


class Site:
    """A site with stored artifacts in memory, and one client of it."""

    def __init__(self) -> None:
        self.clock, self.storage = Clock(), MemoryStorage()
        self.stored = Stored(self.storage, self.clock, in_thread, Hot(1 << 20))
        self.resource = StoredResource(self.stored)
        self.client = Client(self.clock, self.resource)

    def keep(self, path: str, data: bytes, size: int | None = None, sha256: str | None = None) -> str:
        """Serve *data*, of which the catalog may know another size or digest."""
        sha256 = self.storage.keep(data, sha256)
        self.resource.entities[path.encode()] = Entity(size=len(data) if size is None else size, sha256=sha256)
        return sha256


@pytest.fixture
def site() -> Iterator[Site]:
    """A site, at the end of which no timer is left."""
    made = Site()
    yield made
    made.client.leave()
    made.storage.close()
    assert [] == made.clock.getDelayedCalls()
    assert made.resource.asked == made.resource.ended


def test_small(site: Site) -> None:
    """A small artifact is sent in one piece, and again without the storage."""
    sha256 = site.keep("/f", b"abc")
    site.client.get("/f")
    site.storage.remove([sha256])
    site.client.get("/f")
    assert 2 == site.client.received.count(b"200 OK")
    assert site.client.received.endswith(b"abc")


def test_parts_of_small(site: Site) -> None:
    """Parts of a small artifact are cut from it."""
    site.keep("/f", b"abcdef")
    for wanted in ("0-1", "3-", "-1", "0-1,4-4"):
        site.client.transport.clear()
        site.client.get("/f", f"Range: bytes={wanted}")
        assert int(site.client.received.partition(b"Content-Length: ")[2].split()[0]) == len(site.client.body)
        assert b"206" in site.client.received
    assert b"bytes 4-4/6\r\n\r\ne\r\n--" in site.client.body


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_nothing_to_send(site: Site, method: str) -> None:
    """Without a body the storage is not asked."""
    site.resource.entities[b"/f"] = Entity(size=0 if method == "GET" else 1 << 40, sha256="ab" * 32)
    site.client.get("/f", method=method)
    assert (b"", True) == (site.client.body, b"200 OK" in site.client.received)


def test_large(site: Site) -> None:
    """A large artifact is read piece by piece."""
    site.keep("/f", DATA)
    site.client.get("/f")
    assert DATA == site.client.body


def test_slow(site: Site) -> None:
    """While the client takes nothing, a quarter of a MiB is all that waits for it."""
    write = site.client.transport.write

    def full(data: bytes) -> None:
        write(data)
        if len(data) > 1000:
            site.client.channel.pauseProducing()

    site.client.transport.write = full  # type: ignore[method-assign]
    site.keep("/f", DATA)
    site.client.get("/f")
    for blocks in (1, 2, 3, 4):
        assert blocks * (256 << 10) == len(site.client.body)
        site.clock.advance(50)  # less than what is too long
        site.client.channel.resumeProducing()
    assert DATA == site.client.body
    assert 0 == site.client.aborts


def test_stalled(site: Site) -> None:
    """A client that takes nothing for a minute is cut off, and what was read for it is given back."""
    write = site.client.transport.write

    def full(data: bytes) -> None:
        write(data)
        site.client.channel.pauseProducing()

    site.client.transport.write = full  # type: ignore[method-assign]
    site.keep("/f", DATA)
    site.client.get("/f")
    for _ in range(3):
        site.clock.advance(15)
    assert 0 == site.client.aborts
    site.clock.advance(15)
    assert 1 == site.client.aborts
    site.client.leave()
    assert repr(site.storage) == "<MemoryStorage artifacts=1>"
    assert 1 == site.resource.ended


def test_leaves(site: Site) -> None:
    """A client that leaves in the middle ends what was begun for it, without a word."""
    site.keep("/f", DATA)
    site.client.transport.write = lambda data: site.client.channel.pauseProducing()  # type: ignore[method-assign]
    site.client.get("/f")
    site.client.leave()
    assert 1 == site.resource.ended
    assert [] == site.clock.getDelayedCalls()


def test_leaves_before(site: Site) -> None:
    """A client that leaves before its small artifact was read gets nothing."""
    reading: Deferred[bytes] = Deferred()
    site.keep("/f", b"abc")
    site.storage.read = lambda sha256: reading  # type: ignore[method-assign, assignment, misc]
    site.client.get("/f")
    site.client.leave()
    reading.callback(b"abc")
    assert b"" == site.client.received


@pytest.mark.parametrize("wanted", ["0-", "0-9,20-29"])
def test_missing(site: Site, wanted: str) -> None:
    """What is not there is known before the first byte."""
    site.keep("/f", DATA)
    site.storage.remove([site.resource.entities[b"/f"].sha256 or ""])
    site.client.get("/f", f"Range: bytes={wanted}")
    assert b"500 Internal Server Error" in site.client.received
    assert b"ETag" not in site.client.received


def test_short_small(site: Site) -> None:
    """A small artifact that has not the size it should is not sent."""
    site.keep("/f", b"abc", size=4)
    site.client.get("/f")
    assert b"500 Internal Server Error" in site.client.received


def test_short_large(site: Site) -> None:
    """A large one that ends early is cut off, and never complete."""
    site.keep("/f", DATA, size=len(DATA) + 1)
    site.client.get("/f")
    assert (1, True) == (site.client.aborts, len(site.client.body) < len(DATA) + 1)
