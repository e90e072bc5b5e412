"""What is on its way to the disk, and how much of it there may be."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from tests.fakes import Producer, Threads, done, head, result_of
from twisted_pulp.transfer import FileTarget, Place
from twisted_pulp.transfer._range import Version

KIB, MIB = 1 << 10, 1 << 20
SIZE = 64 * MIB
VERSION = Version("http://h/f", '"v1"', None)


class Counting(Threads):
    """
    Threads that count their calls.

    :ivar quiet: those of which only a failure is told.
    :ivar calls: all of them.
    """

    def __init__(self, **more: Any) -> None:
        super().__init__(late=True, **more)
        self.quiet = self.calls = 0

    def quietly(self, *args: Any) -> Any:
        self.quiet += 1
        return super().quietly(*args)

    def __call__(self, *args: Any) -> Any:
        self.calls += 1
        return super().__call__(*args)


class Reads(Producer):
    """A producer that can send larger pieces."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int | None] = []

    def read_by(self, size: int | None) -> None:
        self.sizes.append(size)

    @property
    def size(self) -> int:
        """Bytes of its next piece."""
        return (self.sizes and self.sizes[-1]) or 256 * KIB


def started(path: Path, threads: Threads, producer: Producer) -> FileTarget:
    """Return the target of a large file at *path*, whose bytes come from *producer*."""
    target = FileTarget(Place.at(str(path)), threads, ())  # type: ignore[arg-type]
    target.begin(head(0, SIZE), VERSION)
    target.registerProducer(producer, True)
    threads.work()
    return target


def end(target: FileTarget, threads: Threads) -> None:
    """Give everything back."""
    threads.late = False
    threads.work()
    done(target.close(keep=False))


def on_disk(target: FileTarget) -> int:
    """Return the size of the partial file."""
    assert target.path is not None
    return os.stat(target.path).st_size


def test_quiet(tmp_path: Path) -> None:
    """A disk that keeps up wakes nobody: no answer comes, and nothing is paused."""
    threads, reads = Counting(), Reads()
    target = started(tmp_path / "file", threads, reads)
    before = threads.calls
    for _ in range(16):
        target.write(bytes(MIB))
        threads.work()
    assert (16, before + 16, []) == (threads.quiet, threads.calls, reads.told)
    assert 16 * MIB == on_disk(target)
    end(target, threads)


@pytest.mark.parametrize("size", [MIB, MIB - 1, 256 * KIB, 100 * KIB, 900 * KIB])
def test_most(tmp_path: Path, size: int) -> None:
    """Of one file at most 4 MiB wait, however they come; and it goes on once the disk has done some."""
    threads, reads = Threads(late=True), Reads()
    target = started(tmp_path / "file", threads, reads)
    for _ in range(5):
        while not reads.paused:
            target.write(bytes(size))
        assert 4 * MIB >= target.size - on_disk(target)
        before = on_disk(target)
        while reads.paused:
            threads.work(1)
        assert before < on_disk(target)
    assert reads.sizes == [MIB]
    end(target, threads)


@pytest.mark.parametrize("count", [2, 6, 16, 50])
def test_most_of_many(tmp_path: Path, count: int) -> None:
    """All files together have no more waiting than their high-water marks and a read each."""
    threads = Threads(late=True)
    files = []
    for number in range(count):
        threads.high_water = min(4 * MIB, max(256 * KIB, (24 << 20) // (number + 1)))
        files.append((reads := Reads(), started(tmp_path / str(number), threads, reads)))
    for _ in range(40):
        for reads, target in files:
            if not reads.paused:
                target.write(bytes(reads.size))
    assert all(reads.paused for reads, _ in files)
    waiting = sum(target.size - on_disk(target) for _, target in files)
    assert count * (threads.high_water + 256 * KIB) + MIB >= waiting
    for _, target in files:
        end(target, threads)


def test_company(tmp_path: Path) -> None:
    """A file that is alone is read in large pieces, until another comes, and again when that has ended."""
    threads, one, two = Threads(late=True), Reads(), Reads()
    first = started(tmp_path / "one", threads, one)
    assert [MIB] == one.sizes
    second = started(tmp_path / "two", threads, two)
    first.write(bytes(2 * MIB))
    assert ([MIB, None], []) == (one.sizes, two.sizes)
    end(second, threads)
    first.write(bytes(2 * MIB))
    assert [MIB, None, MIB] == one.sizes
    end(first, threads)
    assert [MIB, None, MIB] == one.sizes[:3]


def test_less_room(tmp_path: Path) -> None:
    """Who was paused goes on in the end, even if there is less room by then."""
    threads, reads = Threads(late=True), Reads()
    target = started(tmp_path / "file", threads, reads)
    while not reads.paused:
        target.write(bytes(MIB))
    threads.high_water = 256 * KIB
    threads.work(2)
    assert reads.paused
    threads.work()
    assert not reads.paused
    end(target, threads)


def test_told_late(tmp_path: Path) -> None:
    """An answer that comes after the end does nothing."""
    threads, reads = Threads(late=True), Reads()
    target = started(tmp_path / "file", threads, reads)
    target.write(bytes(4 * MIB))
    target.unregisterProducer()
    closing = Deferred.fromCoroutine(target.close(keep=False))  # type: ignore[arg-type]
    told = list(reads.told)
    threads.work()
    result_of(closing)
    assert (told, 0) == (reads.told, threads.active)
