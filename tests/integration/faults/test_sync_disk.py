"""Rows 56 and 58 to 60 for syncs: killed at each call that makes something durable; disks that fail, or are full."""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_twisted import async_fixture, ensureDeferred

from tests.integration.faults.forks import Fork, Forks
from tests.integration.faults.kept import looked
from tests.integration.faults.rights import MOUNT, strace, tmpfs, traced
from tests.integration.faults.upstream import Upstream
from tests.servers.scripted import Scripted

StartForks = Callable[..., Forks]
_SYNC = ("--repository", "one", "--mirror", "--fsync")
# Calls, and the first and last of them, in each thread, that the first sync of forty files makes.
_POINTS = {
    "fsync": (1, 30),
    "fdatasync": (1, 4),
    "pwrite64": (1, 200),
    "rename,renameat,renameat2": (1, 10),
    "mkdir,mkdirat": (1, 15),
    "unlink,unlinkat": (1, 2),
}


@async_fixture
async def upstream(scripted: Scripted, rng: random.Random) -> Upstream:
    """Forty files."""
    made = Upstream(scripted, rng)
    made.add(39)
    made.add(1, 100_000)
    return made


async def completed(forks: Forks, data: Path, upstream: Upstream, *options: object) -> None:
    """Look that the next sync completes, and that nothing is damaged then, left behind, or lost."""
    before = looked(data)
    assert {} == before.versions or {1: upstream.units} == before.versions
    said = await run(forks, data, upstream, *options)
    assert ([], 40) == (said.result()["failed"], said.result()["present"])
    kept = looked(data)
    assert {1: upstream.units} == kept.versions
    assert before.stored.items() <= kept.stored.items()
    assert [] == os.listdir(data / "storage" / "tmp")
    verified = await forks.run("--json", "--data", data, "verify")
    assert (41, 0) == (verified.result()["checked"], verified.result()["damaged"])  # the manifest is kept, too


async def run(forks: Forks, data: Path, upstream: Upstream, *options: object) -> Fork:
    """Sync."""
    return await forks.run("--json", "--data", data, "sync", "file", upstream.url, *_SYNC, *options)


@strace
@pytest.mark.limit(3000)
@pytest.mark.parametrize("call", _POINTS)
@ensureDeferred
async def test_row_56_killed_at(
    start_forks: StartForks,
    forks: Forks,
    tmp_path: Path,
    upstream: Upstream,
    rng: random.Random,
    campaign_count: Callable[[int, int], int],
    call: str,
) -> None:
    """Row 56: killed at a call that makes something durable, a sync has lost nothing, and the next one completes."""
    for number in range(campaign_count(1, 20)):
        when = rng.randint(*_POINTS[call])
        data = tmp_path / f"data-{number}"
        killed = await run(start_forks(*traced(call, f"signal=KILL:when={when}")), data, upstream)
        assert -signal.SIGKILL == killed.status, (when, killed.err)
        await completed(forks, data, upstream)


@strace
@pytest.mark.limit(300)
@pytest.mark.parametrize(
    ("call", "what", "words"),
    [
        ("fsync", "error=EIO:when=3+", "Input/output error"),
        ("fdatasync", "error=EIO:when=2+", "disk I/O error"),
        ("pwrite64", "error=EIO:when=120+", "disk I/O error"),
        ("pwrite64", "error=ENOSPC:when=120+", "full"),
        ("rename,renameat,renameat2", "error=EACCES:when=1+", "Permission denied"),
        ("mkdir,mkdirat", "error=ENOSPC:when=9+", "No space left"),
    ],
)
@ensureDeferred
async def test_row_58_failing(
    start_forks: StartForks, forks: Forks, tmp_path: Path, upstream: Upstream, call: str, what: str, words: str
) -> None:
    """Row 58: a disk that refuses again and again fails the sync in a line that says so; the next one completes."""
    failed = await run(start_forks(*traced(call, what)), tmp_path / "data", upstream)
    assert 1 == failed.status, failed.err
    assert "failed: " in failed.err
    assert words in failed.err
    assert "Traceback" not in failed.err
    assert None is failed.result(1).get("version")
    await completed(forks, tmp_path / "data", upstream)


@tmpfs
@pytest.mark.limit(300)
@pytest.mark.parametrize(("what", "left"), [("storage", 80_000), ("catalog", 40_000), ("catalog", 0), ("inodes", 20)])
@ensureDeferred
async def test_rows_59_60_full(
    start_forks: StartForks, tmp_path: Path, upstream: Upstream, what: str, left: int
) -> None:
    """Rows 59 and 60: a disk without room, or inodes, fails the sync, typed; when it has some again, that completes."""
    disk, data = tmp_path / "disk", tmp_path / "data"
    disk.mkdir()
    data.mkdir()
    if what != "catalog":
        (data / "storage").symlink_to(disk)
        database: tuple[object, ...] = ()
    else:
        database = ("--database", f"sqlite:///{disk}/catalog.sqlite")
    forks = start_forks("unshare", "-rm", "sh", "-c", MOUNT, "sh", "size=1200k,nr_inodes=500", str(disk))
    await forks.run("--data", data, *database, "repository", "list")  # now there is a catalog
    filler = forks.path(disk / "filler")
    facts = os.statvfs(filler.parent)
    if what == "inodes":
        filler.mkdir()
        for number in range(facts.f_ffree - 1 - left):
            (filler / str(number)).touch()
    else:
        filler.write_bytes(bytes(facts.f_bavail * facts.f_frsize - left))
    failed = await run(forks, data, upstream, *database)
    assert 1 == failed.status, failed.err
    assert "failed: " in failed.err
    assert ("full" if what == "catalog" else "No space left") in failed.err
    assert "Traceback" not in failed.err
    shutil.rmtree(filler) if what == "inodes" else filler.unlink()
    said = await run(forks, data, upstream, *database)
    assert ([], 1, 40) == tuple(said.result()[key] for key in ("failed", "version", "present"))
    verified = await forks.run("--json", "--data", data, *database, "verify")
    assert 0 == verified.result()["damaged"]
