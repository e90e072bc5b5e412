"""`Streamer`: what it answers when nothing is as it should be, and what it writes down, many rows together."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.test.requesthelper import DummyRequest

from tests.leaks import LoggedErrors
from tests.unit.streamer.direct import DirectCatalog
from twisted_pulp.catalog import artifacts, pulled, remotes
from twisted_pulp.catalog.artifacts import NewArtifact
from twisted_pulp.errors import CatalogUnavailable, NotFound
from twisted_pulp.settings import Remote
from twisted_pulp.storage import MemoryStorage
from twisted_pulp.streamer import Streamer
from twisted_pulp.streamer._records import FailedSource, PulledThrough, Records

A, B = "a" * 64, "b" * 64


class Request(DummyRequest):
    """A request of a client that is there until it leaves."""

    channel: Any = object()
    _disconnected = False
    startedWriting = 0

    def __init__(self, path: bytes, method: bytes = b"GET") -> None:
        super().__init__(path.split(b"/"))  # type: ignore[no-untyped-call]
        self.method, self.uri, self.path = method, b"/" + path, b"/" + path

    def leave(self) -> None:
        """Lose the connection."""
        self._disconnected, self.channel = True, None
        self.processingFailed(Failure(ConnectionDone()))  # type: ignore[no-untyped-call]


@pytest.fixture
def catalog() -> Iterator[DirectCatalog]:
    """A catalog without anything."""
    made = DirectCatalog()
    yield made
    made.close()


def streamer_of(catalog: Any) -> Streamer:
    """Return a streamer that never reaches anything."""
    context = SimpleNamespace(reactor=Clock(), now=lambda: 7.0, threads=None, health=None)
    storage: Any = MemoryStorage()
    return Streamer(context, catalog, storage, now=lambda: 7.0)


def answered(streamer: Streamer, path: bytes, query: bytes | None = None) -> Request:
    """Let *streamer* answer a request, and return that."""
    request = Request(path)
    streamer.answer(request, path, query)
    return request


def test_nothing(catalog: DirectCatalog) -> None:
    """Where nothing is served there is nothing, and what is no path is none."""
    streamer = streamer_of(catalog)
    assert 404 == answered(streamer, b"a/b").responseCode
    assert 400 == answered(streamer, b"a/../b").responseCode
    assert 400 == answered(streamer, b"a", b"%").responseCode


@pytest.mark.parametrize(
    ("error", "status"),
    [(CatalogUnavailable("gone: S3CR3T"), 503), (NotFound("http://S3CR3T/", 404), 404), (KeyError("S3CR3T"), 500)],
)
def test_refused(catalog: DirectCatalog, error: Exception, status: int, logged_errors: LoggedErrors) -> None:
    """Whatever fails, the client is told so, and nothing else; a defect is logged."""

    def read(*_: object) -> Deferred[None]:
        raise error

    catalog.read = read  # type: ignore[method-assign]
    request = answered(streamer_of(catalog), b"a/b")
    assert status == request.responseCode
    assert b"S3CR3T" not in b"".join(request.written)
    assert int(isinstance(error, KeyError)) == len(logged_errors.flush(KeyError))


def test_left(catalog: DirectCatalog) -> None:
    """A client that has gone meanwhile is told nothing."""
    streamer, request = streamer_of(catalog), Request(b"a/b")
    catalog.hold = True
    streamer.answer(request, b"a/b", None)
    assert "1 requests" in repr(streamer)
    request.leave()
    catalog.release()
    catalog.release()
    assert ([], 0) == (request.written, request.finished)
    assert "0 requests" in repr(streamer)


def test_closed(catalog: DirectCatalog) -> None:
    """Who still waits when it is closed is told to come back, and so is who comes later."""
    streamer, request = streamer_of(catalog), Request(b"a/b")
    catalog.hold = True
    streamer.answer(request, b"a/b", None)
    closed: list[object] = []
    streamer.close().addCallback(closed.append)
    assert ([None], True) == (closed, request.responseCode in (500, 503))
    assert 503 == answered(streamer, b"a/b").responseCode


# What came is written down


@pytest.fixture
def remote(catalog: DirectCatalog) -> int:
    """A Remote."""
    return int(catalog.now(remotes.create, "up", Remote(url="http://u.test/"), 1.0).id)


def records_of(catalog: Any) -> Records:
    """Return what writes to *catalog*."""
    return Records(catalog, lambda: 7.0)


def test_together(catalog: DirectCatalog, remote: int) -> None:
    """What is added while something is being written is written in one transaction."""
    records, written = records_of(catalog), []
    catalog.hold = True
    for sha256 in (A, B, "c" * 64):
        record = PulledThrough(NewArtifact(sha256, 3), remote, f"http://u.test/{sha256[0]}")
        records.add(record).addCallback(lambda _, sha256=sha256: written.append(sha256))
    catalog.release()
    assert [A] == written
    catalog.release()
    assert [A, B, "c" * 64] == written
    assert ["_written"] * 2 == catalog.writes
    assert 3 == len(catalog.now(artifacts.each, 0, 10))


def test_alone(catalog: DirectCatalog, remote: int) -> None:
    """What cannot be written, as its Remote is gone, keeps nothing else from being written."""
    records, failed = records_of(catalog), []
    catalog.hold = True
    records.note(FailedSource(1, "a first one, for the others to wait for"))
    for number in (99, remote):
        record = PulledThrough(NewArtifact(A, 3), number, "http://u.test/a")
        records.add(record).addErrback(lambda _, number=number: failed.append(number))
    for _ in range(4):
        catalog.release()
    assert [99] == failed
    assert None is not catalog.now(pulled.find, remote, "http://u.test/a")
    closing: list[object] = []
    Deferred.fromCoroutine(records.close()).addCallback(closing.append)
    assert [None] == closing


def test_note(catalog: DirectCatalog, logged_errors: LoggedErrors) -> None:
    """What is only noted, and cannot be, is logged, and so is what comes after it."""

    def write(*_: object) -> Deferred[None]:
        raise KeyError("gone")

    catalog.write = write  # type: ignore[method-assign]
    records = records_of(catalog)
    for _ in range(2):
        records.note(FailedSource(1, "why"))
    assert 2 == len(logged_errors.flush(KeyError))
