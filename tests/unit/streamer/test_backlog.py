"""Small artifacts are stored together."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from tests.fakes import Threads, result_of
from tests.unit.streamer.cold import sha256
from twisted_pulp.errors import StorageError, StorageFull
from twisted_pulp.storage import MemoryStorage
from twisted_pulp.streamer._backlog import Backlog, storage_error


class Made:
    """A backlog, its storage, and threads that work when they are told to."""

    def __init__(self) -> None:
        self.storage, self.threads = MemoryStorage(), Threads(late=True)
        self.backlog = Backlog(self.storage, self.threads)
        self.adopted: list[int] = []
        self.clock = Clock()
        adopt = self.storage.adopt

        def counting(files: Any) -> Any:
            self.adopted.append(len(files))
            return adopt(files)

        self.storage.adopt = counting  # type: ignore[method-assign,assignment]

    def add(self, *bodies: bytes) -> list[Deferred[None]]:
        """Bring *bodies*."""
        return [self.backlog.add(sha256(body), body) for body in bodies]

    def stored(self, *bodies: bytes) -> list[bool]:
        """Return which are artifacts."""
        there = result_of(self.storage.has([sha256(body) for body in bodies]))
        return [sha256(body) in there for body in bodies]

    @property
    def left(self) -> list[str]:
        """Files that are no artifacts."""
        return os.listdir(os.path.dirname(self.storage.temporary("x")))


@pytest.fixture
def made() -> Iterator[Made]:
    """A backlog that leaves nothing."""
    made = Made()
    yield made
    assert [] == made.left
    result_of(made.storage.close())


def test_together(made: Made) -> None:
    """What comes while the first is being stored is stored together, and each is told."""
    bodies = [b"%d" % number for number in range(5)]
    waiting = made.add(*bodies)
    assert [False] * 5 == [d.called for d in waiting]
    made.threads.work()
    assert [None] * 5 == [result_of(d) for d in waiting]
    assert ([1, 4], [True] * 5) == (made.adopted, made.stored(*bodies))


def test_same(made: Made) -> None:
    """The same bytes twice are one artifact."""
    waiting = made.add(b"first", b"a", b"a")
    made.threads.work()
    assert ([None] * 3, [True]) == ([result_of(d) for d in waiting], made.stored(b"a"))


def test_one_fails(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that cannot be written keeps nobody else's from being stored, and leaves nothing."""
    write = os.write

    def failing(fd: int, data: Any) -> int:
        if bytes(data) == b"bad":
            raise OSError(errno.ENOSPC, "no space")
        return write(fd, data[:2])  # and whoever writes is told how much it was

    monkeypatch.setattr(os, "write", failing)
    waiting = made.add(b"first", b"bad", b"good")
    made.threads.work()
    assert [True, False, True] == made.stored(b"first", b"bad", b"good")
    with pytest.raises(StorageFull):
        result_of(waiting[1])


@pytest.mark.parametrize("outcome", [lambda: succeed([StorageFull(detail="full")]), lambda: fail(StorageError("gone"))])
def test_not_adopted(made: Made, outcome: Any) -> None:
    """What the storage does not take is told, and is not left lying around; the next one is tried."""
    adopt = made.storage.adopt
    made.storage.adopt = lambda files: outcome()  # type: ignore[method-assign,assignment,misc]
    (waiting,) = made.add(b"body")
    made.threads.work()
    with pytest.raises(StorageError):
        result_of(waiting)
    made.storage.adopt = adopt  # type: ignore[method-assign]
    (waiting,) = made.add(b"body")
    made.threads.work()
    assert (None, [True]) == (result_of(waiting), made.stored(b"body"))


def test_closed_storage(made: Made) -> None:
    """A storage that is closed meanwhile has nothing stored."""

    def closed(name: str) -> str:
        raise StorageError("the storage is closed")

    temporary, made.storage.temporary = made.storage.temporary, closed  # type: ignore[method-assign]
    (waiting,) = made.add(b"body")
    with pytest.raises(StorageError):
        result_of(waiting)
    made.storage.temporary = temporary  # type: ignore[method-assign]


def test_room(made: Made) -> None:
    """Whoever brings much more than can be stored waits."""
    assert made.backlog.room() is None
    made.add(*(bytes([number]) * (1 << 20) for number in range(9)))
    room = made.backlog.room()
    assert room is not None
    assert not room.called
    made.threads.work()
    assert (None, None) == (result_of(room), made.backlog.room())


def test_error() -> None:
    """A disk that is full is told from one that is broken."""
    assert isinstance(storage_error(OSError(errno.EDQUOT, "quota"), "f"), StorageFull)
    assert not isinstance(storage_error(OSError(errno.EIO, "i/o"), "f"), StorageFull)


@pytest.fixture
def clocked(made: Made) -> Made:
    """The same with a clock."""
    made.backlog = Backlog(made.storage, made.threads, made.clock)
    return made


def test_apart(clocked: Made) -> None:
    """With a clock the first is stored at once; what comes within a tenth of a second gathers."""
    first = clocked.add(b"first")
    clocked.threads.work()
    others = clocked.add(b"a") + clocked.add(b"b")
    clocked.threads.work()
    assert [True, False, False] == [d.called for d in first + others]
    clocked.clock.advance(0.1)
    clocked.threads.work()
    assert ([1, 2], [True] * 2) == (clocked.adopted, clocked.stored(b"a", b"b"))
    clocked.clock.advance(1)
    clocked.add(b"later")
    clocked.threads.work()
    assert [True] == clocked.stored(b"later")


def test_enough(clocked: Made) -> None:
    """Enough for one go are stored without waiting."""
    clocked.add(b"first")
    clocked.threads.work()
    clocked.add(*(b"%d" % number for number in range(128)))
    clocked.threads.work()
    assert [1, 128] == clocked.adopted
    assert [] == clocked.clock.getDelayedCalls()


def test_enough_bytes(clocked: Made) -> None:
    """Many bytes are stored without waiting."""
    clocked.add(b"first")
    clocked.threads.work()
    clocked.add(*(bytes([number]) * (1 << 20) for number in range(8)))
    clocked.threads.work()
    assert [1, 8] == clocked.adopted


def test_hurry(clocked: Made) -> None:
    """At the end nothing gathers any more."""
    clocked.add(b"first")
    clocked.threads.work()
    clocked.add(b"second")
    clocked.backlog.hurry()
    clocked.threads.work()
    clocked.add(b"third")
    clocked.threads.work()
    assert [True] * 3 == clocked.stored(b"first", b"second", b"third")
    assert [] == clocked.clock.getDelayedCalls()
