"""`pulpdownloader distribution` and `serve`, as whole processes."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import async_fixture, ensureDeferred

from tests.integration.cold_site import Got
from tests.integration.pool import Command, Pool
from tests.integration.process import Process, Start
from tests.servers.client import Socket
from tests.servers.fixtures import StartNginx
from tests.servers.nginx import Nginx
from tests.servers.reactor import IReactor

ANYWHERE = "tcp:0:interface=127.0.0.1"


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    """Five files and their manifest."""
    return Pool.of(tmp_path / "pool")


@async_fixture
async def upstream(start_nginx: StartNginx, pool: Pool) -> Nginx:
    """An nginx that gives them out."""
    return await start_nginx(pool.root)


@pytest.fixture
def command(start_command: Start, tmp_path: Path) -> Command:
    """The command with a data directory of its own."""
    return Command(start_command, tmp_path / "data")


async def ports(process: Process, count: int = 1) -> list[int]:
    """Return where *process* says that it serves, once it does."""
    await process.until(lambda: count <= process.out.count("serving at "))
    return [int(port) for port in re.findall(r"serving at http://127\.0\.0\.1:(\d+)/", process.out)]


async def get(reactor: IReactor, port: int, path: str) -> Got:
    """Return what a client gets."""
    client = await Socket.to(reactor, port)
    client.get(path, "Connection: close")
    return Got.of(await client.heard_all())


# Distributions


@ensureDeferred
async def test_create(command: Command) -> None:
    """What is said of a distribution is kept, and shown."""
    await command.json("remote", "create", "up", "http://u.test/")
    said = await command.json(
        "distribution", "create", "d", "--base-path", "a/b", "--remote", "up", "--policy", "streamed", "--early-ranges"
    )
    assert ("d", "a/b", None, None, "up", "streamed", {"early_ranges": True}) == tuple(
        said[key] for key in ("name", "base_path", "repository", "version", "remote", "policy", "settings")
    )
    assert said == await command.json("distribution", "show", "d")
    assert [said] == await command.json("distribution", "list")
    done = await command.run("distribution", "list")
    assert [["NAME", "BASE", "PATH", "REPOSITORY", "VERSION", "REMOTE"], ["d", "a/b", "up"]] == [
        line.split() for line in done.lines
    ]
    done = await command.run("distribution", "show", "d")
    assert ["base path  a/b", "remote     up"] == [
        re.sub(" {2,}", lambda gap: " " * max(2, 11 - gap.start()), line) for line in done.lines[1:3]
    ]


@ensureDeferred
async def test_update(command: Command) -> None:
    """What is named changes, an empty text takes away, and the rest stays."""
    await command.json("distribution", "create", "d", "--base-path", "a", "--remote", "http://u.test/x")
    assert "http://u.test/x" == (await command.json("remote", "show", "d"))["url"]
    said = await command.json("distribution", "update", "d", "--name", "e", "--immutable", "*.iso", "--immutable", "b*")
    assert ("e", "a", "d", {"immutable": ["*.iso", "b*"]}) == tuple(
        said[key] for key in ("name", "base_path", "remote", "settings")
    )
    said = await command.json("distribution", "update", "e", "--remote", "", "--base-path", "c")
    assert ("c", None, {"immutable": ["*.iso", "b*"]}) == (said["base_path"], said["remote"], said["settings"])
    assert {"deleted": "e"} == await command.json("distribution", "delete", "e")
    assert [] == await command.json("distribution", "list")


@ensureDeferred
async def test_cache(command: Command) -> None:
    """How long files are kept is said name by name; a name without a value is as usual again."""
    arguments = "--cache", "max_age=60", "--cache", "store_private=true", "--cache", "negative=0.5"
    said = await command.json(
        "distribution", "create", "d", "--base-path", "a", "--remote", "http://u.test/", *arguments
    )
    assert {"cache": {"max_age": 60, "store_private": True, "negative": 0.5}} == said["settings"]
    said = await command.json("distribution", "update", "d", "--cache", "max_age=", "--cache", "negative=0")
    assert {"cache": {"store_private": True, "negative": 0}} == said["settings"]


_DISTRIBUTED = "create", "d", "--base-path", "a", "--remote", "http://u.test/"


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ((*_DISTRIBUTED, "--cache", "max_age"), 2, "NAME=VALUE"),
        ((*_DISTRIBUTED, "--cache", "max_age=soon"), 2, "soon"),
        ((*_DISTRIBUTED, "--cache", "max_age=-1"), 2, "cache.max_age"),
        ((*_DISTRIBUTED, "--cache", "maxage=1"), 2, "cache.maxage"),
        (("create", "d", "--base-path", "a"), 2, "--repository or --remote"),
        (("create", "d", "--remote", "http://u.test/"), 2, "--base-path"),
        (("create", "d", "--base-path", "a", "--repository", "nowhere"), 1, "repository nowhere"),
        (("create", "d", "--base-path", "a", "--remote", "nowhere"), 1, "remote nowhere"),
        (("create", "d", "--base-path", "../a", "--remote", "http://u.test/"), 2, "base_path"),
        (("create", "d", "--base-path", "a", "--remote", "http://u.test/", "--version", "1"), 2, "repository"),
        (("create", "d", "--base-path", "a", "--remote", "http://u.test/", "--version", "x"), 2, "latest"),
        (("create", "-", "--base-path", "a", "--remote", "http://u.test/"), 2, "distribution is '-'"),
        (("update", "d"), 2, "changed"),
        (("update", "nowhere", "--base-path", "b"), 1, "distribution nowhere"),
        (("show", "nowhere"), 1, "distribution nowhere"),
        (("delete", "nowhere"), 1, "distribution nowhere"),
    ],
)
@ensureDeferred
async def test_refused(command: Command, arguments: tuple[str, ...], status: int, words: str) -> None:
    """What cannot be is refused, with the reason, and changes nothing."""
    done = await command.run("distribution", *arguments)
    assert status == done.popen.returncode
    assert words in done.err
    assert "Traceback" not in done.err
    assert [] == await command.json("distribution", "list")


# Serving


@ensureDeferred
async def test_serve(command: Command, pool: Pool, upstream: Nginx, reactor: IReactor) -> None:
    """A repository is served while it is synced; a signal ends everything in good order, with status 0."""
    url = upstream.url("/PULP_MANIFEST")
    await command.json("sync", "file", url, "--repository", "pool", "--policy", "on_demand", "--mirror")
    await command.json("distribution", "create", "d", "--base-path", "files", "--repository", "pool")
    await command.json("distribution", "create", "t", "--base-path", "tree", "--remote", upstream.url("/"))
    process = command.start("serve", "--role", "content", "--listen", ANYWHERE, "--listen", ANYWHERE)
    first, second = await ports(process, 2)
    assert first != second
    for port in (first, second):
        for name, data in pool.files.items():
            assert data == (await get(reactor, port, f"/content/files/{name}")).body
        assert pool.manifest() == (await get(reactor, port, "/content/files/PULP_MANIFEST")).body
        assert pool.files["1.bin"] == (await get(reactor, port, "/content/tree/1.bin")).body
    assert 404 == (await get(reactor, first, "/content/files/none")).status
    assert 404 == (await get(reactor, first, "/")).status
    assert command.artifact(pool.sha256("0.bin")).exists()
    pool.put("new.bin", b"new")
    pool.write()
    await command.json("sync", "file", "--repository", "pool")
    await process.until(lambda: " GET /content/files/none 404 " in process.out)
    client = await Socket.to(reactor, first)
    process.send(signal.SIGTERM)
    assert 0 == await process.ended()
    await client.heard_all()
    assert "stopped" in process.out
    assert "Traceback" not in process.out + process.err


@ensureDeferred
async def test_new_version_is_served(command: Command, pool: Pool, upstream: Nginx, reactor: IReactor) -> None:
    """What a sync brings is served without anybody telling the server."""
    await command.json("sync", "file", upstream.url("/PULP_MANIFEST"), "--repository", "pool")
    await command.json("distribution", "create", "d", "--base-path", "files", "--repository", "pool")
    process = command.start("serve", "--role", "content", "--listen", ANYWHERE, "-q")
    (port,) = await ports(process)
    assert 404 == (await get(reactor, port, "/content/files/new.bin")).status
    pool.put("new.bin", b"new")
    pool.write()
    await command.json("sync", "file", "--repository", "pool")  # takes longer than what is served is believed
    deadline = reactor.seconds() + 20
    while (got := await get(reactor, port, "/content/files/new.bin")).status == 404:
        assert reactor.seconds() < deadline
    assert b"new" == got.body
    process.send(signal.SIGINT)
    assert 0 == await process.ended()
    assert " GET " not in process.out


@pytest.mark.parametrize(("endpoint", "status"), [("nonsense:1", 2), ("tcp:", 2), ("tcp:x", 2), ("taken", 1)])
@ensureDeferred
async def test_cannot_listen(command: Command, reactor: Any, upstream: Nginx, endpoint: str, status: int) -> None:
    """An endpoint that is none, or taken, is named, and nothing is left."""
    taken = upstream.url("/").rpartition(":")[2].strip("/")
    asked = f"tcp:{taken}:interface=127.0.0.1" if endpoint == "taken" else endpoint
    done = await command.run("serve", "--listen", ANYWHERE, "--listen", asked)
    assert status == done.popen.returncode
    assert asked in done.err
    assert "Traceback" not in done.err


@ensureDeferred
async def test_in_the_middle(command: Command, pool: Pool, upstream: Nginx, reactor: IReactor) -> None:
    """Ctrl-C lets what clients are being sent come to its end, again ends it soon; no partial files are left."""
    (pool.root / "big.iso").write_bytes(b"x" * (64 << 20))
    await command.json("distribution", "create", "d", "--base-path", "t", "--remote", upstream.url("/"))
    await command.json("distribution", "update", "d", "--immutable", "*.iso")
    process = command.start("serve", "--listen", ANYWHERE)
    (port,) = await ports(process)
    client = await Socket.to(reactor, port)
    client.get("/content/t/big.iso")
    await client.heard(1000)
    client.pause()
    process.send(signal.SIGINT)
    await process.until(lambda: "stopping" in process.out)
    process.send(signal.SIGINT)
    assert await process.ended() in (0, 130)
    client.resume()
    await client.leave()
