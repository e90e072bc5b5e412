"""`pulpdownloader serve` and `twistd pulpdownloader`, as whole processes: start, settings, log, end."""

from __future__ import annotations

import json
import re
import signal
import stat
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import ensureDeferred

from tests.forked import PULPDOWNLOADER
from tests.integration.daemon import ANYWHERE, Daemon
from tests.integration.process import Start
from tests.servers.reactor import IReactor


@pytest.fixture
def daemon(start_command: Start, reactor: IReactor, tmp_path: Path) -> Daemon:
    """A daemon that was not started yet."""
    return Daemon(start_command, reactor, tmp_path / "data")


@ensureDeferred
async def test_first_start(daemon: Daemon) -> None:
    """With nothing but a directory and a port it starts, makes the directory its owner's alone, and ends with 0."""
    port = await daemon.start()
    assert 0o700 == stat.S_IMODE(daemon.data.stat().st_mode)
    assert 200 == (await daemon.get(port, "/api/v1/health")).status
    assert 200 == (await daemon.get(port, "/api/v1/ready")).status
    assert 401 == (await daemon.get(port, "/api/v1/status")).status
    assert "ready" == (await daemon.document(port, "/api/v1/status"))["state"]
    assert 0 == await daemon.end(signal.SIGTERM)
    assert "stopped" in daemon.process.out
    assert "" == daemon.process.err
    token = daemon.token
    port = await daemon.start()
    assert "API token" not in daemon.process.out
    assert token == daemon.token
    assert "ready" == (await daemon.document(port, "/api/v1/status"))["state"]
    assert token not in "".join(path.read_text(errors="replace") for path in daemon.data.iterdir() if path.is_file())
    assert 0 == await daemon.end(signal.SIGTERM)


@ensureDeferred
async def test_frozen(daemon: Daemon, start_command: Start, tmp_path: Path) -> None:
    """What is there when it has started is not looked through again and again for garbage."""
    frozen = tmp_path / "frozen"
    count = f"import atexit, gc; atexit.register(lambda: open({str(frozen)!r}, 'w').write(str(gc.get_freeze_count())));"
    listen = "--listen", "tcp:0:interface=127.0.0.1"
    daemon.process = start_command("--data", daemon.data, "serve", *listen, program=count + PULPDOWNLOADER)
    port = await daemon.listening()
    assert 200 == (await daemon.get(port, "/api/v1/health")).status
    assert 0 == await daemon.end(signal.SIGTERM)
    assert 50_000 < int(frozen.read_text())


@ensureDeferred
async def test_twistd(daemon: Daemon) -> None:
    """Under twistd it is the same."""
    port = await daemon.twistd()
    assert 200 == (await daemon.get(port, "/api/v1/ready")).status
    assert 0 == await daemon.end(signal.SIGTERM)
    assert "stopped" in daemon.process.out


WRONG = """
listen = ["tcp:8080", "nonsense:1"]
data = "here"

[limits]
jobs = 0
grace = "soon"
"""
LINES = (
    "settings.toml: line 2: listen is 'nonsense:1', but it must be an endpoint",
    "settings.toml: line 3: data is 'here', but it must be an absolute path",
    "settings.toml: line 6: limits.jobs is 0, but it must be a whole number from 1",
    "settings.toml: line 7: limits.grace is 'soon', but it must be a number of seconds, or such as 30s",
)


@pytest.mark.parametrize("twistd", [False, True])
@ensureDeferred
async def test_wrong_settings(daemon: Daemon, start_command: Start, tmp_path: Path, twistd: bool) -> None:
    """Every mistake is named by file, line and field, with what is allowed; status 2, and nothing was begun."""
    (tmp_path / "settings.toml").write_text(WRONG)
    if twistd:
        from tests.integration.process import TWISTD

        options = "-n", "--pidfile=", "pulpdownloader", "--data", daemon.data, "--config", "settings.toml"
        process = start_command(*options, program=TWISTD)
    else:
        process = daemon.begin("--config", "settings.toml", listen=())
    assert 2 == await process.ended()
    assert [line for line in LINES if line not in process.err] == []
    assert len(LINES) == len(process.err.splitlines())
    assert not daemon.data.exists()


@ensureDeferred
async def test_second_daemon(daemon: Daemon) -> None:
    """A second daemon with the same data directory is told which process has it, and ends with 1."""
    await daemon.start()
    first = daemon.process
    second = daemon.begin()
    assert 1 == await second.ended(60)
    assert f"process {first.popen.pid}" in second.err
    assert str(daemon.data) in second.err
    daemon.process = first
    assert 0 == await daemon.end(signal.SIGTERM)


@ensureDeferred
async def test_reload(daemon: Daemon, tmp_path: Path) -> None:
    """SIGHUP reads the settings again; bad ones are named and change nothing, and what needs a restart is said."""
    settings = tmp_path / "settings.toml"
    settings.write_text("[limits]\nper_host = 2\n")
    port = await daemon.start("--config", settings)
    settings.write_text("[limits]\nper_host = 0\n")
    daemon.process.send(signal.SIGHUP)
    await daemon.process.until(lambda: "the old settings stay in force" in daemon.process.out)
    assert f"{settings}: line 2: limits.per_host is 0" in daemon.process.out
    settings.write_text('roles = ["api"]\n[log]\nlevel = "warn"\n')
    daemon.process.send(signal.SIGHUP)
    await daemon.process.until(lambda: "roles has changed; that counts after a restart" in daemon.process.out)
    assert 200 == (await daemon.get(port, "/api/v1/ready")).status
    assert 0 == await daemon.end(signal.SIGTERM)
    assert "stopped" not in daemon.process.out  # which is less than a warning


@ensureDeferred
async def test_reload_says_what_waits(daemon: Daemon, tmp_path: Path) -> None:
    """Limits count at once or are said to wait for a restart, and the API shows those that are in force."""
    settings = tmp_path / "settings.toml"
    settings.write_text("[limits]\nper_host = 2\nbody = 2048\n")
    port = await daemon.start("--config", settings)
    wanted = {"items": [{"url": f"http://example.org/{number}?" + "x" * 1000} for number in range(3)]}
    assert 413 == (await daemon.post(port, "/api/v1/downloads", wanted)).status
    settings.write_text("[limits]\nper_host = 3\nlease = 90\nqueued = 2\n[retention]\nevents = 7\njobs = 5\n")
    daemon.process.send(signal.SIGHUP)
    await daemon.process.until(lambda: "read the settings again" in daemon.process.out)
    waits = re.findall(r"(\S+) has changed; that counts after a restart", daemon.process.out)
    assert ["limits.per_host", "limits.lease", "retention.events"] == waits
    shown = await daemon.document(port, "/api/v1/settings")
    assert (2, 60.0, 2, 10_000, 5.0) == (
        *(shown["limits"][name] for name in ("per_host", "lease", "queued")),
        *(shown["retention"][name] for name in ("events", "jobs")),
    )
    assert 503 == (await daemon.post(port, "/api/v1/downloads", wanted)).status  # and 413 no more
    assert 0 == await daemon.end(signal.SIGTERM)


@ensureDeferred
async def test_json(daemon: Daemon) -> None:
    """As JSON each line is a document, and a request's has its id, and no secrets."""
    port = await daemon.start("--log-format", "json")
    await daemon.get(port, "/api/v1/ready?token=S3CR3T")
    assert 0 == await daemon.end(signal.SIGTERM)
    lines: list[dict[str, Any]] = [json.loads(line) for line in daemon.process.lines]
    (asked,) = (line for line in lines if "status" in line)
    assert ("GET", "/api/v1/ready?token=***", 422, "info") == tuple(
        asked[name] for name in ("method", "path", "status", "level")
    )
    assert asked["request"]
    assert "S3CR3T" not in daemon.process.out


@pytest.mark.parametrize("arguments", [("--role", "boss"), ("--listen", "tcp:99999"), ("--config", "nowhere")])
@ensureDeferred
async def test_wrong_options(daemon: Daemon, arguments: tuple[str, ...]) -> None:
    """An option that makes no sense is named."""
    process = daemon.begin(*arguments)
    assert 2 == await process.ended()
    assert arguments[1] in process.err
    assert not daemon.data.exists()


@ensureDeferred
async def test_unix(daemon: Daemon, tmp_path: Path) -> None:
    """A socket of the file system is its owner's alone, unless a mode is given; one that was left is taken over."""
    at = f"unix:{tmp_path}/s"
    await daemon.start(listen=(at, ANYWHERE))
    assert 0o600 == stat.S_IMODE((tmp_path / "s").stat().st_mode)
    await daemon.end(signal.SIGKILL)
    await daemon.start(listen=(f"{at}:mode=660", ANYWHERE))
    assert 0o660 == stat.S_IMODE((tmp_path / "s").stat().st_mode)
    assert 0 == await daemon.end(signal.SIGTERM)
    assert not (tmp_path / "s").exists()
