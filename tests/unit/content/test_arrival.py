"""Bytes on their way in: any pieces, any pace, any number of attempts."""

from __future__ import annotations

import hashlib
import os
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred, execute
from twisted.python.failure import Failure

from twisted_pulp.content._arrival import _ENOUGH, _TOO_MUCH, Arrival
from twisted_pulp.content._spool import Spool
from twisted_pulp.download import DownloadReport, Source
from twisted_pulp.errors import MetadataError, Truncated
from twisted_pulp.headers import Fields
from twisted_pulp.interfaces import Head
from twisted_pulp.testing import FakeProducer

URL = "http://site/metadata"


class Threads:
    """Calls what blocks when the test lets it."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Deferred[Any], Any]] = []
        self.held = False

    def __call__(self, f: Any, *args: Any) -> Deferred[Any]:
        if not self.held:
            return execute(f, *args)
        d: Deferred[Any] = Deferred()
        self.waiting.append((d, lambda: f(*args)))
        return d

    def work(self) -> None:
        """Do what waits, and what that leads to."""
        while self.waiting:
            d, do = self.waiting.pop(0)
            execute(do).chainDeferred(d)


def head(offset: int = 0, length: int | None = None) -> Head:
    """Return what precedes the bytes from *offset* on."""
    return Head(URL, 200, Fields(()), length, offset, Source(URL))


def arrival(path: Path, threads: Threads, waits: bool = False) -> Arrival:
    """Return one whose reader waits for all of it, or not."""
    return Arrival(URL, Spool(str(path / "spool"), threads), lambda _: waits)


class Reader:
    """Reads at once whatever it gets."""

    def __init__(self, arriving: Arrival) -> None:
        self.read = bytearray()
        self.ended = Deferred.fromCoroutine(self._run(arriving))
        self.ended.addErrback(lambda why: why)

    async def _run(self, arriving: Arrival) -> None:
        await arriving.ready()
        async for piece in arriving.pieces():
            self.read += piece


def test_at_once(tmp_path: Path) -> None:
    """What comes is given out at once, and nothing goes to the disk while it is little."""
    arriving = arrival(tmp_path, Threads())
    reader = Reader(arriving)
    arriving.begin(head())
    arriving.write(b"abc")
    assert b"abc" == reader.read
    arriving.write(b"def")
    arriving.end()
    assert (b"abcdef", True, []) == (reader.read, reader.ended.called, os.listdir(tmp_path))
    assert hashlib.sha256(b"abcdef").hexdigest() == arriving.sha256


def test_held(tmp_path: Path) -> None:
    """Who has to wait gets nothing before the end."""
    arriving = arrival(tmp_path, Threads(), waits=True)
    reader = Reader(arriving)
    arriving.begin(head())
    arriving.write(b"abc")
    assert b"" == reader.read
    arriving.end()
    assert b"abc" == reader.read


def test_failure(tmp_path: Path) -> None:
    """What the download fails with is the reader's failure, even before it has begun."""
    arriving = arrival(tmp_path, Threads(), waits=True)
    reader = Reader(arriving)
    arriving.end(Failure(Truncated(URL)))
    why: Any = reader.ended.result
    assert why.check(Truncated)
    reader.ended.addErrback(lambda _: None)


def test_disk(tmp_path: Path) -> None:
    """Much goes to a file in one piece after another; the upstream waits while the disk is behind, once."""
    threads, producer = Threads(), FakeProducer()
    arriving = arrival(tmp_path, threads)
    arriving.registerProducer(producer, True)
    arriving.begin(head())
    threads.held = True
    data = random.Random(1).randbytes(_TOO_MUCH + 10)
    arriving.write(data[: _ENOUGH - 1])
    assert [] == threads.waiting
    arriving.write(data[_ENOUGH - 1 : -10])
    arriving.write(data[-10:])
    assert (["pause"], 1) == (producer.told, len(threads.waiting))
    threads.work()
    assert ["pause", "resume"] == producer.told
    threads.held = False
    reader = Reader(arriving)
    arriving.end()
    arriving._spool.close()
    assert data == reader.read


def test_disk_full(tmp_path: Path) -> None:
    """What the disk refuses ends the reading."""
    arriving = Arrival(URL, Spool(str(tmp_path / "missing" / "spool"), Threads()), lambda _: False)
    reader = Reader(arriving)
    arriving.begin(head())
    arriving.write(b"x" * _ENOUGH)
    why: Any = reader.ended.result
    assert why.check(FileNotFoundError)
    reader.ended.addErrback(lambda _: None)


def test_planted(tmp_path: Path) -> None:
    """A file or link that is there already is not written to."""
    (tmp_path / "victim").write_bytes(b"mine")
    (tmp_path / "spool").symlink_to(tmp_path / "victim")
    arriving = arrival(tmp_path, Threads())
    arriving.begin(head())
    arriving.write(b"x" * _ENOUGH)
    reader = Reader(arriving)
    why: Any = reader.ended.result
    assert why.check(FileExistsError)
    assert b"mine" == (tmp_path / "victim").read_bytes()
    reader.ended.addErrback(lambda _: None)


@ensureDeferred
async def test_close(tmp_path: Path) -> None:
    """A spool that is closed leaves no file; one that was moved away meanwhile is no trouble."""
    spool = Spool(str(tmp_path / "spool"), Threads())
    spool.write(b"abc")
    await spool.flush()
    assert b"bc" == await spool.read(1)
    os.rename(tmp_path / "spool", tmp_path / "kept")
    await spool.close()
    assert ["kept"] == os.listdir(tmp_path)


@ensureDeferred
async def test_lines(tmp_path: Path) -> None:
    """Lines can be read again, from the file and from memory, whole."""
    spool = Spool(str(tmp_path / "spool"), Threads())
    lines = [b"line %d" % number for number in range(20_000)]
    text = b"\n".join(lines)
    spool.write(text[:150_001])
    await spool.flush()
    spool.write(text[150_001:])
    assert lines == [line async for batch in spool.lines() for line in batch]
    await spool.close()


@given(
    st.binary(min_size=1, max_size=300),
    st.lists(st.tuples(st.booleans(), st.integers(1, 300)), max_size=6),
    st.integers(1, 100),
    st.booleans(),
)
def test_any_attempts(
    tmp_path_factory: pytest.TempPathFactory,
    text: bytes,
    attempts: list[tuple[bool, int]],
    size: int,
    waits: bool,
) -> None:
    """However often it breaks off, and goes on or begins again: the reader gets the same bytes, once."""
    arriving = arrival(tmp_path_factory.getbasetemp(), Threads(), waits)
    reader, offset = Reader(arriving), 0
    for again, count in [*attempts, (False, len(text))]:
        offset = 0 if again else offset
        arriving.begin(head(offset))
        end = min(len(text), offset + count)
        for start in range(offset, end, size):
            arriving.write(text[start : min(end, start + size)])
        offset = end
    arriving.commit(DownloadReport(URL))
    arriving.end()
    assert text == reader.read


@given(st.binary(min_size=2, max_size=50), st.integers(0, 399))
def test_any_change(tmp_path_factory: pytest.TempPathFactory, text: bytes, bit: int) -> None:
    """Whatever bit is another one when it comes again, that is found before anything behind it is taken."""
    arriving = arrival(tmp_path_factory.getbasetemp(), Threads())
    arriving.begin(head())
    arriving.write(text)
    other = bytearray(text)
    other[bit // 8 % len(text)] ^= 1 << bit % 8
    arriving.begin(head())
    arriving.write(bytes(other[:-1]))
    with pytest.raises(MetadataError, match="changed"):
        arriving.write(bytes(other[-1:]) + b"more")


def test_shorter(tmp_path: Path) -> None:
    """Less than before is another one too."""
    arriving = arrival(tmp_path, Threads())
    arriving.begin(head())
    arriving.write(b"abc")
    arriving.begin(head())
    arriving.write(b"ab")
    with pytest.raises(MetadataError, match="changed"):
        arriving.commit(DownloadReport(URL))
