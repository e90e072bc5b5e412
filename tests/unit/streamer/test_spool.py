"""Where bytes are while they come."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from tests.fakes import Producer, Threads, head, result_of
from tests.unit.streamer.cold import BODY, sha256
from twisted_pulp.download import DownloadReport
from twisted_pulp.errors import StorageError
from twisted_pulp.interfaces import Head, IWriter
from twisted_pulp.storage import MemoryStorage
from twisted_pulp.streamer._piped import Pipe
from twisted_pulp.streamer._spool import Spool


class Heard:
    """An audience that notes what it hears."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def begun(self, head: Head) -> None:
        """Note it."""
        self.heard.append(head.offset)

    def grown(self) -> None:
        """Note it."""
        self.heard.append("grown")

    def differs(self, offset: int) -> None:
        """Note it."""
        self.heard.append(("differs", offset))

    def least(self) -> int:
        """Everything is wanted."""
        return 0

    def held_up(self) -> None:
        """Note it."""
        self.heard.append("held up")


class Made:
    """A spool with its surroundings."""

    def __init__(self) -> None:
        self.storage, self.threads, self.clock, self.audience = MemoryStorage(), Threads(), Clock(), Heard()
        self.spool = Spool(self.storage, self.threads, self.clock, self.audience)

    def take(self, body: bytes, piece: int = 64 << 10) -> None:
        """Let *body* come."""
        for start in range(0, len(body), piece):
            self.spool.write(body[start : start + piece])

    def commit(self, body: bytes) -> None:
        """Let it be an artifact."""
        report = DownloadReport(url="http://h/f", size=len(body), digests={"sha256": sha256(body)})
        committing = self.spool.commit(report)
        if committing is not None:
            result_of(committing)
        storing = self.spool.stored()
        if storing is not None:
            result_of(storing)

    def stored(self, body: bytes) -> bool:
        """Return whether it is one."""
        return sha256(body) in result_of(self.storage.has([sha256(body)]))

    @property
    def files(self) -> list[str]:
        """What is in the storage's directory for what comes."""
        return os.listdir(os.path.dirname(self.storage.temporary("x")))


@pytest.fixture
def made() -> Iterator[Made]:
    """A spool that is closed at the end, and leaves nothing."""
    made = Made()
    yield made
    made.threads.work()
    made.threads.late = False
    closing = made.spool.close()
    if closing is not None:
        result_of(closing)
    assert ([], 0, []) == (made.files, made.threads.active, made.clock.getDelayedCalls())
    result_of(made.storage.close())


@pytest.mark.parametrize("make", [lambda: Made().spool, lambda: Pipe(Clock(), Heard())])
def test_interface(make: Any) -> None:
    """They are writers."""
    assert verifyObject(IWriter, make())


@pytest.mark.parametrize("length", [None, 1000])
def test_small(made: Made, length: int | None) -> None:
    """A small body stays in memory until it is an artifact, and can be read then."""
    made.spool.begin(head(length=length))
    made.take(BODY[:1000])
    assert (0, b"", []) == (made.spool.written, made.spool.read(0, 10), made.files)
    made.commit(BODY[:1000])
    assert (1000, BODY[10:20], True) == (made.spool.written, made.spool.read(10, 10), made.stored(BODY[:1000]))
    assert made.spool.fd is None


@pytest.mark.parametrize("length", [None, len(BODY)])
def test_large(made: Made, length: int | None) -> None:
    """A larger one can be read from a file while it comes, and afterwards."""
    made.spool.begin(head(length=length))
    made.take(BODY[: 1 << 20])
    made.clock.advance(0.05)
    assert 1 << 20 == made.spool.written
    assert BODY[5000 : 1 << 20] == made.spool.read(5000, 2 << 20)
    assert b"" == made.spool.read(1 << 20, 10)
    made.take(BODY[1 << 20 :])
    made.commit(BODY)
    assert (True, BODY[-10:]) == (made.stored(BODY), made.spool.read(len(BODY) - 10, 100))
    assert isinstance(made.spool.fd, int)


def test_trickle(made: Made) -> None:
    """What comes slowly can be read 50 ms later at the most."""
    made.spool.begin(head(length=1 << 20))
    made.take(b"few")
    made.take(b"bytes")
    assert 0 == made.spool.written
    made.clock.advance(0.05)
    assert (8, b"fewbytes") == (made.spool.written, made.spool.read(0, 100))


def test_order(made: Made) -> None:
    """While a thread writes, what comes is gathered, and goes next."""
    made.threads.late = True
    made.spool.begin(head(length=len(BODY)))
    made.take(BODY[: 600 << 10])
    assert (1, 0) == (len(made.threads.waiting), made.spool.written)
    made.threads.work(1)
    assert 256 << 10 == made.spool.written
    made.threads.work(1)
    assert (600 << 10, BODY[: 600 << 10]) == (made.spool.written, made.spool.read(0, 1 << 20))
    made.spool.abort(ValueError())


def test_rest_after_a_while(made: Made) -> None:
    """What is too little for a batch when the thread is free is written a moment later."""
    made.threads.late = True
    made.spool.begin(head(length=len(BODY)))
    made.take(BODY[: 260 << 10])
    made.threads.work()
    assert 256 << 10 == made.spool.written
    made.clock.advance(0.05)
    made.threads.work()
    assert 260 << 10 == made.spool.written


def test_backpressure(made: Made) -> None:
    """A disk that does not keep up makes the upstream wait."""
    made.threads.late, made.threads.high_water = True, 1 << 20
    producer = Producer()
    made.spool.begin(head(length=len(BODY)))
    made.spool.registerProducer(producer, True)
    made.take(BODY[: 1 << 20])
    assert ["pause"] == producer.told
    made.threads.work()
    assert ["pause", "resume"] == producer.told
    made.spool.unregisterProducer()
    made.spool.abort(ValueError())


def test_begins_again(made: Made) -> None:
    """Bytes that come again are compared; until they have come nobody can read them."""
    made.spool.begin(head(length=len(BODY)))
    made.take(BODY[: 1 << 20])
    made.spool.begin(head(length=len(BODY)))
    assert (0, b"") == (made.spool.written, made.spool.read(0, 10))
    other = BODY[:600_000] + b"?" + BODY[600_001:]
    made.take(other)
    assert ("differs", 600_000) in made.audience.heard
    made.commit(other)
    assert (True, other) == (made.stored(other), made.spool.read(0, len(BODY)))


def test_distrusted(made: Made) -> None:
    """What is wrong somewhere cannot be read before it has come again, whatever a thread still writes of it."""
    made.threads.late = True
    made.spool.begin(head(length=len(BODY)))
    made.take(BODY[:600_000])
    made.threads.work(1)
    assert 0 < made.spool.written
    made.spool.distrust()
    made.threads.work()
    assert (0, b"") == (made.spool.written, made.spool.read(0, 10))
    made.threads.late = False
    made.spool.begin(head(length=len(BODY)))
    made.take(BODY)
    made.commit(BODY)
    assert (True, BODY) == (made.stored(BODY), made.spool.read(0, len(BODY)))


def test_begins_again_shorter(made: Made) -> None:
    """When fewer come again, who has read more is told."""
    made.spool.begin(head(length=None))
    made.take(BODY)
    made.spool.begin(head(length=None))
    made.take(BODY[: 1 << 20])
    made.commit(BODY[: 1 << 20])
    assert (True, ("differs", 1 << 20)) == (made.stored(BODY[: 1 << 20]), made.audience.heard[-1])


def test_begins_again_small(made: Made) -> None:
    """Of a small body, that nobody has read, the first bytes are forgotten."""
    made.spool.begin(head())
    made.take(b"wrong")
    made.spool.begin(head())
    made.take(b"right")
    made.commit(b"right")
    assert made.stored(b"right")


def test_goes_on(made: Made) -> None:
    """What a later response begins behind is kept."""
    made.spool.begin(head(length=len(BODY)))
    made.take(BODY[:600_000])
    made.spool.begin(head(600_000, len(BODY)))
    made.take(BODY[600_000:])
    made.commit(BODY)
    assert made.stored(BODY)


def test_aborted(made: Made) -> None:
    """What failed is no artifact, and takes nothing more."""
    made.spool.begin(head(length=len(BODY)))
    made.take(BODY[:600_000])
    made.spool.abort(ValueError("enough"))
    with pytest.raises(StorageError, match="enough"):
        made.take(b"more")
    assert not made.stored(BODY)


def test_disk_fails(made: Made) -> None:
    """What the disk refuses is told with the next bytes, and at the end."""
    made.spool.begin(head(length=len(BODY)))
    made.take(BODY[:300_000])
    assert made.spool.fd is not None
    made.spool._file.close(remove=True)  # type: ignore[union-attr]
    made.spool._file.path = "/dev/null/nothing"  # type: ignore[union-attr]
    with pytest.raises(StorageError, match="Not a directory"):
        made.take(BODY)
    with pytest.raises(StorageError, match="Not a directory"):
        made.commit(BODY)


def test_unreadable(made: Made) -> None:
    """What cannot be read back is an error, and never other bytes."""
    made.spool.begin(head(length=len(BODY)))
    made.take(BODY[: 1 << 20])
    assert made.spool.fd is not None
    os.ftruncate(made.spool.fd, 100)
    assert 100 == len(made.spool.read(0, 200))
    with pytest.raises(StorageError, match="shorter"):
        made.spool.read(100, 200)
    os.close(made.spool.fd)
    with pytest.raises(StorageError):
        made.spool.read(0, 10)
    os.unlink(made.spool._file.path)  # type: ignore[union-attr]
    made.spool._file.fd = -1  # type: ignore[union-attr]


def test_not_adopted(made: Made) -> None:
    """What the storage does not take is an error, and leaves no file."""
    made.spool.begin(head(length=len(BODY)))
    made.take(BODY)
    errors: list[object] = []
    report = DownloadReport(url="http://h/f", size=1, digests={"sha256": sha256(BODY)})
    made.storage.adopt = lambda *_: _with([StorageError("full")])  # type: ignore[assignment,method-assign]
    made.spool.commit(report).addErrback(lambda why: errors.append(str(why.value)))
    assert ["full"] == errors


def _with(result: list[Any]) -> Deferred[list[Any]]:
    d: Deferred[list[Any]] = Deferred()
    d.callback(result)
    return d


def test_slow_commit(made: Made) -> None:
    """A commit waits until everything is written, also when whoever waits for it loses patience."""
    made.threads.late = True
    made.spool.begin(head(length=len(BODY)))
    made.take(BODY)
    report = DownloadReport(url="http://h/f", size=len(BODY), digests={"sha256": sha256(BODY)})
    committed = made.spool.commit(report)
    assert not committed.called
    for _ in range(20):
        made.threads.work()
    assert committed.called
    assert made.stored(BODY)


class Following(MemoryStorage):
    """A storage that notes how a file grows."""

    follows = True

    def __init__(self) -> None:
        super().__init__()
        self.told: list[object] = []

    def follow(self, path: str, sha256: str, size: int) -> Any:
        """Note it."""
        self.told.append((os.path.dirname(path), sha256, size))
        return self

    def grown(self, size: int) -> None:
        """Note it."""
        self.told.append(size)

    def cancel(self) -> None:
        """Note it."""
        self.told.append("cancel")


@pytest.mark.parametrize("known", [True, False])
def test_followed(known: bool) -> None:
    """A storage that wants to is told how a large file grows, if it is known what it will be."""
    storage, threads = Following(), Threads()
    expected = sha256(BODY) if known else None
    spool = Spool(storage, threads, Clock(), Heard(), sha256=expected)
    spool.begin(head(length=len(BODY)))
    spool.write(BODY)
    committing = spool.commit(DownloadReport(url="http://h/f", size=len(BODY), digests={"sha256": sha256(BODY)}))
    assert committing is not None
    result_of(committing)
    directory = os.path.dirname(storage.temporary("x"))
    assert ([(directory, expected, len(BODY)), len(BODY)] if known else []) == storage.told
    closing = spool.close()
    assert closing is not None
    result_of(closing)
    result_of(storage.close())
