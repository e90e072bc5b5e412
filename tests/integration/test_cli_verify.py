"""`pulpdownloader verify`, as a whole process."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from pytest_twisted import async_fixture, ensureDeferred
from twisted.internet.task import deferLater

from tests.integration.pool import Command, Pool
from tests.integration.process import Start
from tests.integration.screen import Screen
from tests.servers.fixtures import StartNginx
from tests.servers.nginx import Nginx
from tests.servers.reactor import IReactor


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    """Five files and their manifest."""
    return Pool.of(tmp_path / "pool")


@async_fixture
async def upstream(start_nginx: StartNginx, pool: Pool) -> Nginx:
    """An nginx that gives them out."""
    return await start_nginx(pool.root)


@async_fixture
async def command(start_command: Start, upstream: Nginx, tmp_path: Path) -> Command:
    """The command with a data directory that has all of them."""
    made = Command(start_command, tmp_path / "data")
    await made.json("sync", "file", upstream.url("/PULP_MANIFEST"), "--repository", "one")
    return made


def damage(command: Command, pool: Pool) -> dict[str, str]:
    """Damage three artifacts in three ways, and return how, by sha256."""
    flipped, cut, lost = (pool.sha256(name) for name in ("0.bin", "1.bin", "2.bin"))
    path = command.artifact(flipped)
    path.chmod(0o644)
    path.write_bytes(b"x" * path.stat().st_size)
    command.artifact(cut).chmod(0o644)
    os.truncate(command.artifact(cut), 3)
    command.artifact(lost).unlink()
    return {flipped: "flipped", cut: "truncated", lost: "missing"}


@ensureDeferred
async def test_whole(command: Command, pool: Pool) -> None:
    """Where nothing is damaged the figures say so."""
    said = await command.json("verify")
    assert {"checked", "damaged", "repaired", "unrepairable"} <= said.keys()
    assert (5, 0, 0, []) == tuple(said[key] for key in ("checked", "damaged", "repaired", "unrepairable"))
    done = await command.run("verify")
    assert (0, True, "") == (done.popen.returncode, done.out.startswith("5 files, "), done.err)


@ensureDeferred
async def test_damaged(command: Command, pool: Pool) -> None:
    """What is damaged is named with its kind, and is left as it is; the status says so."""
    planted = damage(command, pool)
    done = await command.run("verify", "-j", 3)
    assert (1, {f"damaged: {sha256}: {kind}" for sha256, kind in planted.items()}) == (
        done.popen.returncode,
        set(done.err.splitlines()),
    )
    said = await command.json("verify", status=1)
    assert (5, 3, 0) == (said["checked"], said["damaged"], said["repaired"])


@ensureDeferred
async def test_repaired(command: Command, pool: Pool, upstream: Nginx) -> None:
    """What is damaged is downloaded again, and nothing else; then all is well."""
    damage(command, pool)
    before = len(upstream.log())
    said = await command.json("verify", "--repair")
    assert (5, 3, 3, []) == tuple(said[key] for key in ("checked", "damaged", "repaired", "unrepairable"))
    asked = {line.split()[1] for line in upstream.log()[before:]}
    assert {"/0.bin", "/1.bin", "/2.bin"} == asked
    assert pool.files == {name: command.artifact(pool.sha256(name)).read_bytes() for name in pool.files}
    assert 0 == (await command.json("verify"))["damaged"]


@ensureDeferred
async def test_metadata(command: Command, pool: Pool) -> None:
    """The manifest that a mirror keeps is stored like any file: it is verified, and repaired from the remote."""
    pool.put("new.bin", b"new")
    pool.write()
    await command.json("sync", "file", "--repository", "one", "--mirror")
    kept = command.artifact(hashlib.sha256(pool.manifest()).hexdigest())
    kept.unlink()
    said = await command.json("verify", "--repair")
    assert (1, 1, pool.manifest()) == (said["damaged"], said["repaired"], kept.read_bytes())


@ensureDeferred
async def test_bar(reactor: IReactor, command: Command, pool: Pool, screen: Screen) -> None:
    """On a terminal damage stands above what moves, and the figures are left."""
    damage(command, pool)
    running = command.start("verify", **screen.streams())
    while running.popen.poll() is None:
        screen.read()  # else it would wait for somebody who does
        await deferLater(reactor, 0.01)
    assert (1, 3) == (running.popen.returncode, screen.text().count("damaged: "))
    assert screen.text().rstrip().splitlines()[-1].endswith(" s")


@ensureDeferred
async def test_not_repaired(command: Command, pool: Pool) -> None:
    """What the upstream has no more is left as it is, and named with its file and the reason; the rest is repaired."""
    planted = damage(command, pool)
    (pool.root / "1.bin").unlink()
    said = await command.json("verify", "--repair", status=1)
    assert (3, 2, 1) == (said["damaged"], said["repaired"], len(said["unrepairable"]))
    (failed,) = said["unrepairable"]
    assert (pool.sha256("1.bin"), planted[failed["sha256"]], ["1.bin"], True) == (
        failed["sha256"],
        failed["kind"],
        failed["paths"],
        "404" in failed["reason"],
    )
    done = await command.run("verify", "--repair")
    assert (1, True) == (done.popen.returncode, "(1.bin): 404 Not Found" in done.err)
