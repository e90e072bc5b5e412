"""Rows 71, 72 and 76, and R3 of the threats: very many downloads, and output that cannot be written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred

from tests.integration.faults.inside import body_of
from tests.integration.faults.program import CLI, INSIDE, Start
from tests.servers.scripted import Scripted, ok

_CROWD = "from tests.integration.faults.crowd import main; main()"
linux = pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")


@pytest.mark.limit(600)
@pytest.mark.parametrize("way", ["each", "all"])
@ensureDeferred
async def test_row_72_generator(start: Start, way: str, campaign_count: Callable[[int, int], int]) -> None:
    """Row 72, R3: a generator of a million downloads is pulled lazily, and adds less than 64 MiB."""
    count = campaign_count(20_000, 1_000_000)
    program = start(_CROWD, json.dumps({"count": count, "way": way, "concurrency": 8}))
    assert 0 == await program.ended(500), program.said
    found = program.result
    assert count == found["taken"]
    assert found["ahead"] <= 2 * 8
    # Fewer items must need less: a leak of 64 bytes for each would be 64 MiB for a million.
    assert found["grown"] < min(64 << 20, (4 << 20) + 64 * count)


@pytest.mark.limit(600)
@ensureDeferred
async def test_row_71_little_memory(
    start: Start, scripted: Scripted, campaign_count: Callable[[int, int], int]
) -> None:
    """Row 71: with very many items, and 40 large files at once from a fast server, the process stays below 200 MiB."""
    count = campaign_count(20_000, 1_000_000)
    crowd = start(_CROWD, json.dumps({"count": count, "way": "each", "concurrency": 1000}))
    size = 4 << 20
    whole = body_of(0, size)
    scripted.default = lambda _: ok(whole)
    given = {"url": scripted.url(""), "count": 40, "size": size, "concurrency": 40, "connections": 40}
    large = start(INSIDE, "large", json.dumps(given))
    assert 0 == await crowd.ended(500), crowd.said
    assert crowd.result["peak"] <= 200 << 20
    assert 0 == await large.ended(60), large.said
    assert 40 == large.result["succeeded"]
    assert large.result["peak"] <= 200 << 20


def _closed_pipe() -> int:
    reading, writing = os.pipe()
    os.close(reading)
    return writing


@linux
@pytest.mark.parametrize("which", ["stdout", "stderr", "both"])
@pytest.mark.parametrize("kind", ["closed", "full"])
@ensureDeferred
async def test_row_76_output(start: Start, scripted: Scripted, tmp_path: Path, kind: str, which: str) -> None:
    """Row 76: where output goes to a full disk or a closed pipe the files come all the same, and nothing crashes."""
    bodies = {f"file-{n}": body_of(n, 300_000) for n in range(5)}
    scripted.default = lambda request: ok(bodies[request.path[1:].decode()])
    stream = _closed_pipe() if kind == "closed" else os.open("/dev/full", os.O_WRONLY)
    streams = {each: stream for each in ("stdout", "stderr") if which in (each, "both")}
    try:
        program = start(CLI, "get", *[scripted.url(f"/{name}") for name in bodies], "-d", tmp_path / "out", **streams)
        await program.ended()
    finally:
        os.close(stream)
    assert program.popen.returncode in (0, 1)  # no signal, and no usage error
    assert bodies == {name: (tmp_path / "out" / name).read_bytes() for name in bodies}
    assert "Traceback" not in program.said


@linux
@ensureDeferred
async def test_row_76_log_disk_full(start: Start, scripted: Scripted) -> None:
    """Row 76: a log that cannot be written does not end the downloads that it is about."""
    scripted.default = lambda request: ok(body_of(int(request.path[1:]), 1000))
    code = "import sys; from twisted.python import log; log.startLogging(open('/dev/full', 'w'), False);" + INSIDE
    given = {"url": scripted.url(""), "count": 20, "size": 1000}
    program = start(code, "fetched", json.dumps(given), stderr=subprocess.DEVNULL)
    assert 0 == await program.ended(), program.said
    assert [None] * 20 == [report["error"] for report in program.result]
