"""Nodes of a cluster are restarted one after another behind a real nginx, and no client notices."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from tests.integration.cluster import StartCluster
from tests.integration.cold_site import Got
from tests.servers.client import Socket
from tests.servers.fixtures import StartNginx, StartScripted
from tests.servers.nginx import Nginx
from tests.servers.reactor import IReactor
from tests.servers.scripted import ok
from twisted_pulp.client import Client
from twisted_pulp.context import Context
from twisted_pulp.documents import NewCleanup

CONFIG = (Path(__file__).parents[2] / "contrib" / "cluster" / "nginx.conf").read_text()
BODY = b"content" * 10_000
_PAUSE = 0.02


def proxy(ports: list[int]) -> dict[str, tuple[str, ...]]:
    """Return what is told to nginx by the file that users begin with, for nodes at these ports."""
    upstream, options = (
        re.search(r"upstream \w+ \{.*?\n\}", CONFIG, re.S),
        re.search(r"location .*?\n    \}", CONFIG, re.S),
    )
    assert upstream
    assert options
    served = re.search(r"server api-1:8080( .*);", upstream[0])
    assert served
    servers = "\n".join(f"server 127.0.0.1:{port}{served[1]};" for port in ports)
    return {
        "http": (re.sub(r"    server .*\n(    server .*\n)*", servers + "\n", upstream[0]),),
        "lines": (options[0],),
    }


@define(eq=False)
class Load:
    """
    Clients that ask again and again until they are told to end.

    :ivar done: answers that were right; *wrong*: all others.
    """

    reactor: IReactor
    nginx: Nginx
    over: bool = field(init=False, default=False)
    done: dict[str, int] = field(init=False, factory=dict)
    wrong: list[Any] = field(init=False, factory=list)

    async def reads(self, path: str, right: Any) -> None:
        """Ask for *path*, each time on a connection of its own, and never twice."""
        while not self.over:
            client = await Socket.to(self.reactor, self.nginx.port)
            client.get(path, "Connection: close")
            got = Got.of(await client.heard_all())
            self.note("reads", got.whole and right(got), got)
            await deferLater(self.reactor, _PAUSE)

    async def submits(self, client: Client, name: str) -> None:
        """Hand in jobs."""
        number = 0
        while not self.over:
            number += 1
            try:
                job = await client.jobs.cleanup(NewCleanup(), key=f"{name}-{number}")
            except Exception as error:
                self.note("submits", False, error)
            else:
                self.note("submits", job.kind == "cleanup", job)
            await deferLater(self.reactor, _PAUSE)

    def note(self, what: str, right: bool, got: Any) -> None:
        """Count an answer."""
        self.done[what] = self.done.get(what, 0) + right
        if not right:
            self.wrong.append(got)


@ensureDeferred
@pytest.mark.limit(240)
async def test_rolling_restart(
    reactor: IReactor,
    start_cluster: StartCluster,
    start_nginx: StartNginx,
    start_scripted: StartScripted,
    context: Context,
    tmp_path: Path,
) -> None:
    """Under load each node ends and begins again: no request of any client fails, and every job is there once."""
    upstream = await start_scripted()
    upstream.on(b"/file", [ok(BODY)])
    cluster = start_cluster()
    nodes = [cluster.add("api", "content"), cluster.add("api", "content")]
    await cluster.start()
    await nodes[0].made(
        "/api/v1/remotes", {"name": "up", "url": upstream.url("/"), "settings": {"policy": "on_demand"}}
    )
    await nodes[0].made(
        "/api/v1/distributions",
        {"name": "d", "base_path": "d", "remote": "up", "settings": {"immutable": ["**"]}},
    )
    front = await start_nginx(tmp_path, **proxy([each.port for each in nodes]))
    load = Load(reactor, front)
    client = Client(context, front.url("/").rstrip("/"), token=cluster.token)
    running = [
        Deferred.fromCoroutine(each)
        for each in (
            load.reads("/content/d/file", lambda got: (got.status, got.body) == (200, BODY)),
            load.reads("/content/d/file", lambda got: (got.status, got.body) == (200, BODY)),
            load.reads("/api/v1/health", lambda got: got.status == 200),
            load.submits(client, "one"),
        )
    ]
    for each in nodes:
        before = dict(load.done)
        await cluster.until(
            lambda before=before: all(load.done.get(name, 0) > before.get(name, 0) + 5 for name in ("reads", "submits"))
        )
        assert 0 == await each.stop()
        await cluster.until(lambda before=dict(load.done): load.done["reads"] > before["reads"] + 5)
        await each.start()
    await cluster.until(lambda before=dict(load.done): load.done["submits"] > before["submits"] + 5)
    load.over = True
    await gatherResults(running)
    assert [] == load.wrong
    counts = (await nodes[0].document("/api/v1/status"))["jobs"]
    assert load.done["submits"] == counts["waiting"]
    assert 1 <= len(upstream.asked(b"/file")) <= 2
