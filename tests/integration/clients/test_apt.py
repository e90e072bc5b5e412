"""apt through a Distribution: a signed repository, by hash, with pipelining."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred

from tests.integration.clients.debs import COUNT, Apt, publish
from tests.integration.clients.running import Run, asked
from tests.integration.content_site import Content
from tests.servers.fixtures import StartNginx

EXPIRES = ("expires 10m;",)


@pytest.mark.parametrize(("depth", "by_hash"), [(10, "yes"), (0, "yes"), (10, "no"), (200, "force")])
@ensureDeferred
async def test_apt(
    start_nginx: StartNginx, content: Content, run: Run, tmp_path: Path, depth: int, by_hash: str
) -> None:
    """What apt gets is what it gets directly, and a second apt needs no upstream, which may be gone."""
    root, home = tmp_path / "up", tmp_path / "gpg"
    root.mkdir()
    await publish(run, root, home)
    server = await start_nginx(root, lines=EXPIRES)
    await content.distribute("debian", remote_id=await content.remote(server.url("/")))
    here = f"http://127.0.0.1:{content.port}/content/debian"
    options = {"depth": depth, "by_hash": by_hash}
    direct = await Apt(run, tmp_path / "direct", server.url("/"), home / "key.asc", **options).downloaded()
    assert COUNT + 1 == sum(name.endswith(".deb") for name in direct)
    assert "stable_InRelease" in direct
    expected = asked(server)
    assert direct == await Apt(run, tmp_path / "first", here, home / "key.asc", **options).downloaded()
    assert 2 * expected == asked(server)
    assert ("/by-hash/" in "".join(server.log())) is (by_hash != "no")
    await server.stop()
    assert direct == await Apt(run, tmp_path / "second", here, home / "key.asc", **options).downloaded()


@ensureDeferred
async def test_again(start_nginx: StartNginx, content: Content, run: Run, tmp_path: Path) -> None:
    """An apt that is up to date is told so; when the upstream has something new, it gets that, and all of it."""
    root, home = tmp_path / "up", tmp_path / "gpg"
    root.mkdir()
    await publish(run, root, home)
    release = root / "dists/stable/InRelease"
    os.utime(release, (1.7e9, 1.7e9))  # before the next one, which may have the same length
    server = await start_nginx(root, lines=["expires -1;"])
    await content.distribute("debian", remote_id=await content.remote(server.url("/")))
    apt = Apt(run, tmp_path / "apt", f"http://127.0.0.1:{content.port}/content/debian", home / "key.asc")
    assert "Get:1" in (await apt.get("update")).text
    assert "Hit:1" in (await apt.get("update")).text
    await publish(run, root, home, "2.0")
    assert "Get:1" in (await apt.get("update")).text
    assert release.read_bytes() == apt.lists()["stable_InRelease"]
    got = await apt.downloaded()
    assert (root / "pool/main/part1/part1_2.0_all.deb").read_bytes() == got["part1_2.0_all.deb"]
