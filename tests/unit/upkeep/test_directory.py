"""The data directory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import CancelledError
from twisted.internet.task import deferLater
from twisted.logger import LogEvent, eventAsText, globalLogPublisher

from tests.servers.reactor import IReactor
from twisted_pulp.catalog import remotes, repositories, versions
from twisted_pulp.errors import DataInUse, KeyRefused, StorageError
from twisted_pulp.settings import Remote
from twisted_pulp.upkeep import DataDirectory

NOW = 1_000_000_000.0


@ensureDeferred
async def test_layout(reactor: IReactor, tmp_path: Path) -> None:
    """Everything has its place in the directory, which is made."""
    data = await DataDirectory.open(reactor, tmp_path / "a" / "b", write=True)
    await data.close()
    found = {name for name in os.listdir(tmp_path / "a" / "b") if not name.startswith("catalog.sqlite-")}
    assert {"catalog.sqlite", "storage", "locks"} == found - {"key"}
    assert {"artifact", "tmp"} <= set(os.listdir(tmp_path / "a" / "b" / "storage"))


@ensureDeferred
async def test_storage_elsewhere(reactor: IReactor, tmp_path: Path) -> None:
    """The bytes may be elsewhere."""
    data = await DataDirectory.open(reactor, tmp_path / "a", storage=str(tmp_path / "b"), write=True)
    await data.close()
    assert {"artifact", "tmp"} <= set(os.listdir(tmp_path / "b"))
    assert not (tmp_path / "a" / "storage").exists()


@ensureDeferred
async def test_one_writes(reactor: IReactor, tmp_path: Path) -> None:
    """While one writes others read, and a second writer is told, or waits."""
    first = await DataDirectory.open(reactor, tmp_path, write=True)
    reader = await DataDirectory.open(reactor, tmp_path)
    assert [] == list(await reader.catalog.read(repositories.list))
    await reader.close()
    with pytest.raises(DataInUse):
        await DataDirectory.open(reactor, tmp_path, write=True, wait=False)
    told: list[int | None] = []
    waiting = DataDirectory.open(reactor, tmp_path, write=True, busy=told.append)
    while not told:
        await deferLater(reactor, 0.01)
    assert (False, [os.getpid()]) == (waiting.called, told)
    await first.close()
    await (await waiting).close()


@ensureDeferred
async def test_wait_cancelled(reactor: IReactor, tmp_path: Path) -> None:
    """A wait that is cancelled leaves nothing open."""
    first = await DataDirectory.open(reactor, tmp_path, write=True)
    told: list[Any] = []
    waiting = DataDirectory.open(reactor, tmp_path, write=True, busy=told.append)
    while not told:
        await deferLater(reactor, 0.01)
    waiting.cancel()
    with pytest.raises(CancelledError):
        await waiting
    await first.close()


@ensureDeferred
async def test_recovered(reactor: IReactor, tmp_path: Path) -> None:
    """A writer undoes the versions that a killed process was making; a reader leaves them."""
    data = await DataDirectory.open(reactor, tmp_path, write=True)
    row = await data.catalog.write(repositories.create, "a", "file", NOW)
    draft = await data.catalog.write(versions.begin, row.id, NOW)
    await data.close()  # as a process that is killed leaves it
    reader = await DataDirectory.open(reactor, tmp_path)
    await reader.catalog.write(versions.seen, draft, [])
    await reader.close()
    data = await DataDirectory.open(reactor, tmp_path, write=True)
    assert 0 == await data.catalog.write(versions.recover)
    await data.close()


@ensureDeferred
async def test_temporaries(reactor: IReactor, tmp_path: Path) -> None:
    """A writer removes the temporary files that a killed process has left."""
    data = await DataDirectory.open(reactor, tmp_path, write=True)
    left = Path(data.storage.temporary("0" * 64))
    left.write_bytes(b"half")
    os.utime(left, (NOW, NOW))
    await data.close()
    await (await DataDirectory.open(reactor, tmp_path)).close()
    assert left.exists()
    await (await DataDirectory.open(reactor, tmp_path, write=True)).close()
    assert not left.exists()


@ensureDeferred
async def test_no_directory(reactor: IReactor, tmp_path: Path) -> None:
    """A place where nothing can be kept is named, with the reason."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"file.*: Not a directory"):
        await DataDirectory.open(reactor, tmp_path / "file" / "data")


@ensureDeferred
async def test_bad_database(reactor: IReactor, tmp_path: Path) -> None:
    """When the catalog cannot be opened, everything else is given back."""
    with pytest.raises(Exception, match="database"):
        await DataDirectory.open(reactor, tmp_path, database="mysql://h/d", write=True)
    await (await DataDirectory.open(reactor, tmp_path, write=True, wait=False)).close()


# Whose directory it is


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o702])
@ensureDeferred
async def test_everybody_may_write(reactor: IReactor, tmp_path: Path, mode: int) -> None:
    """A directory in which everybody may write is refused before anything is made there; to read it does no harm."""
    path = tmp_path / "data"
    await (await DataDirectory.open(reactor, path, write=True)).close()
    path.chmod(mode)
    before = sorted(path.iterdir())
    with pytest.raises(StorageError, match="everybody may write there: chmod o-w"):
        await DataDirectory.open(reactor, path, write=True)
    assert before == sorted(path.iterdir())
    await (await DataDirectory.open(reactor, path)).close()


@pytest.mark.parametrize(("mode", "said"), [(0o777, 1), (0o1777, 0), (0o770, 0)])
@ensureDeferred
async def test_everybody_may_replace(reactor: IReactor, tmp_path: Path, mode: int, said: int) -> None:
    """Where everybody may put another in its place, that is said; not where only owners may rename."""
    parent = tmp_path / "parent"
    parent.mkdir()
    parent.chmod(mode)
    events: list[LogEvent] = []
    globalLogPublisher.addObserver(events.append)
    await (await DataDirectory.open(reactor, parent / "data", write=True)).close()
    globalLogPublisher.removeObserver(events.append)
    expected = f"everybody may put another directory in the place of {parent / 'data'}: chmod o-w {parent}"
    assert said == [eventAsText(event, includeTimestamp=False, includeSystem=False) for event in events].count(expected)


@ensureDeferred
async def test_planted_key(reactor: IReactor, tmp_path: Path) -> None:
    """A key that is a link is not read, nor is what it leads to changed."""
    (tmp_path / "elsewhere").write_bytes(b"old")
    path = tmp_path / "data"
    path.mkdir()
    (path / "key").symlink_to(tmp_path / "elsewhere")
    data = await DataDirectory.open(reactor, path, write=True)
    with pytest.raises(KeyRefused, match="cannot be read"):
        await data.catalog.write(remotes.create, "a", Remote(username="a", password="b"), NOW, key=data.catalog.key)
    await data.close()
    assert b"old" == (tmp_path / "elsewhere").read_bytes()
