"""A host that bears only so many requests at once is asked no more, after it has said so."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from signal import SIGTERM
from typing import Any

import pytest
from pytest_twisted import ensureDeferred

from tests.integration.daemon import Daemon
from tests.integration.pool import Command
from tests.integration.process import Start
from tests.servers.reactor import IReactor
from tests.servers.scripted import Request, Scripted, Send, Step, Steps, ok, status
from twisted_pulp.catalog import Catalog, paces
from twisted_pulp.catalog.paces import PaceRow
from twisted_pulp.context import Context
from twisted_pulp.download import Download
from twisted_pulp.settings import Limits, Remote, Retry
from twisted_pulp.transfer import DigestOnly

FILES, BEARS = 200, 3


class Weak:
    """
    Answers that need a while, and refusals where too many are asked for at once.

    :ivar refused: how many.
    :ivar most: requests that were ever under way at once.
    """

    def __init__(self, code: int) -> None:
        self._code, self._active, self.refused, self.most = code, 0, 0, 0

    def __call__(self, request: Request) -> Steps:
        if self._active >= BEARS:
            self.refused += 1
            return status(self._code)
        self._active += 1
        self.most = max(self.most, self._active)
        return (_Answer(self),)

    def done(self) -> None:
        """One less is under way."""
        self._active -= 1


class _Answer(Step):
    def __init__(self, weak: Weak) -> None:
        self._weak = weak

    async def perform(self, wire: Any) -> None:
        try:
            await wire.wait(0.01)
        finally:
            self._weak.done()
        for step in ok(b"here"):
            assert isinstance(step, Send)
            await step.perform(wire)


async def fetched(context: Context, scripted: Scripted, code: int, adaptive: bool) -> int:
    """Fetch all files; return how many requests were refused."""
    scripted.default = weak = Weak(code)
    remote = Remote(limits=Limits(adaptive=adaptive), retry=Retry(retries=100, base=0.05, cap=0.05))
    downloads = [Download(scripted.url(f"/{number}"), writer=DigestOnly()) for number in range(FILES)]
    totals = await context.downloader(remote).download_each(downloads, lambda report: None)
    assert (FILES, 0) == (totals.succeeded, totals.failed)
    assert BEARS == weak.most
    return weak.refused


@pytest.mark.parametrize("code", [429, 503])
@ensureDeferred
async def test_adapts(context: Context, scripted: Scripted, code: int) -> None:
    """200 files come from a server that bears 3 requests at once, with few refusals; without adapting they are many."""
    blind = await fetched(context, scripted, code, adaptive=False)
    assert {} == context.pool.paces.lowered
    wise = await fetched(context, scripted, code, adaptive=True)
    assert 30 >= wise
    assert wise * 5 <= blind
    (pace,) = context.pool.paces.lowered.values()
    assert 1 <= pace.allowed <= BEARS + 1


def unwilling(body: bytes) -> list[Any]:
    """Refuse once, and answer then."""
    return [lambda request: status(503), lambda request: ok(body)]


def host_of(scripted: Scripted) -> tuple[str, int]:
    """Return the host and port of *scripted*."""
    return "127.0.0.1", int(scripted.url("/").split(":")[2].strip("/"))


@ensureDeferred
async def test_daemon(start_command: Start, reactor: IReactor, scripted: Scripted, tmp_path: Path) -> None:
    """A daemon that is started again goes on with what it has learnt of a host."""
    (tmp_path / "settings.toml").write_text('[ssrf]\nallow = ["127.0.0.1"]\n[limits]\nreserve = 0\n')
    scripted.on(b"/f", unwilling(b"here"))
    daemon = Daemon(start_command, reactor, tmp_path / "data")
    port = await daemon.start("--config", tmp_path / "settings.toml", "-q")
    reply = await daemon.post(port, "/api/v1/downloads", {"items": [{"url": scripted.url("/f"), "path": "f"}]})
    await daemon.until(port, reply.headers["location"], "completed", 60)
    assert 0 == await daemon.end(SIGTERM)
    (row,) = await read(reactor, tmp_path / "data")
    assert (*host_of(scripted), 1) == (row.host, row.port, row.allowed)
    port = await daemon.start("--config", tmp_path / "settings.toml", "-q")
    figures = (await daemon.get(port, "/metrics")).body.decode()
    assert 0 == await daemon.end(SIGTERM)
    (line,) = [each for each in figures.splitlines() if "127.0.0.1" in each and "allowed" in each]
    assert line.endswith(" 1.0")


@ensureDeferred
async def test_sync(start_command: Start, reactor: IReactor, scripted: Scripted, tmp_path: Path) -> None:
    """A sync keeps what it has learnt of a host in the catalog."""
    manifest = f"a.bin,{sha256(b'here').hexdigest()},4\n".encode()
    scripted.on(b"/PULP_MANIFEST", [ok(manifest)])
    scripted.on(b"/a.bin", unwilling(b"here"))
    command = Command(start_command, tmp_path / "data")
    said = await command.json("sync", "file", scripted.url("/PULP_MANIFEST"), "--repository", "one")
    assert 1 == said["downloaded"]
    (row,) = await read(reactor, tmp_path / "data")
    assert (*host_of(scripted), 1) == (row.host, row.port, row.allowed)


async def read(reactor: IReactor, data: Path) -> Sequence[PaceRow]:
    """Return what the catalog in *data* has."""
    catalog = await Catalog.open(reactor, f"sqlite:///{data}/catalog.sqlite")
    try:
        return await catalog.read(paces.list)
    finally:
        await catalog.close()
