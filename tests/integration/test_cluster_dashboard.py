"""The dashboard of a cluster behind a real nginx: one logs in once, and sees what all nodes do."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from attrs import define, field
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred

from tests.integration.cluster import Member, StartCluster
from tests.integration.cold_site import Got
from tests.integration.test_cluster_restart import proxy
from tests.servers.client import Socket
from tests.servers.fixtures import StartNginx
from tests.servers.reactor import IReactor

#: Bytes a second of the upstream, and of its one file, which takes longer than the test.
RATE, SIZE = 100_000, 50_000_000


@define(eq=False)
class Browser:
    """Somebody who keeps cookies, and says where forms come from."""

    reactor: IReactor
    cookie: str = field(init=False, default="")
    csrf: str = field(init=False, default="")

    async def get(self, port: int, path: str) -> Got:
        """Ask for a page."""
        got = await self._ask(port, [f"GET {path} HTTP/1.1"])
        found = re.search(rb'name="csrf" value="([^"]+)"', got.body)
        self.csrf = found[1].decode() if found else self.csrf
        return got

    async def post(self, port: int, path: str, **form: str) -> Got:
        """Send a form of the site that is asked."""
        body = urlencode({"csrf": self.csrf, **form})
        lines = [f"POST {path} HTTP/1.1", f"Origin: http://127.0.0.1:{port}", f"Content-Length: {len(body)}"]
        lines += ["Content-Type: application/x-www-form-urlencoded"]
        return await self._ask(port, lines, body)

    async def _ask(self, port: int, lines: list[str], body: str = "") -> Got:
        client = await self.listen(port, lines, "Connection: close", body)
        got = Got.of(await client.heard_all())
        if "set-cookie" in got.headers:
            self.cookie = got.headers["set-cookie"].partition(";")[0]
        return got

    async def listen(self, port: int, lines: list[str], *more: str) -> Socket:
        """Send a request, and return the connection."""
        client = await Socket.to(self.reactor, port)
        head = [*lines, f"Host: 127.0.0.1:{port}", f"Cookie: {self.cookie}", *more[:-1]]
        client.send("\r\n".join([*head, "", *more[-1:]]).encode())
        return client


def heard(client: Socket, name: str) -> list[Any]:
    """Return what was told in events of this name."""
    lines = client.received.decode().splitlines()
    pairs = pairwise(lines)
    return [json.loads(data[6:]) for event, data in pairs if event == f"event: {name}" and data.startswith("data: ")]


@pytest.mark.leaves_partials
@pytest.mark.limit(240)
@ensureDeferred
async def test_dashboard(
    reactor: IReactor, start_cluster: StartCluster, start_nginx: StartNginx, tmp_path: Path
) -> None:
    """
    A session that a form began behind nginx counts at every node and after restarts, until it ends everywhere.

    Each node with the API tells how far a sync is that another one runs, and how much comes, each byte once.
    """
    (tmp_path / "up").mkdir()
    with (tmp_path / "up" / "f").open("wb") as file:
        file.truncate(SIZE)
    (tmp_path / "up" / "PULP_MANIFEST").write_text(f"f,{'ab' * 32},{SIZE}\n")
    upstream = await start_nginx(tmp_path / "up", lines=(f"limit_rate {RATE};",))
    cluster = start_cluster()
    nodes = [cluster.add("api"), cluster.add("api")]
    worker = cluster.add("worker")
    await cluster.start()
    front = await start_nginx(tmp_path, **proxy([each.port for each in nodes]))
    browser, asked = Browser(reactor), nodes[0]
    assert cluster.token is not None
    assert 303 == (await browser.post(front.port, "/login", token=cluster.token)).status
    ports = [front.port, *(each.port for each in nodes)]
    assert [200, 200, 200] == [(await browser.get(port, "/jobs")).status for port in ports]

    await asked.made("/api/v1/remotes", {"name": "up", "url": upstream.url("/PULP_MANIFEST")})
    await asked.made("/api/v1/repositories", {"name": "r", "type": "file", "remote": "up"})
    streams = [await browser.listen(each.port, ["GET /live HTTP/1.1"], "") for each in nodes]
    page = (await browser.post(front.port, "/repositories/r/sync")).headers["location"]
    for client in streams:
        await cluster.until(lambda client=client: any(_flowing(each) for each in heard(client, "throughput")))
        await cluster.until(lambda client=client: any(each.get("parts") for each in heard(client, "job")))
    assert [worker.pid] == await cluster.until(lambda: Deferred.fromCoroutine(_busy(nodes[1])))
    for each in nodes:
        assert b"Downloading Artifacts" in (await browser.get(each.port, page)).body
        overview = (await browser.get(each.port, "/")).body
        assert b'<h2 id="nodes-title">' in overview
        assert b"<span data-downloads>1</span> downloads at once" in overview

    for each in nodes:
        assert 0 == await each.stop()
        assert 200 == (await browser.get(front.port, page)).status
        await each.start()
        assert 200 == (await browser.get(each.port, page)).status
    assert 303 == (await browser.post(nodes[1].port, f"{page}/cancel")).status
    assert b"The job is cancelled" in (await browser.get(nodes[0].port, page)).body
    assert b"The job is cancelled" not in (await browser.get(nodes[1].port, page)).body
    kept = browser.cookie
    assert 303 == (await browser.post(nodes[0].port, "/logout")).status
    browser.cookie = kept
    assert [303, 303] == [(await browser.get(each.port, page)).status for each in nodes]
    for client in streams:
        await client.leave()


def _flowing(data: Any) -> bool:
    assert data["downloads"] in (0, 1)
    return bool(data["bytes_per_second"])


async def _busy(member: Member) -> list[int]:
    """Return who says that something comes to it, once all figures are what those of each make."""
    found = await member.document("/api/v1/cluster")
    names = "downloads", "bytes_per_second", "jobs"
    sums = {name: sum(each["figures"][name] for each in found["nodes"]) for name in names}
    if sums != {name: found["figures"][name] for name in names}:  # one is not heard of for a while, on a busy machine
        return []
    return [each["pid"] for each in found["nodes"] if each["figures"]["bytes_per_second"]]
