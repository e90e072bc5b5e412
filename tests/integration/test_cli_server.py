"""The command with --server: the same commands, done by a daemon."""

from __future__ import annotations

import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from attrs import define
from pytest_twisted import ensureDeferred

from tests.integration.daemon import Daemon
from tests.integration.pool import Command, Pool
from tests.integration.process import Process, Start
from tests.servers.fixtures import StartNginx
from tests.servers.reactor import IReactor


@define
class There(Command):
    """The command with a server instead of a data directory."""

    environment: dict[str, str]

    def start(self, *arguments: object, **given: Any) -> Process:
        """Start it."""
        return self._start(*arguments, environ=self.environment, **given)


@pytest_twisted.async_yield_fixture
async def daemon(start_command: Start, reactor: IReactor, tmp_path: Path) -> AsyncIterator[Daemon]:
    """A daemon that may reach this machine."""
    (tmp_path / "settings.toml").write_text('[ssrf]\nallow = ["127.0.0.0/8"]\n')
    made = Daemon(start_command, reactor, tmp_path / "data")
    await made.start("--config", tmp_path / "settings.toml")
    yield made
    assert 0 == await made.end(signal.SIGTERM)


@pytest.fixture
def server(daemon: Daemon, start_command: Start) -> There:
    """The command that lets it work."""
    port = re.search(r"serving at (http://127\.0\.0\.1:\d+)/", daemon.process.out)
    assert port is not None
    assert daemon.token is not None
    return There(start_command, daemon.data, {"PULPDOWNLOADER_SERVER": port[1], "PULPDOWNLOADER_TOKEN": daemon.token})


@ensureDeferred
async def test_work(server: There, start_nginx: StartNginx, tmp_path: Path) -> None:
    """A sync, downloads, a verification and a cleanup are the daemon's, and answered as if they were done here."""
    pool = Pool.of(tmp_path / "pool")
    upstream = await start_nginx(pool.root)
    done = await server.json("sync", "file", upstream.url("/PULP_MANIFEST"), "--repository", "one")
    assert (1, 5, 0, 5, []) == tuple(done[name] for name in ("version", "added", "removed", "downloaded", "failed"))
    said = (await server.run("repository", "content", "one")).lines
    assert sorted(pool.files) == [line.split()[1] for line in said]
    files = upstream.url("/0.bin"), upstream.url("/none.bin")
    done = await server.run("get", *files, "-d", "below", "--json")
    assert 1 == done.popen.returncode
    assert "none.bin: 404" in done.err
    assert pool.files["0.bin"] == (server.data / "downloads" / "below" / "0.bin").read_bytes()
    jobs = await server.json("job", "list")
    assert [("download", "failed", 1, 1), ("sync", "completed", 5, 0)] == [
        tuple(each[name] for name in ("kind", "state", "done", "failed")) for each in jobs
    ]
    done = await server.run("job", "items", jobs[0]["id"], "--state", "failed")
    assert re.search(r"failed +below/none\.bin .*404", done.out)
    done = await server.json("verify", "--repair")
    assert (5, 0) == (done["checked"], done["damaged"])
    done = await server.json("cleanup", "--grace", "0")
    assert 0 == done["artifacts"]


@ensureDeferred
async def test_changes(server: There) -> None:
    """Remotes and distributions are made, changed and deleted there; what the daemon refuses is said."""
    made = await server.json("remote", "create", "r", "https://example.org/", "--set", "timeouts.connect=3")
    assert 3.0 == made["settings"]["timeouts"]["connect"]
    made = await server.json("distribution", "create", "d", "--base-path", "d", "--remote", "https://example.net/")
    assert ("d", "d") == (made["name"], made["remote"])
    made = await server.json("distribution", "update", "d", "--remote", "r", "--immutable", "*.deb")
    assert ("r", ["*.deb"]) == (made["remote"], made["settings"]["immutable"])
    await server.json("remote", "delete", "d")
    assert ["r"] == [each["name"] for each in await server.json("remote", "list")]
    done = await server.run("get", "http://10.0.0.1/x")
    assert 1 == done.popen.returncode
    assert "blocks the address 10.0.0.1" in done.err
    done = await server.run("export", "one", "elsewhere")
    assert 2 == done.popen.returncode
    secret = (await server.json("token", "create", "t", "--scope", "read"))["secret"]
    await server.json("token", "revoke", "t")
    server.environment["PULPDOWNLOADER_TOKEN"] = secret
    done = await server.run("status")
    assert 1 == done.popen.returncode
    assert "token" in done.err
