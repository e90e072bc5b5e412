"""Row 70, and processes that are stopped or killed: time and life itself are interrupted."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.task import deferLater

from tests.integration.faults.inside import body_of
from tests.integration.faults.invariants import Finals, sha256
from tests.integration.faults.program import CLI, INSIDE, Start
from tests.servers.programs import missing, require
from tests.servers.reactor import IReactor
from tests.servers.scripted import Answer, Scripted, ranged

_JUMP = "from tests.integration.faults.jump import main; main()"
_LIBRARIES = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
]
linux = pytest.mark.skipif(sys.platform != "linux", reason="the wall clock is moved by LD_PRELOAD")


async def jump(start: Start, scripted: Scripted, directory: Path, by: str, monotonic: bool) -> Any:
    """Run `jump.py` under libfaketime."""
    require("faketime")
    library = next((each for each in _LIBRARIES if Path(each).exists()), None) or missing("libfaketime is elsewhere")
    moved = directory / "moved"
    moved.write_text("+0")
    body = body_of(1, 200_000)
    scripted.on(b"/file", [ranged(body, delay=0.1)])  # 1.3 s
    environment = {
        "LD_PRELOAD": library,
        "FAKETIME_TIMESTAMP_FILE": str(moved),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    given = {"file": str(moved), "by": by, "url": scripted.url("/file"), "size": len(body), "monotonic": monotonic}
    program = start(_JUMP, json.dumps(given), environment=environment)
    assert 0 == await program.ended(), program.said
    return program.result


@linux
@pytest.mark.parametrize("by", ["-1h", "+1h", "+3650d", "-3650d"])
@ensureDeferred
async def test_row_70_jump(start: Start, scripted: Scripted, tmp_path: Path, by: str) -> None:
    """Row 70, T1: on the monotonic clock a jump of the wall clock stops no timer, fires none and fails no download."""
    # Others on the machine can delay any timer, but not in every run; what the clock does, it does in every run.
    for run in range(3):
        (tmp_path / str(run)).mkdir()
        found = await jump(start, scripted, tmp_path / str(run), by, monotonic=True)
        assert (True, None) == (found["done"], found["error"])
        assert {"second"} == set(found["fired"])
        assert found["fired"]["second"] >= 1.0
        if found["fired"]["second"] <= 1.05 and found["ticks"] >= 30:
            return
    pytest.fail(f"late in three runs: {found}")


@linux
@ensureDeferred
async def test_row_70_trap_back(start: Start, scripted: Scripted, tmp_path: Path) -> None:
    """Row 70, T1: on the stock clock a jump back of an hour stops every timer: the trap."""
    found = await jump(start, scripted, tmp_path, "-1h", monotonic=False)
    assert {} == found["fired"]
    assert found["ticks"] <= 12


@linux
@ensureDeferred
async def test_row_70_trap_forth(start: Start, scripted: Scripted, tmp_path: Path) -> None:
    """Row 70, T1: on the stock clock a jump of an hour ahead fires a timer of a minute at once: the trap."""
    found = await jump(start, scripted, tmp_path, "+1h", monotonic=False)
    assert found["fired"]["minute"] < 2


@ensureDeferred
async def test_row_70_stopped(start: Start, scripted: Scripted, reactor: IReactor) -> None:
    """Row 63 for downloads: a process that is stopped for longer than every timeout goes on, and none of them fires."""
    size = 300_000
    scripted.default = lambda request: ranged(body_of(int(request.path[1:]), size), delay=0.05)(request)
    given = {"url": scripted.url(""), "count": 4, "size": size, "idle": 1, "headers": 1}
    program = start(INSIDE, "fetched", json.dumps(given))
    await program.until(lambda: scripted.bytes_sent > size)
    program.send(signal.SIGSTOP)
    await deferLater(reactor, 2.5)
    program.send(signal.SIGCONT)
    assert 0 == await program.ended(), program.said
    assert [(None, 1)] * 4 == [(report["error"], report["attempts"]) for report in program.result]


@pytest.mark.leaves_partials
@pytest.mark.parametrize("by", ["library", "command line"])
@ensureDeferred
async def test_killed_and_resumed(
    start: Start,
    scripted: Scripted,
    reactor: IReactor,
    rng: random.Random,
    tmp_path: Path,
    by: str,
    campaign_count: Callable[[int, int], int],
) -> None:
    """Killed with -9 in the middle of a large file: the next run resumes by Range, and the final path shows no part."""
    body = rng.randbytes(40 << 20)
    slow: list[Answer] = [ranged(body, delay=0.0005)] * campaign_count(2, 20)
    scripted.on(b"/file", [*slow, ranged(body)])
    target = tmp_path / "file"
    finals = Finals(reactor)
    finals.allow(target, [body])
    url, digest = scripted.url("/file"), sha256(body)

    def run() -> Any:
        if by == "library":
            return start(INSIDE, "kept", json.dumps({"url": url, "path": str(target), "sha256": digest}))
        return start(CLI, "get", url, "-o", target, "--digest", f"sha256:{digest}")

    finals.start()
    for number in range(len(slow)):
        program = run()
        # A note is made every 16 MiB.
        least = scripted.bytes_sent + (17 << 20) * (number == 0) + rng.randrange(10 << 20)
        await program.until(lambda least=least: scripted.bytes_sent >= least)
        program.send(signal.SIGKILL)
        assert -signal.SIGKILL == await program.ended()
        assert not target.exists()
    program = run()
    assert 0 == await program.ended(), program.said
    finals.stop()
    assert digest == sha256(target.read_bytes())
    ranges = [request.header(b"Range") for request in scripted.requests]
    assert ranges[0] is None
    starts = [int((each or b"bytes=0-")[6:-1]) for each in ranges]
    assert 16 << 20 <= starts[1] <= starts[-1]
    assert [] == [name for name in os.listdir(tmp_path) if name.startswith(".file")]
