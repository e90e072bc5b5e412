"""Jobs that sync, verify and clean up, on real databases."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from attrs import define
from sqlalchemy import update
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from tests.integration.job_fixtures import Shop, shop, site
from tests.servers.scripted import Scripted, Until, ok
from twisted_pulp.catalog import remotes, repositories, versions
from twisted_pulp.catalog._job_tables import job as job_table
from twisted_pulp.context import Context
from twisted_pulp.jobs import CleanupKind, Job, SyncKind, VerifyKind
from twisted_pulp.settings import Remote
from twisted_pulp.storage import DirectoryStorage

__all__ = ["shop", "site"]

pytestmark = pytest.mark.usefixtures("reactor")


@define(eq=False)
class Mirror:
    """
    A repository of files, and a worker that knows what can be done with it.

    :ivar upstream: the directory that it is synced with.
    """

    shop: Shop
    storage: DirectoryStorage
    upstream: Path

    def publish(self, **files: bytes) -> None:
        """Let the upstream have these files."""
        lines = []
        for name, body in files.items():
            (self.upstream / name).write_bytes(body)
            lines.append(f"{name},{hashlib.sha256(body).hexdigest()},{len(body)}\n")
        (self.upstream / "PULP_MANIFEST").write_text("".join(lines))

    async def run(self, kind: str, **payload: Any) -> Job:
        """Run a job to its end."""
        uid = (await self.shop.jobs.submit(kind, payload)).job.uid
        return await self.shop.ended(uid)


@pytest_twisted.async_yield_fixture
async def mirror(shop: Shop, context: Context, tmp_path: Path) -> AsyncIterator[Mirror]:
    """A remote named upstream, and a worker that runs."""
    storage = await DirectoryStorage.open(shop.reactor, tmp_path / "storage", fsync="none")
    made = Mirror(shop, storage, tmp_path / "upstream")
    made.upstream.mkdir()
    remote = Remote(url=f"file://{made.upstream}/PULP_MANIFEST", file_roots=(str(made.upstream),))
    await shop.catalog.write(remotes.create, "upstream", remote, 1.0)
    kinds = {
        "sync": SyncKind(context, shop.catalog, storage, in_flight=(None, 2)),
        "verify": VerifyKind(context, shop.catalog, storage),
        "cleanup": CleanupKind(shop.reactor, shop.catalog, storage),
    }
    worker = shop.worker(kinds)
    await worker.start()
    yield made
    await worker.stop()
    await storage.close()


async def test_sync(mirror: Mirror) -> None:
    """A sync makes a version, says how far it is and what came of it; one without changes makes none."""
    mirror.publish(a=b"a", b=b"bb")
    job = await mirror.run("sync", repository="mine", remote="upstream", type="file")
    assert ("completed", None) == (job.state, job.error)
    assert job.result is not None
    assert (1, 2, 2, 3) == tuple(job.result[name] for name in ("version", "added", "downloaded", "bytes"))
    assert (2, 2, 3) == (job.total, job.done, job.bytes)
    again = await mirror.run("sync", repository="mine")
    assert again.result is not None
    assert (None, 2) == (again.result["version"], again.result["present"])
    repository = await mirror.shop.catalog.read(repositories.get, "mine")
    latest = await mirror.shop.catalog.read(versions.latest, repository.id)
    assert 1 == latest.number


async def test_sync_in_flight(mirror: Mirror, scripted: Scripted) -> None:
    """No more files are asked for than may be in flight."""
    gate: Deferred[None] = Deferred()
    names = [f"{number}.bin" for number in range(5)]
    lines = [f"{name},{hashlib.sha256(name.encode()).hexdigest()},{len(name)}\n" for name in names]
    scripted.on(b"/PULP_MANIFEST", [ok("".join(lines).encode())])
    scripted.default = lambda request: (Until(gate), *ok(request.path[1:]))
    await mirror.shop.catalog.write(remotes.create, "gated", Remote(url=scripted.url("/PULP_MANIFEST")), 1.0)
    ending = Deferred.fromCoroutine(mirror.run("sync", repository="mine", remote="gated", type="file"))
    while len(scripted.requests) < 3:
        await deferLater(mirror.shop.reactor, 0.01)
    await deferLater(mirror.shop.reactor, 0.3)
    assert 3 == len(scripted.requests)
    gate.callback(None)
    assert ("completed", 6) == ((await ending).state, len(scripted.requests))


async def test_sync_lost(mirror: Mirror, scripted: Scripted) -> None:
    """A sync whose job has become another's, of which it has not heard yet, makes no version."""
    gate: Deferred[None] = Deferred()
    line = f"a,{hashlib.sha256(b'a').hexdigest()},1\n"
    scripted.on(b"/PULP_MANIFEST", [ok(line.encode())])
    scripted.on(b"/a", [(Until(gate), *ok(b"a"))])
    await mirror.shop.catalog.write(remotes.create, "gated", Remote(url=scripted.url("/PULP_MANIFEST")), 1.0)
    payload = {"repository": "mine", "remote": "gated", "type": "file"}
    job = (await mirror.shop.jobs.submit("sync", payload)).job
    while len(scripted.requests) < 2:
        await deferLater(mirror.shop.reactor, 0.01)
    taken = update(job_table).where(job_table.c.uid == job.uid).values(fence=job_table.c.fence + 1, holder="other")
    await mirror.shop.catalog.write(lambda connection: connection.execute(taken))
    gate.callback(None)
    while mirror.shop.workers[0].running:
        await deferLater(mirror.shop.reactor, 0.01)
    repository = await mirror.shop.catalog.read(repositories.get, "mine")
    assert await mirror.shop.catalog.read(versions.latest, repository.id) is None
    assert "running" == (await mirror.shop.jobs.get(job.uid)).state


async def test_sync_refused(mirror: Mirror) -> None:
    """A sync of what is not there fails at once, and says why."""
    job = await mirror.run("sync", repository="none")
    assert ("failed", False, "there is no repository none") == (job.state, job.parked, job.error)


async def test_verify(mirror: Mirror) -> None:
    """A verification finds what is damaged, and repairs it where it is asked to."""
    mirror.publish(a=b"a" * 100, b=b"b" * 100)
    await mirror.run("sync", repository="mine", remote="upstream", type="file")
    path = mirror.storage.path(hashlib.sha256(b"a" * 100).hexdigest())
    assert path is not None
    Path(path).chmod(0o644)
    Path(path).write_bytes(b"x" * 100)
    found = await mirror.run("verify")
    assert found.result is not None
    assert (2, 1, 0) == tuple(found.result[name] for name in ("checked", "damaged", "repaired"))
    mended = await mirror.run("verify", repair=True)
    assert mended.result is not None
    assert ("completed", 1, []) == (mended.state, mended.result["repaired"], mended.result["unrepairable"])
    assert b"a" * 100 == Path(path).read_bytes()


async def test_cleanup(mirror: Mirror) -> None:
    """A cleanup removes what nothing refers to any more."""
    mirror.publish(a=b"a", b=b"b")
    await mirror.run("sync", repository="mine", remote="upstream", type="file")
    await mirror.shop.catalog.write(repositories.delete, "mine")
    assert 0 == (await mirror.run("cleanup")).done
    mirror.shop.jobs.now = lambda: 1e11
    job = await mirror.run("cleanup", grace=0)
    assert job.result is not None
    assert (2, 2, 2) == tuple(job.result[name] for name in ("content", "artifacts", "bytes"))
