"""dnf through a Distribution: a repository made by createrepo_c."""

from __future__ import annotations

from pathlib import Path

from pytest_twisted import ensureDeferred

from tests.integration.clients.rpms import publish
from tests.integration.clients.running import Run, asked
from tests.integration.content_site import Content
from tests.servers.fixtures import StartNginx
from tests.servers.programs import require

_CONF = """\
[main]
reposdir={root}/none
pluginpath={root}/none
varsdir={root}/none
cachedir={root}/cache
logdir={root}/log
persistdir={root}/persist
system_cachedir={root}/cache
keepcache=1
plugins=0
gpgcheck=0
retries=1

[made]
name=made
baseurl={url}
"""


async def downloaded(run: Run, root: Path, url: str) -> dict[str, bytes]:
    """Return the metadata and the packages that dnf fetches from *url* with a root of its own."""
    for each in ("none", "install", "got"):
        (root / each).mkdir(parents=True)
    (root / "dnf.conf").write_text(_CONF.format(root=root, url=url))
    dnf = (require("dnf"), "-y", "-c", root / "dnf.conf", "--installroot", root / "install", "--releasever", "1")
    home = {"HOME": str(root), "TMPDIR": str(root)}
    for words in (("makecache",), ("install", "--downloadonly", "--downloaddir", root / "got", "whole")):
        ended = await run(*dnf, *words, environ=home)
        assert 0 == ended.status, ended.text
    found = {path.name: path.read_bytes() for path in (root / "got").iterdir()}
    caches = [*(root / "install").rglob("repodata/*"), *(root / "cache").rglob("repodata/*")]
    return {**found, **{path.name: path.read_bytes() for path in caches if path.suffix in (".gz", ".xml", ".zst")}}


@ensureDeferred
async def test_dnf(start_nginx: StartNginx, content: Content, run: Run, tmp_path: Path) -> None:
    """What dnf gets is what it gets directly, and a second dnf needs no upstream, which may be gone."""
    root = tmp_path / "up"
    root.mkdir()
    await publish(run, root)
    server = await start_nginx(root, lines=("expires 10m;",))
    await content.distribute("rpm", remote_id=await content.remote(server.url("/")))
    here = f"http://127.0.0.1:{content.port}/content/rpm/"
    direct = await downloaded(run, tmp_path / "direct", server.url("/"))
    assert {"whole-1.0-1.noarch.rpm", "part-1.0-1.noarch.rpm", "repomd.xml"} <= set(direct)
    expected = asked(server)
    assert direct == await downloaded(run, tmp_path / "first", here)
    assert 2 * expected == asked(server)
    await server.stop()
    assert direct == await downloaded(run, tmp_path / "second", here)
