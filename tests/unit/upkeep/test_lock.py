"""The writer's lock."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from twisted_pulp.errors import DataInUse, StorageError
from twisted_pulp.upkeep import WriterLock


def taken(lock: WriterLock, **options: Any) -> Deferred[None]:
    """Begin to take *lock*."""
    return Deferred.fromCoroutine(lock.acquire(**options))


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return the path of the lock of a data directory."""
    (tmp_path / "data" / "locks").mkdir(parents=True)
    return str(tmp_path / "data" / "locks" / "writer")


def test_free(clock: Clock, path: str) -> None:
    """A lock that is free is taken at once; the file says by whom."""
    lock = WriterLock(clock, path)
    assert taken(lock).called
    assert f"{os.getpid()}\n" == Path(path).read_text()
    lock.release()
    lock.release()


def test_waits(clock: Clock, path: str) -> None:
    """Who finds it taken says so once, and has it when the other one has ended."""
    first, second = WriterLock(clock, path), WriterLock(clock, path)
    taken(first)
    told: list[int | None] = []
    waiting = taken(second, busy=told.append)
    clock.pump([0.1] * 5)
    assert (False, [os.getpid()]) == (waiting.called, told)
    first.release()
    clock.advance(0.1)
    assert waiting.called
    second.release()
    assert [] == clock.getDelayedCalls()


def test_told(clock: Clock, path: str) -> None:
    """Who does not wait is told which process writes, and where."""
    first, second = WriterLock(clock, path), WriterLock(clock, path)
    taken(first)
    errors: list[Any] = []
    taken(second, wait=False).addErrback(lambda failure: errors.append(failure.trap(DataInUse) and failure.value))
    first.release()
    data = str(Path(path).parents[1])
    assert [(data, os.getpid(), f"{data}: process {os.getpid()} writes there")] == [
        (error.path, error.pid, str(error)) for error in errors
    ]


def test_nobody_known(clock: Clock, path: str) -> None:
    """Where the file does not say who writes it is somebody else."""
    first, second = WriterLock(clock, path), WriterLock(clock, path)
    taken(first)
    Path(path).write_text("")
    errors: list[str] = []
    taken(second, wait=False).addErrback(lambda failure: errors.append(str(failure.value)))
    first.release()
    assert 1 == len(errors)
    assert errors[0].endswith(": another process writes there")


def test_cancelled(clock: Clock, path: str) -> None:
    """A wait that is cancelled leaves no timer, and no lock."""
    first, second, third = (WriterLock(clock, path) for _ in range(3))
    taken(first)
    waiting = taken(second)
    waiting.cancel()
    waiting.addErrback(lambda failure: failure.trap(CancelledError))
    first.release()
    assert ([], True) == (clock.getDelayedCalls(), taken(third).called)
    third.release()


def test_link(clock: Clock, tmp_path: Path, path: str) -> None:
    """A link in its place is not followed."""
    (tmp_path / "elsewhere").write_text("kept")
    os.symlink(tmp_path / "elsewhere", path)
    errors: list[type[BaseException]] = []
    taken(WriterLock(clock, path)).addErrback(lambda failure: errors.append(failure.type))
    assert ([StorageError], "kept") == (errors, (tmp_path / "elsewhere").read_text())
