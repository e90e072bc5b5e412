"""Rows 55 to 60, as far as they are of storage: kills, failing calls, full disks, each with a process of its own."""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.task import deferLater

from tests.integration.faults.keeping import bodies
from tests.integration.faults.program import Program, Start
from tests.integration.faults.rights import MOUNT, strace, tmpfs, traced
from tests.servers.reactor import IReactor
from twisted_pulp.storage import DirectoryStorage

KEEPING = "from tests.integration.faults.keeping import main; main()"


def given(root: Path, **more: Any) -> str:
    """Return what the program is told."""
    return json.dumps({"root": str(root), "fsync": "full", "seed": 1, "count": 60, "largest": 4000} | more)


def lines(program: Program) -> list[dict[str, Any]]:
    """Return what *program* has said; the last line may be cut off."""
    return [json.loads(line) for line in program.out.read_text().splitlines(keepends=True) if line.endswith("\n")]


def stored(program: Program) -> set[str]:
    """Return what *program* has said to be stored."""
    return {sha for line in lines(program) for sha in line.get("stored", ())}


async def verified(reactor: IReactor, root: Path, told: set[str]) -> None:
    """Look that what was *told* is there, and everything that is there is whole; a start leaves no temporary file."""
    storage = await DirectoryStorage.open(reactor, root, fsync="none")
    await storage.recover()
    found = {sha: await storage.check(sha, size) async for sha, size, _ in storage.each()}
    await storage.close()
    assert {None} >= set(found.values())
    assert told <= found.keys()
    assert [] == [name for name in os.listdir(root / "tmp") if name.startswith(".")]


@pytest.mark.limit(300)
@ensureDeferred
async def test_row_55_killed(
    start: Start, reactor: IReactor, tmp_path: Path, rng: random.Random, campaign_count: Callable[[int, int], int]
) -> None:
    """Row 55: however often a process is killed, what it has said to be stored is, whole, and the next one finishes."""
    root, told = tmp_path / "storage", set()
    for number in range(campaign_count(6, 100)):
        program = start(
            KEEPING, given(root, count=4000, largest=40_000, seed=number, fsync=rng.choice(["none", "full"]))
        )
        await program.until(lambda program=program: stored(program))
        await deferLater(reactor, rng.uniform(0, 0.2))
        assert None is program.popen.poll()
        program.send(signal.SIGKILL)
        await program.ended()
        told |= stored(program)
        await verified(reactor, root, told)
    last = start(KEEPING, given(root))
    assert 0 == await last.ended(), last.said
    assert {sha256(body).hexdigest() for body in bodies(1, 60, 4000)} <= stored(last)


@strace
@pytest.mark.limit(300)
@pytest.mark.parametrize("call", ["fsync", "rename,renameat,renameat2", "mkdir,mkdirat"])
@ensureDeferred
async def test_row_56_killed_at(start: Start, reactor: IReactor, tmp_path: Path, call: str) -> None:
    """Row 56: a process that is killed at a call that matters has lost nothing that it has said to be stored."""
    for when in (1, 2, 11, 25):  # of each thread's calls
        root = tmp_path / str(when)
        program = start(KEEPING, given(root), before=traced(call, f"signal=KILL:when={when}"))
        assert -signal.SIGKILL == await program.ended(60), program.said
        if (root / "tmp").is_dir():
            await verified(reactor, root, stored(program))


@strace
@pytest.mark.limit(300)
@pytest.mark.parametrize(
    ("call", "errno"),
    [
        ("fsync", "EIO"),
        ("rename,renameat,renameat2", "EXDEV"),
        ("rename,renameat,renameat2", "EACCES"),
        ("rename,renameat,renameat2", "ENOSPC"),
    ],
)
@ensureDeferred
async def test_row_58_failing(start: Start, reactor: IReactor, tmp_path: Path, call: str, errno: str) -> None:
    """Row 58: a call that the kernel refuses again and again costs what it was for, typed, and nothing else."""
    root = tmp_path / "storage"
    program = start(KEEPING, given(root), before=traced(call, f"error={errno}:when=7+5"))
    assert 0 == await program.ended(60), program.said
    end = lines(program)[-1]
    assert end["errors"]
    assert {"StorageFull" if errno == "ENOSPC" else "StorageError"} == set(end["errors"])
    assert ([], len(stored(program))) == (end["damaged"], end["there"])
    assert 60 == len(stored(program)) + len(end["errors"])
    await verified(reactor, root, stored(program))


@tmpfs
@pytest.mark.limit(120)
@pytest.mark.parametrize("options", ["size=1m", "size=8m,nr_inodes=100"])
@ensureDeferred
async def test_rows_59_60_full(start: Start, tmp_path: Path, options: str) -> None:
    """Rows 59 and 60: on a full disk each that does not fit fails, typed; once there is room, all are stored."""
    disk = tmp_path / "disk"
    disk.mkdir()
    fill = 'mkdir "$1/filler" && (dd if=/dev/zero of="$1/filler/0" bs=1k count=900; i=0; while [ $i -lt 80 ]; do '
    fill += ': >"$1/filler/x$i" || break; i=$((i+1)); done) 2>/dev/null; shift; exec "$@"'
    before = ("unshare", "-rm", "sh", "-c", MOUNT, "sh", options, str(disk), "sh", "-c", fill, "sh", str(disk))
    program = start(
        KEEPING, given(disk / "storage", filler=str(disk / "filler"), count=20, largest=20_000), before=before
    )
    assert 0 == await program.ended(60), program.said
    first, last = [line for line in lines(program) if "errors" in line]
    assert "StorageFull" in first["errors"]
    assert {"StorageFull", "test: No space left on device"} >= set(first["errors"])
    assert ([], [], 20) == (first["damaged"], last["damaged"], last["there"])
    assert [] == last["errors"]
