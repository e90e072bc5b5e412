"""A file that grows while it is read."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from twisted_pulp.errors import StorageError, StorageFull
from twisted_pulp.streamer._backlog import storage_error
from twisted_pulp.streamer._growing import GrowingFile


@pytest.fixture
def growing(tmp_path: Path) -> GrowingFile:
    """One in a directory of its own."""
    return GrowingFile(str(tmp_path / "f"))


def content(growing: GrowingFile) -> bytes:
    """Return what is in it."""
    return Path(growing.path).read_bytes()


def test_write(growing: GrowingFile) -> None:
    """Bytes are added in order, and it is told how many there are."""
    assert (3, None) == growing.write([b"a", b"bc"])
    assert (5, None) == growing.write([b"de"])
    assert b"abcde" == content(growing)
    growing.close(remove=True)
    assert not os.path.exists(growing.path)


def test_nothing(growing: GrowingFile) -> None:
    """Without a byte there is no file."""
    assert growing.finish() is None
    growing.close(remove=True)
    assert not os.path.exists(growing.path)


def test_same_again(growing: GrowingFile) -> None:
    """The same bytes again change nothing, however they are divided, and it goes on behind them."""
    growing.write([b"abcdef"])
    growing.restart()
    assert (4, None) == growing.write([b"ab", b"cd"])
    assert b"abcdef" == content(growing)
    assert (8, None) == growing.write([b"efgh"])
    assert b"abcdefgh" == content(growing)
    assert growing.finish() is None
    growing.close(remove=True)


@pytest.mark.parametrize("at", [0, 1, 3, 5])
def test_others(growing: GrowingFile, at: int) -> None:
    """From the first byte that differs on, the new bytes take the place of the old ones."""
    new = b"abcdef"[:at] + b"X" + b"abcdef"[at + 1 :]
    growing.write([b"abcdef"])
    growing.restart()
    assert (6, at) == growing.write([new])
    assert new == content(growing)
    growing.close(remove=True)


def test_others_in_second_block(growing: GrowingFile) -> None:
    """Long bodies are compared piece by piece."""
    old = bytes(600 << 10)
    new = old[: 500 << 10] + b"\1" + old[(500 << 10) + 1 :]
    growing.write([old])
    growing.restart()
    assert (600 << 10, 500 << 10) == growing.write([new])
    assert new == content(growing)
    growing.close(remove=True)


def test_fewer(growing: GrowingFile) -> None:
    """A body that ends earlier the second time makes the file shorter."""
    growing.write([b"abcdef"])
    growing.restart()
    growing.write([b"abc"])
    assert 3 == growing.finish()
    assert b"abc" == content(growing)
    growing.close(remove=False)
    assert b"abc" == content(growing)


def test_exclusive(growing: GrowingFile) -> None:
    """A file that is there already is left alone."""
    Path(growing.path).write_bytes(b"other")
    with pytest.raises(StorageError):
        growing.write([b"a"])
    growing.close(remove=True)
    assert b"other" == content(growing)


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, StorageFull), (errno.EIO, StorageError)])
def test_error(number: int, kind: type[Exception]) -> None:
    """What the disk says becomes an error of the storage; a full disk is told apart."""
    error = storage_error(OSError(number, "words"), "p")
    assert kind is type(error)
    assert "words" in str(error)


def test_finish_fails(growing: GrowingFile) -> None:
    """A file that cannot be made shorter is an error."""
    growing.write([b"abcdef"])
    growing.restart()
    growing.write([b"abc"])
    os.close(growing.fd)
    with pytest.raises(StorageError):
        growing.finish()
    growing.fd = -1
    os.unlink(growing.path)


def test_close_twice(growing: GrowingFile) -> None:
    """To close it again, or when it is gone, does nothing."""
    growing.write([b"a"])
    os.unlink(growing.path)
    growing.close(remove=True)
    growing.close(remove=True)


def test_put(growing: GrowingFile) -> None:
    """A part may be there before the rest; the same bytes again change nothing."""
    growing.put(6, [b"gh", b"i"])
    growing.put(9, [b"j"])
    assert (5, None) == growing.write([b"abcde"])
    assert (12, None) == growing.write([b"fghi", b"jkl"])
    assert b"abcdefghijkl" == content(growing)
    assert growing.finish() is None
    growing.close(remove=True)


@pytest.mark.parametrize("at", [6, 7, 8])
def test_put_others(growing: GrowingFile, at: int) -> None:
    """The first byte of a part that is another is told, and what came in order takes its place."""
    wrong = bytearray(b"ghi")
    wrong[at - 6] = 0
    growing.put(6, [bytes(wrong)])
    growing.put(20, [b"xyz"])
    assert (10, at) == growing.write([b"abcd", b"efghij"])
    assert b"abcdefghij" == content(growing)[:10]
    assert growing.finish() is None
    assert b"abcdefghij" == content(growing)
    growing.close(remove=True)


def test_put_behind(growing: GrowingFile) -> None:
    """What has come in order stays, whatever a part says later."""
    growing.write([b"abcdef"])
    growing.put(2, [b"XXXX"])
    growing.put(4, [b"XXgh"])
    assert b"abcdefgh" == content(growing)
    assert (8, None) == growing.write([b"gh"])
    growing.close(remove=True)


def test_put_before_others(growing: GrowingFile) -> None:
    """Other bytes in order take the place of parts, too."""
    growing.write([b"abc"])
    growing.put(5, [b"fg"])
    growing.restart()
    assert (3, 1) == growing.write([b"aXc"])
    assert b"aXc" == content(growing)
    assert (7, None) == growing.write([b"1234"])
    growing.close(remove=True)
