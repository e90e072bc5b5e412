"""`python -m benchmarks.objects`: keep small and large files in a bucket, fetch them, and print what that costs."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import resource
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer
from twisted.internet.task import react
from zope.interface import implementer

from benchmarks.about import about
from benchmarks.server import serving
from twisted_pulp import Adoption, Context, Download, ObjectStorage
from twisted_pulp.stages._following import Following

_SMALL, _LARGE, _BLOCK = 4 << 10, 256 << 20, 1 << 20


@implementer(IConsumer)
class Sink:
    """A consumer that takes everything at once."""

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Ask for everything."""

    def unregisterProducer(self) -> None:
        """Nothing."""

    def write(self, data: bytes) -> None:
        """Forget *data*."""


@contextmanager
def bucket(url: str | None) -> Iterator[str]:
    """Give the URL of a bucket; without one, of a Ceph RGW that is started, and ends with the block."""
    if url is not None:
        yield url
        return
    from tests.servers.ceph import Ceph

    server = Ceph.made()
    try:
        server.start()
        yield server.url(server.bucket())
    finally:
        server.stop()
        server.remove()


def announced(storage: Any, size: int, count: int) -> list[Adoption]:
    """Put files of random bytes where downloads would, and say what is to be said of them."""
    files = []
    for number in range(count):
        path, found = Path(storage.temporary(f"bench-{number}")), hashlib.sha256()
        with path.open("wb") as file:
            for start in range(0, size, _BLOCK):
                block = os.urandom(min(_BLOCK, size - start))
                found.update(block)
                file.write(block)
        files.append(Adoption(str(path), found.hexdigest(), size))
    return files


async def small(reactor: Any, url: str, spool: str, connections: int, count: int) -> tuple[float, float, float]:
    """Return files a second: kept, asked for, read."""
    mark = "&" if "?" in url else "?"
    storage = await ObjectStorage.open(reactor, f"{url}{mark}connections={connections}", spool)
    files = announced(storage, _SMALL, count)
    names = [file.sha256 for file in files]
    times = [monotonic()]
    assert not any(await storage.adopt(files))
    times.append(monotonic())
    assert len(await storage.has(names)) == count
    times.append(monotonic())
    for start in range(0, count, connections):
        reading = [storage.read(name) for name in names[start : start + connections]]
        for each in reading:
            await each
    times.append(monotonic())
    await storage.remove(names)
    await storage.close()
    kept, asked, read = (count / (after - before) for before, after in pairwise(times))
    return kept, asked, read


async def large(reactor: Any, url: str, spool: str) -> tuple[float, float]:
    """Return MiB a second: kept, and given to a consumer."""
    storage = await ObjectStorage.open(reactor, url, spool)
    files = announced(storage, _LARGE, 1)
    began = monotonic()
    assert await storage.adopt(files) == [None]
    middle = monotonic()
    assert await storage.produce(files[0].sha256, Sink()) == _LARGE
    ended = monotonic()
    await storage.remove([files[0].sha256])
    await storage.close()
    return (_LARGE >> 20) / (middle - began), (_LARGE >> 20) / (ended - middle)


async def coming(reactor: Any, url: str, spool: str, source: str, sha256: str, size: int, ahead: bool) -> float:
    """Return the seconds in which a file comes from *source* and is kept, uploaded *ahead* of its end or after it."""
    storage: Any = await ObjectStorage.open(reactor, url, spool)
    storage.follows = ahead
    context, path = Context(reactor), storage.temporary(sha256)
    following = Following(storage, os.path.dirname(path))
    downloader = following.downloader(context.downloader)
    began = monotonic()
    report = await downloader.download(Download(source, sha256, size=size, digests={"sha256": sha256}))
    following.ended(report)
    assert await storage.adopt([Adoption(path, sha256, size)]) == [None]
    took = monotonic() - began
    await storage.remove([sha256])
    await context.close()
    await storage.close()
    return took


def published(directory: Path, size: int) -> tuple[Path, Path, str]:
    """Make a directory for a server, one of a file of *size* random bytes for it to give out, and return its sha256."""
    work, root, found = directory / "nginx", directory / "upstream", hashlib.sha256()
    work.mkdir()
    root.mkdir()
    with (root / "file").open("wb") as file:
        for _ in range(size // _BLOCK):
            block = os.urandom(_BLOCK)
            found.update(block)
            file.write(block)
    return work, root, found.hexdigest()


async def after_and_ahead(reactor: Any, url: str, spool: str, size: int, rate: int) -> None:
    """Let a file come at *rate* MiB/s, uploaded after its end and ahead of it, and print how long that took."""
    work, root, sha256 = published(Path(spool), size)
    with serving(shutil.which("nginx") or "/usr/sbin/nginx", work, root, rate) as server:
        for ahead in (False, True):
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            took = await coming(reactor, url, spool, f"{server.http}/file", sha256, size, ahead)
            more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) >> 10
            words = "while it came" if ahead else "after it came"
            print(f"{size >> 20} MiB at {rate} MiB/s, uploaded {words}: {took:.1f} s, {more} MiB more memory")


def threads_or_loop(url: str, count: int) -> dict[str, float]:
    """Return puts a second of obstore itself, 16 at once: called in threads, and awaited in a loop."""
    import obstore

    from twisted_pulp.storage._location import Location

    store, body = Location.parsed(url).store(), os.urandom(_SMALL)

    def timed(run: Callable[[], object]) -> float:
        began = monotonic()
        run()
        return count / (monotonic() - began)

    async def awaited() -> None:
        places = asyncio.Semaphore(16)

        async def one(number: int) -> None:
            async with places:
                await obstore.put_async(store, f"bench/loop/{number}", body, mode="create")

        await asyncio.gather(*(one(number) for number in range(count)))

    def called(number: int) -> None:
        obstore.put(store, f"bench/threads/{number}", body, mode="create")

    with ThreadPoolExecutor(16) as pool:
        found = {"threads": timed(lambda: list(pool.map(called, range(count))))}
    found["loop"] = timed(lambda: asyncio.run(awaited()))
    obstore.delete(store, [f"bench/{each}/{number}" for each in found for number in range(count)])
    return found


async def stored(reactor: Any, url: str, spool: str, count: int) -> None:
    """Keep and fetch small files, and a large one, and print how fast that was."""
    for name, rate in threads_or_loop(url, count).items():
        print(f"obstore alone, 16 at once, {name}: {rate:.0f} puts/s")
    print("| connections | kept/s | asked for/s | read/s |")
    print("| --- | --- | --- | --- |")
    for connections in (1, 4, 16, 32):
        rates = await small(reactor, url, spool, connections, count)
        print(f"| {connections} | " + " | ".join(f"{rate:.0f}" for rate in rates) + " |")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    up, down = await large(reactor, url, spool)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
    print(f"{_LARGE >> 20} MiB: {up:.0f} MiB/s up, {down:.0f} MiB/s down, {grown} MiB more memory")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.objects", description=__doc__)
    parser.add_argument("--url", help="of a bucket, as a setting has it; default: of a Ceph RGW that is started")
    parser.add_argument("--count", type=int, default=2000, help="small files; 0 for none")
    parser.add_argument("--coming", type=int, default=256, help="MiB of a file that is uploaded while it comes")
    parser.add_argument("--rate", type=int, default=32, help="MiB a second at which it comes")
    given = parser.parse_args()

    async def run(reactor: Any) -> None:
        print(about({}))
        with bucket(given.url) as url, tempfile.TemporaryDirectory() as spool:
            if given.count:
                await stored(reactor, url, spool, given.count)
            await after_and_ahead(reactor, url, spool, given.coming << 20, given.rate)

    def start(reactor: Any) -> Deferred[None]:
        coroutine: Coroutine[Any, Any, None] = run(reactor)
        return Deferred.fromCoroutine(coroutine)

    react(start)


if __name__ == "__main__":
    main()
