"""Storage where it is used: with a real reactor, its own threads, downloads from real servers."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import async_yield_fixture, ensureDeferred
from twisted.internet.defer import CancelledError, Deferred, gatherResults

from tests.servers.corpus import Corpus
from tests.servers.nginx import Nginx
from tests.servers.reactor import IReactor
from tests.servers.scripted import Scripted, cut, ok, ranged
from twisted_pulp.context import Context
from twisted_pulp.errors import ConnectionLost, DigestMismatch, StorageError
from twisted_pulp.interfaces import Adoption, Recovered
from twisted_pulp.settings import Remote, Retry
from twisted_pulp.storage import DirectoryStorage, MemoryStorage
from twisted_pulp.testing import SlowConsumer

ONCE = Remote(retry=Retry(retries=0))
BODY = os.urandom(3 << 20)
SHA256 = sha256(BODY).hexdigest()


@async_yield_fixture(params=["directory", "memory"])
async def storage(request: pytest.FixtureRequest, reactor: IReactor, tmp_path: Path) -> AsyncIterator[Any]:
    """A storage of each kind; nothing is left in its tmp."""
    if request.param == "memory":
        made: Any = MemoryStorage()
    else:
        made = await DirectoryStorage.open(reactor, tmp_path / "storage")
    yield made
    await made.close()
    assert [] == list(tmp_path.glob("storage/tmp/*"))


@ensureDeferred
async def test_downloaded(context: Context, nginx: Nginx, corpus: Corpus, storage: Any) -> None:
    """Files of all sizes are downloaded to where storage wants them, and adopted together."""
    files = [corpus.file(f"f{size}", size) for size in (0, 1, 4096, 1 << 18, (1 << 18) + 1, 5 << 20)]
    reports = [
        await context.downloader(ONCE).download(
            nginx.url(f"/{file.path.name}"), path=storage.temporary(file.sha256), digests={"sha256": file.sha256}
        )
        for file in files
    ]
    adoptions = [Adoption(each.path, each.digests["sha256"], each.size) for each in reports]
    assert [None] * len(files) == await storage.adopt(adoptions)
    assert [None] * len(files) == [await storage.check(file.sha256, file.size) for file in files]
    assert files[-1].body == await storage.read(files[-1].sha256)


@ensureDeferred
async def test_writer(context: Context, nginx: Nginx, corpus: Corpus, storage: Any) -> None:
    """A download may go to a writer of the storage, which hashes for itself."""
    for size in (0, 4096, 5 << 20):
        file = corpus.file(f"f{size}", size)
        writer = storage.writer()
        await context.downloader(ONCE).download(nginx.url(f"/{file.path.name}"), writer=writer)
        assert (file.sha256, size) == (writer.sha256, writer.size)
        assert None is await storage.check(file.sha256, size)


@ensureDeferred
async def test_writer_retried(context: Context, scripted: Scripted, storage: Any) -> None:
    """A body that breaks off is gone on with, and one that was wrong is forgotten."""
    wrong = BODY[:-1] + b"x" if BODY[-1:] != b"x" else BODY[:-1] + b"y"
    scripted.on(b"/f", [cut(ranged(wrong), 1 << 20), ranged(wrong), ranged(BODY)])
    writer = storage.writer()
    remote = Remote(retry=Retry(retries=3, base=0.01))
    await context.downloader(remote).download(scripted.url("/f"), writer=writer, digests={"sha256": SHA256})
    assert (SHA256, {SHA256}) == (writer.sha256, await storage.has([SHA256]))


@ensureDeferred
async def test_writer_wrong(context: Context, scripted: Scripted, storage: Any) -> None:
    """Bytes that are not what was announced to the writer fail the download, and are not kept."""
    scripted.default = lambda _: ok(BODY)
    with pytest.raises(DigestMismatch):
        await context.downloader(ONCE).download(scripted.url("/f"), writer=storage.writer(sha256="0" * 64))
    assert [] == [each async for each in storage.each()]


@ensureDeferred
async def test_crowd(storage: Any) -> None:
    """Many at once, of all kinds, in several threads, do not disturb each other."""
    bodies = [b"%d" % number * 1000 for number in range(300)]
    shas = [sha256(body).hexdigest() for body in bodies]

    async def keep(some: list[bytes]) -> list[StorageError | None]:
        files = []
        for number, body in enumerate(some):
            path = Path(storage.temporary(f"{id(some)}-{number}"))
            path.write_bytes(body)
            files.append(Adoption(str(path), sha256(body).hexdigest(), len(body)))
        adopted: list[StorageError | None] = await storage.adopt(files)
        return adopted

    async def look(sha: str) -> None:
        assert await storage.check(sha) in (None, "missing")
        await storage.has(shas)

    work: list[Any] = [keep(bodies[start : start + 60]) for start in (0, 30, 60, 120, 180, 240)]
    done = await gatherResults([Deferred.fromCoroutine(each) for each in [*work, *map(look, shas[::10])]])
    assert {None} == {error for errors in done[: len(work)] for error in errors}
    assert set(shas) == {sha async for sha, _, _ in storage.each()} == await storage.has(shas)
    assert 300 == await storage.remove(shas)


@ensureDeferred
async def test_produced(storage: Any, reactor: IReactor) -> None:
    """A slow consumer gets everything, never more than it wants by much; one that is cancelled is let go."""
    writer = storage.writer()
    writer.write(BODY)
    done = writer.commit()
    if done is not None:
        await done
    consumer = SlowConsumer(300_000)
    produced = storage.produce(SHA256, consumer)
    results: list[int] = []
    produced.addCallback(results.append)
    before = 0
    while not results:
        assert len(consumer.written) - before <= 300_000 + (512 << 10)
        before = len(consumer.written)
        consumer.take()
        await turn(reactor)
    assert ([len(BODY)], BODY) == (results, bytes(consumer.written))
    consumer = SlowConsumer(1)
    produced = storage.produce(SHA256, consumer)
    while not consumer.written:
        await turn(reactor)
    produced.cancel()
    with pytest.raises(CancelledError):
        await produced


async def turn(reactor: IReactor) -> None:
    """Let the reactor work for a moment."""
    moment: Deferred[None] = Deferred()
    reactor.callLater(0.001, moment.callback, None)
    await moment


@ensureDeferred
async def test_resumed(context: Context, scripted: Scripted, reactor: IReactor, tmp_path: Path) -> None:
    """What a run has left of a download is kept by the next, which fetches the rest only."""
    storage = await DirectoryStorage.open(reactor, tmp_path)
    scripted.on(b"/f", [cut(ranged(BODY), 2 << 20), ranged(BODY)])
    wanted: dict[str, Any] = {"digests": {"sha256": SHA256}, "size": len(BODY)}
    with pytest.raises(ConnectionLost):
        await context.downloader(ONCE).download(scripted.url("/f"), path=storage.temporary(SHA256), **wanted)
    await storage.close()
    storage = await DirectoryStorage.open(reactor, tmp_path)
    assert Recovered(0, 0, 2) == await storage.recover()
    report = await context.downloader(ONCE).download(scripted.url("/f"), path=storage.temporary(SHA256), **wanted)
    assert [206] == [attempt.status for attempt in report.attempts]
    assert [None] == await storage.adopt([Adoption(report.path, SHA256, len(BODY))])
    assert [] == os.listdir(tmp_path / "tmp")
    await storage.close()


@ensureDeferred
async def test_linked(context: Context, reactor: IReactor, tmp_path: Path) -> None:
    """A file:// URL that becomes a hard link is copied into storage, and stays the user's own."""
    mine = tmp_path / "mine"
    mine.write_bytes(BODY)
    storage = await DirectoryStorage.open(reactor, tmp_path / "storage")
    downloader = context.downloader(Remote(file_mode="hardlink", file_roots=[str(tmp_path)]))
    report = await downloader.download(
        f"file://{mine}", path=storage.temporary(SHA256), digests={"sha256": SHA256}, size=len(BODY)
    )
    assert [None] == await storage.adopt([Adoption(report.path, SHA256, len(BODY))])
    assert not os.path.samefile(mine, storage.path(SHA256))
    assert 0o200 & mine.stat().st_mode
    await storage.close()


@ensureDeferred
async def test_not_opened(reactor: IReactor, tmp_path: Path) -> None:
    """A storage that cannot be opened leaves no thread."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError):
        await DirectoryStorage.open(reactor, tmp_path / "file")


@ensureDeferred
async def test_closed(reactor: IReactor, tmp_path: Path) -> None:
    """To close waits for what was begun, cancelled or not, and ends the threads."""
    storage = await DirectoryStorage.open(reactor, tmp_path)
    writer = storage.writer()
    writer.write(BODY)
    gone = storage.has([SHA256])
    gone.cancel()
    looking = storage.has([SHA256])
    await storage.close()
    assert set() == await looking
    with pytest.raises(CancelledError):
        await gone
    assert [] == os.listdir(tmp_path / "tmp")
