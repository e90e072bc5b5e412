"""A consumer whose bytes become an artifact, where threads take their time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from errno import ENOSPC
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred

from tests.fakes import Producer, head, result_of
from tests.unit.storage.contract import REPORT, digest
from tests.unit.storage.system import FaultySystem
from twisted_pulp.errors import Cancelled, StorageFull
from twisted_pulp.storage import DirectoryStorage

PIECE = 64 << 10


class Thread:
    """
    Does what it is given when the test says so.

    :ivar waiting: calls.
    """

    def __init__(self) -> None:
        self.waiting: deque[tuple[Deferred[Any], Callable[..., Any], tuple[Any, ...]]] = deque()

    def __call__(self, f: Callable[..., Any], *args: Any) -> Deferred[Any]:
        d: Deferred[Any] = Deferred()
        self.waiting.append((d, f, args))
        return d

    def turn(self) -> None:
        """Do the next call."""
        d, f, args = self.waiting.popleft()
        maybeDeferred(f, *args).chainDeferred(d)

    def until(self, d: Deferred[Any]) -> Any:
        """Do calls until *d* has a result."""
        while not d.called:
            self.turn()
        return result_of(d)


class Situation:
    """A storage in a directory, and the thread that works for it."""

    def __init__(self, path: Path) -> None:
        self.path, self.thread, self.system = path, Thread(), FaultySystem()
        opening = DirectoryStorage.open(None, path, fsync="none", in_thread=self.thread, system=self.system)  # type: ignore[arg-type]
        self.storage: DirectoryStorage = self.thread.until(opening)

    def read(self, sha256: str) -> bytes:
        """Return what is stored."""
        data: bytes = self.thread.until(self.storage.read(sha256))
        return data

    def temporaries(self) -> list[str]:
        """Return what is in tmp."""
        return os.listdir(self.path / "tmp")


@pytest.fixture
def situation(tmp_path: Path) -> Iterator[Situation]:
    """A storage that leaves nothing in tmp."""
    made = Situation(tmp_path)
    yield made
    made.thread.until(made.storage.close())
    assert [] == made.temporaries()


def fed(writer: Any, data: bytes) -> Producer:
    """Give *data* to *writer*, as long as it wants any; return the producer that it paused."""
    producer = Producer()
    writer.begin(head())
    writer.registerProducer(producer, True)
    for start in range(0, len(data), PIECE):
        writer.write(data[start : start + PIECE])
    return producer


def test_small(situation: Situation) -> None:
    """A small body needs no thread before its end, and none at all where nobody waits for the disk."""
    writer = situation.storage.writer()
    fed(writer, b"x" * PIECE)
    assert None is writer.commit(REPORT)
    assert not situation.thread.waiting
    assert b"x" * PIECE == situation.read(digest(b"x" * PIECE))


def test_small_in_thread(tmp_path: Path) -> None:
    """Where the disk is waited for, a thread does that."""
    thread = Thread()
    storage = thread.until(DirectoryStorage.open(None, tmp_path, in_thread=thread))  # type: ignore[arg-type]
    writer = storage.writer()
    writer.write(b"abc")
    done = writer.commit()
    assert (False, 1) == (done.called, len(thread.waiting))
    thread.until(done)
    assert digest(b"abc") == writer.sha256
    thread.until(storage.close())


def test_large(situation: Situation) -> None:
    """A large body is hashed and written in batches, in order, one at a time."""
    data = os.urandom(5 << 20)
    writer = situation.storage.writer(sha256=digest(data), size=len(data))
    writer.begin(head())
    for start in range(0, len(data), PIECE):
        writer.write(data[start : start + PIECE])
        assert 1 >= len(situation.thread.waiting)
        if start % (1 << 20) == 0 and situation.thread.waiting:
            situation.thread.turn()
    situation.thread.until(writer.commit(REPORT))
    assert (digest(data), len(data)) == (writer.sha256, writer.size)
    assert data == situation.read(digest(data))


def test_paused(situation: Situation) -> None:
    """The producer is paused when 4 MiB wait for the disk, and goes on when there is room, told each once."""
    writer = situation.storage.writer()
    writer.begin(head())
    producer = Producer()
    writer.registerProducer(producer, True)
    given = 0
    while not producer.paused:
        writer.write(bytes(PIECE))
        given += PIECE
        assert given <= 4 << 20
    assert 3 << 20 < given
    while producer.paused:
        situation.thread.turn()
    assert ["pause", "resume"] == producer.told
    situation.thread.until(writer.commit(REPORT))
    assert bytes(given) == situation.read(digest(bytes(given)))


@pytest.mark.parametrize("count", [1, 3, 16, 64])
def test_memory(situation: Situation, count: int) -> None:
    """All writers together keep 8 MiB at most, or half a MiB each."""
    writers = [situation.storage.writer() for _ in range(count)]
    producers = [Producer() for _ in writers]
    for writer, producer in zip(writers, producers, strict=True):
        writer.begin(head())
        writer.registerProducer(producer, True)
    given = 0
    for _ in range(100):
        for writer, producer in zip(writers, producers, strict=True):
            if not producer.paused:
                writer.write(bytes(PIECE))
                given += PIECE
    assert all(producer.paused for producer in producers)
    assert given <= max(8 << 20, count << 19)
    for writer in writers:
        ending = writer.abort(Cancelled())
        assert ending is not None
        situation.thread.until(ending)


def test_paused_at_the_end_of_a_batch(situation: Situation) -> None:
    """Whoever is paused while nothing is on its way to the disk is not forgotten."""
    writers = [situation.storage.writer() for _ in range(32)]
    for writer in writers:
        writer.begin(head())
    producer = Producer()
    writers[0].registerProducer(producer, True)
    while not producer.paused:
        writers[0].write(bytes(PIECE))
    while situation.thread.waiting:
        situation.thread.turn()
    assert not producer.paused
    for writer in writers:
        ending = writer.abort(Cancelled())
        if ending is not None:
            situation.thread.until(ending)


def test_begun_again(situation: Situation) -> None:
    """What came is forgotten, on the disk too, before new bytes come; an attempt behind it goes on."""
    writer = situation.storage.writer()
    fed(writer, bytes(1 << 20))
    again = writer.begin(head())
    assert again is not None
    situation.thread.until(again)
    assert [] == situation.temporaries()
    data = os.urandom(1 << 20)
    writer.write(data[: 1 << 19])
    assert None is writer.begin(head(1 << 19))
    writer.write(data[1 << 19 :])
    situation.thread.until(writer.commit(REPORT))
    assert data == situation.read(digest(data))


def test_failed(situation: Situation) -> None:
    """A full disk is told with the next bytes, to a producer that was paused too, and nothing is left."""
    situation.system.fail("write", 1, ENOSPC)
    writer = situation.storage.writer()
    producer = fed(writer, bytes(4 << 20))
    assert producer.paused
    situation.thread.turn()
    assert not producer.paused
    with pytest.raises(StorageFull):
        writer.write(b"x")
    ending = writer.abort(StorageFull())
    assert ending is not None
    situation.thread.until(ending)
    assert [] == situation.temporaries()


def test_failed_last(situation: Situation) -> None:
    """A disk that fails with the last batch fails the commit."""
    situation.system.fail("write", 1, ENOSPC)
    writer = situation.storage.writer()
    fed(writer, bytes(1 << 19))
    done = writer.commit(REPORT)
    assert done is not None
    with pytest.raises(StorageFull):
        situation.thread.until(done)
    assert None is writer.sha256


def test_unexpected(situation: Situation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else goes wrong in the thread is an error of the storage too."""
    monkeypatch.setattr(situation.system, "write", lambda *_: 1 / 0)
    writer = situation.storage.writer()
    fed(writer, bytes(1 << 19))
    done = writer.commit(REPORT)
    assert done is not None
    with pytest.raises(Exception, match="ZeroDivisionError: "):
        situation.thread.until(done)


@pytest.mark.parametrize("turns", [0, 1])
def test_cancelled(situation: Situation, turns: int) -> None:
    """To cancel a commit waits for what the thread does: the batches before it, or the commit itself."""
    data = os.urandom(1 << 20)
    writer = situation.storage.writer()
    fed(writer, data)
    done = writer.commit(REPORT)
    assert done is not None
    for _ in range(turns):
        situation.thread.turn()
    ended: list[Any] = []
    done.addBoth(ended.append)
    done.cancel()
    assert ([], 1) == (ended, len(situation.thread.waiting))
    while not ended:
        situation.thread.turn()
    assert ended[0].check(CancelledError)
    assert [] == situation.temporaries()
    stored = situation.thread.until(situation.storage.has([digest(data)]))
    assert ({digest(data)} if turns else set()) == stored


def test_closed(situation: Situation) -> None:
    """To close the storage aborts those that were not committed, and waits for the thread."""
    writer = situation.storage.writer()
    fed(writer, bytes(1 << 20))
    closing = situation.storage.close()
    assert not closing.called
    situation.thread.until(closing)
    assert [] == situation.temporaries()


def test_waited_for(situation: Situation) -> None:
    """To close waits for what threads do."""
    looking = situation.storage.has([digest(b"")])
    closing = situation.storage.close()
    assert not closing.called
    assert set() == situation.thread.until(looking)
    result_of(closing)
