"""What happens to a daemon: its clock, its log and its process are disturbed."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.task import deferLater

from tests.integration.daemon import Daemon
from tests.integration.process import Start
from tests.servers.programs import missing, require
from tests.servers.reactor import IReactor
from tests.servers.scripted import Scripted, ranged

BODY = b"x" * 100_000
DIGEST = hashlib.sha256(BODY).hexdigest()
_LIBRARIES = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
]


@pytest.fixture
def daemon(start_command: Start, reactor: IReactor, tmp_path: Path) -> Daemon:
    """A daemon that was not started yet, which may ask this machine."""
    (tmp_path / "settings.toml").write_text('[ssrf]\nallow = ["127.0.0.1"]\n[limits]\nreserve = 0\n')
    return Daemon(start_command, reactor, tmp_path / "data")


@pytest.mark.limit(240)
@ensureDeferred
async def test_row_63_stopped(
    daemon: Daemon,
    scripted: Scripted,
    tmp_path: Path,
    reactor: IReactor,
    campaign_count: Callable[[int, int], int],
) -> None:
    """Row 63: when a daemon was stopped for longer than timeouts and leases last, nothing has timed out or failed."""
    count, stopped = 8, campaign_count(5, 60)
    scripted.default = ranged(BODY, delay=0.1)
    settings = tmp_path / "settings.toml"
    timeouts = "timeouts = { connect = 3, headers = 3, idle = 3, low_speed = 3 }\nretry = { retries = 0 }\n"
    settings.write_text(
        f'{settings.read_text()}lease = 3\n[remotes.up]\nurl = "{scripted.url("/")}"\n{timeouts}', encoding="utf-8"
    )
    port = await daemon.start("--config", settings, "-q")
    items = [{"url": scripted.url(f"/{n}"), "path": str(n), "digests": {"sha256": DIGEST}} for n in range(count)]
    reply = await daemon.post(port, "/api/v1/downloads", {"items": items, "remote": "up"})
    assert 202 == reply.status, reply.body
    await daemon.process.until(lambda: len(scripted.requests) == count and scripted.bytes_sent > count * len(BODY) // 4)
    daemon.process.send(signal.SIGSTOP)
    await deferLater(reactor, stopped)
    daemon.process.send(signal.SIGCONT)
    await daemon.until(port, reply.headers["location"], "completed", 60)
    assert count == len(scripted.requests)
    assert 1 == (await daemon.document(port, reply.headers["location"]))["attempts"]
    assert 0 == await daemon.end(signal.SIGTERM)


@pytest.mark.skipif(sys.platform != "linux", reason="the wall clock is moved by LD_PRELOAD")
@pytest.mark.limit(240)
@ensureDeferred
async def test_row_70_jumps(daemon: Daemon, scripted: Scripted, tmp_path: Path) -> None:
    """Row 70: whenever the wall clock jumps, what is under way goes on, and what comes afterwards is done."""
    require("faketime")
    library = next((each for each in _LIBRARIES if Path(each).exists()), None) or missing("libfaketime is elsewhere")
    moved = tmp_path / "moved"
    moved.write_text("+0")
    environ = {
        "LD_PRELOAD": library,
        "FAKETIME_TIMESTAMP_FILE": str(moved),
        "FAKETIME_NO_CACHE": "1",
        "NO_FAKE_STAT": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "TZ": "CET-1CEST,M3.5.0,M10.5.0/3",
    }
    scripted.default = ranged(BODY, delay=0.1)
    port = await daemon.start("--config", tmp_path / "settings.toml", "-q", environ=environ)
    # One hour back and forth, a clock that is slewed, the end of summer time, ten years.
    for number, to in enumerate(["-1h", "+1h", "+0 x1.1", "@2027-10-31 02:59:59", "+3650d"]):
        items = [{"url": scripted.url(f"/{number}"), "path": str(number), "digests": {"sha256": DIGEST}}]
        reply = await daemon.post(port, "/api/v1/downloads", {"items": items})
        assert 202 == reply.status, reply.body
        await daemon.process.until(lambda number=number: len(scripted.requests) > number)
        moved.write_text(to)
        await daemon.until(port, reply.headers["location"], "completed", 60)
        assert number + 1 == len(scripted.requests)
        assert 1 == (await daemon.document(port, reply.headers["location"]))["attempts"]
    assert 0 == await daemon.end(signal.SIGTERM)
    assert "error" not in daemon.process.out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@ensureDeferred
async def test_row_76_full(daemon: Daemon, tmp_path: Path, reactor: IReactor, start_command: Start) -> None:
    """Row 76: when nobody takes its log any more, the daemon does not mind."""
    port_file = f"unix:{tmp_path}/s"
    with open("/dev/full", "wb") as full:
        process = daemon.begin(listen=(port_file,), stdout=full)
        await process.until((tmp_path / "s").exists, 60)
        assert process.popen.poll() is None
        assert 0 == await daemon.end(signal.SIGTERM)


@ensureDeferred
async def test_row_76_closed(daemon: Daemon, tmp_path: Path) -> None:
    """Row 76: so it is when whoever read its log has gone."""
    process = daemon.begin(listen=(f"unix:{tmp_path}/s",), stdout=subprocess.PIPE)
    assert process.popen.stdout is not None
    process.popen.stdout.close()
    await process.until((tmp_path / "s").exists, 60)
    process.send(signal.SIGHUP)
    assert 0 == await daemon.end(signal.SIGTERM)
    assert "" == process.err


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is looked at")
@ensureDeferred
async def test_idle(daemon: Daemon) -> None:
    """An idle daemon has less than 90 MiB, and needs less than 0.7 s of processor time until it listens."""
    watched = [name for name in os.environ if name.startswith("COV")]
    environ = dict.fromkeys(watched, "") | {"PYTHONPYCACHEPREFIX": str(daemon.data.parent / "bytecode")}
    environ["PYTHONDONTWRITEBYTECODE"] = ""
    for _ in range(2):  # the second time as it is when it was installed
        port = await daemon.start("-q", environ=environ)
        assert 200 == (await daemon.get(port, "/api/v1/health")).status  # all is there that the API needs
        process = Path(f"/proc/{daemon.process.popen.pid}")
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        fields = (process / "stat").read_text().rpartition(")")[2].split()
        used = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        assert 0 == await daemon.end(signal.SIGTERM)
    assert int(status["VmRSS"].split()[0]) < 90 << 10
    # On a machine that is four times slower than the one that was measured on, and busy.
    assert used < 4 * 0.7
