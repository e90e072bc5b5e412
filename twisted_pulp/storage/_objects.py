"""An object store as storage."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from threading import Event
from typing import Any, TypeVar, get_args

from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.interfaces import IConsumer, IReactorFromThreads
from twisted.logger import Logger
from zope.interface import implementer

from twisted_pulp.errors import StorageError, StorageUnavailable
from twisted_pulp.interfaces import Adoption, ExportMode, IStorage, Recovered
from twisted_pulp.storage._bucket import BRIEFLY, Bucket, Stream
from twisted_pulp.storage._busy import Busy
from twisted_pulp.storage._delivery import Delivery
from twisted_pulp.storage._fetching import Compared, exported, fetched
from twisted_pulp.storage._follower import Follower
from twisted_pulp.storage._growing import Growing
from twisted_pulp.storage._listing import Listing
from twisted_pulp.storage._location import Location
from twisted_pulp.storage._names import checked, span, temporary_name
from twisted_pulp.storage._pools import Pools
from twisted_pulp.storage._recover import recovered
from twisted_pulp.storage._root import Root
from twisted_pulp.storage._system import OS
from twisted_pulp.storage._upload import Uploads
from twisted_pulp.storage._writer import Share, Writer
from twisted_pulp.threads import InThread, outlasting

__all__ = ["ObjectStorage"]

T = TypeVar("T")
_log = Logger()
_KEEP = 7 * 86400.0
# Bytes up to which a file is one of many; and how many larger ones are uploaded at once.
_SMALL, _LARGE = 1 << 20, 4


@implementer(IStorage)
class ObjectStorage:
    """
    Keep artifacts in a bucket of S3, Google Cloud Storage or Azure; made by `open`.

    What a `Download` brings waits in a directory of this machine, the spool, until it is uploaded. Several processes
    may have one bucket open, and write.
    """

    follows = True

    def __init__(
        self, bucket: Bucket, root: Root, keep: float, lanes: Sequence[InThread], close: Callable[[], object]
    ) -> None:
        self._bucket, self._root, self._keep, self._end = bucket, root, keep, close
        self._down, self._up, self._large = lanes
        self._uploads = Uploads(bucket, root)
        self._share = Share()
        self._deliveries: set[Delivery] = set()
        self._busy = Busy()
        self._closed = False

    @classmethod
    def open(
        cls,
        reactor: IReactorFromThreads,
        url: str,
        spool: str | os.PathLike[str],
        *,
        keep: float = _KEEP,
        in_thread: InThread | None = None,
        store: Any = None,
    ) -> Deferred[ObjectStorage]:
        """
        Open the storage at *url*.

        :param url: ``s3://BUCKET/PREFIX?NAME=VALUE&...``, ``gs://...`` or ``az://...``; what options there
            are is in docs/objects.md.
        :param spool: directory of this machine for what is on its way; made if it is missing.
        :param keep: seconds for which `recover` keeps what a download can go on with; default 7 days.
        :param in_thread: calls a function in a thread and returns a Deferred; default threads of its own.
        :param store: obstore's client; default: made as *url* says.
        :returns: a Deferred of the storage. It fails with `SettingsError`, or with `StorageRefused` when the bucket is
            not there or not ours; a store that is out of reach is waited for later.
        """
        return Deferred.fromCoroutine(cls._opened(reactor, url, os.path.abspath(spool), keep, in_thread, store))

    @classmethod
    async def _opened(
        cls,
        reactor: IReactorFromThreads,
        url: str,
        spool: str,
        keep: float,
        in_thread: InThread | None,
        store: Any,
    ) -> ObjectStorage:
        location = Location.parsed(url)
        pools, count = Pools(reactor), location.connections
        down, up = in_thread or pools.lane("down", count), in_thread or pools.lane("up", count)
        large = in_thread or pools.lane("large", min(count, _LARGE))
        try:
            bucket = await outlasting(up(Bucket, location, store))
            try:
                await outlasting(down(bucket.probe))
            except StorageUnavailable as error:
                _log.warn("the object store is out of reach: {error}", error=error)
            root = await outlasting(up(Root, spool, OS, False))
        except BaseException:
            pools.close()
            raise
        return cls(bucket, root, keep, (down, up, large), pools.close)

    def __repr__(self) -> str:
        return f"<ObjectStorage {self._bucket.location} running={self._busy.running} waiting={self._bucket.waiting}>"

    def _read(self, f: Callable[..., T], *args: Any) -> Deferred[T]:
        """Call *f* in a thread, to its end even when nobody waits for it any more."""
        return Deferred.fromCoroutine(self._busy.counted(self._hop(self._down, f, *args)))

    def _write(self, f: Callable[..., T], *args: Any) -> Deferred[T]:
        return Deferred.fromCoroutine(self._busy.counted(self._hop(self._up, f, *args)))

    async def _hop(self, lane: InThread, f: Callable[..., T], *args: Any) -> T:
        if self._closed:
            raise StorageError(f"{self._bucket.location} is closed")
        return await outlasting(lane(f, *args))

    # what comes
    def temporary(self, name: str) -> str:
        """Return a path in the spool."""
        self._root.begin(wait=False)
        return f"{self._root.temporaries}/{temporary_name(name)}"

    def adopt(self, files: Sequence[Adoption], *, replace: bool = False) -> Deferred[list[StorageError | None]]:
        """Upload *files*, several at once; to cancel it ends what is not finished."""
        for file in files:
            checked(file.sha256)
            if os.path.dirname(file.path) != self._root.temporaries:
                raise ValueError(f"{file.path!r} is not in {self._root.temporaries}")
        return Deferred.fromCoroutine(self._busy.counted(self._adopt(files, replace)))

    async def _adopt(self, files: Sequence[Adoption], replace: bool) -> list[StorageError | None]:
        if self._closed:
            raise StorageError(f"{self._bucket.location} is closed")
        stop = Event()
        upload = partial(self._uploads.adopt, replace=replace, stop=stop)
        # Each thread keeps some of the memory that it has used.
        lanes = [self._large if file.size > _SMALL else self._up for file in files]
        uploads = [lane(upload, [file]) for lane, file in zip(lanes, files, strict=True)]
        given = await outlasting(gatherResults(uploads), stop.set)
        return [each for found in given for each in found]

    def follow(self, path: str, sha256: str, size: int) -> Follower | None:
        """Upload it while it grows, if it is large; with too many of them, once others have ended."""
        return self._uploads.followers.follow(path, checked(sha256), size)

    def put(self, sha256: str, data: bytes) -> None:
        """Do nothing: an artifact is no file."""
        checked(sha256)

    def writer(self, *, sha256: str | None = None, size: int | None = None) -> Writer:
        """Return a writer; small bodies are uploaded at once, larger ones by way of the spool."""
        uploads = self._uploads
        name = None if sha256 is None else checked(sha256)
        growing = Growing(self._root, "none", name, size, uploads, uploads.adopt, uploads.followers.follow)
        return Writer(growing, self._write, False, self._share, size)

    # what is there
    def has(self, sha256s: Sequence[str]) -> Deferred[set[str]]:
        """Ask for each, several at once."""
        wanted = sorted({checked(each) for each in sha256s})
        return Deferred.fromCoroutine(self._busy.counted(self._has(wanted)))

    async def _has(self, wanted: list[str]) -> set[str]:
        count = self._bucket.location.connections
        shares = [share for start in range(count) if (share := wanted[start::count])]
        hops = [Deferred.fromCoroutine(self._hop(self._down, self._bucket.heads, share)) for share in shares]
        return set[str]().union(*await outlasting(gatherResults(hops, consumeErrors=True)))

    def size(self, sha256: str) -> Deferred[int | None]:
        """Ask how large it is."""
        return self._read(self._size, checked(sha256))

    def _size(self, sha256: str) -> int | None:
        found = self._bucket.head(sha256, BRIEFLY)
        return None if found is None else found[0]

    def path(self, sha256: str) -> None:
        """There are no files."""
        checked(sha256)

    def read(self, sha256: str, offset: int = 0, length: int | None = None) -> Deferred[bytes]:
        """Fetch some of it."""
        span(offset, length)
        return self._read(fetched, self._bucket, checked(sha256), offset, length)

    def produce(self, sha256: str, consumer: IConsumer, offset: int = 0, length: int | None = None) -> Deferred[int]:
        """Fetch it in one request, as *consumer* takes it."""
        span(offset, length)
        return Deferred.fromCoroutine(self._busy.counted(self._produce(checked(sha256), consumer, offset, length)))

    async def _produce(self, sha256: str, consumer: IConsumer, offset: int, length: int | None) -> int:
        stream = await self._hop(self._down, Stream, self._bucket, sha256, offset, length)
        hop = partial(self._hop, self._down, stream.take)
        delivery = Delivery(lambda _, count: Deferred.fromCoroutine(hop(count)), consumer)
        self._deliveries.add(delivery)
        try:
            return await delivery.run(offset, max(0, stream.size - offset) if length is None else length)
        finally:
            self._deliveries.discard(delivery)

    def check(self, sha256: str, size: int | None = None) -> Deferred[str | None]:
        """Fetch and hash it in a thread, with pauses for others."""
        return Deferred.fromCoroutine(self._busy.counted(self._check(Compared(self._bucket, checked(sha256), size))))

    async def _check(self, artifact: Compared) -> str | None:
        while not await self._hop(self._down, artifact.step):
            pass
        return artifact.verdict

    def remove(self, sha256s: Sequence[str]) -> Deferred[int]:
        """Remove those that are there, in as few requests as the store can."""
        wanted = sorted({checked(each) for each in sha256s})
        return Deferred.fromCoroutine(self._busy.counted(self._remove(wanted)))

    async def _remove(self, wanted: list[str]) -> int:
        there = sorted(await self._has(wanted))
        if there:
            await self._hop(self._down, self._bucket.remove, there)
        return len(there)

    async def each(self) -> AsyncIterator[tuple[str, int, float]]:
        """List them page by page."""
        listing = Listing(self._bucket)
        while page := await self._read(listing.page):
            for artifact in page:
                yield artifact

    def export(self, sha256: str, path: str | os.PathLike[str], *, mode: ExportMode = "auto") -> Deferred[None]:
        """
        Fetch it to *path*; there is nothing to link to.

        :raises ValueError: when *mode* is none.
        """
        if mode not in get_args(ExportMode):
            raise ValueError(f"mode is {mode!r}, but it must be one of {', '.join(get_args(ExportMode))}")
        return self._read(exported, self._bucket, checked(sha256), os.fspath(path), mode)

    def url(self, sha256: str) -> Deferred[str | None]:
        """Sign one, if clients shall be sent to the store."""
        checked(sha256)
        location = self._bucket.location
        return self._read(self._bucket.sign, sha256, location.expires) if location.redirect else succeed(None)

    async def look(self) -> str | None:
        """Return why the store cannot be used, looking again if it could not the last time; or None."""
        if self._bucket.trouble is not None:
            try:
                await self._read(self._bucket.probe)
            except StorageError as error:
                return str(error)
        return None

    # beginning and end
    def recover(self) -> Deferred[Recovered]:
        """Remove what dead processes have left in the spool."""
        return self._write(recovered, self._root, self._keep)

    def close(self) -> Deferred[None]:
        """Finish what was begun, abort writers that were not committed, and give everything back."""
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        if self._closed:
            return
        for writer in list(self._share.writers):
            aborted = writer.abort(StorageError("the storage is closed"))
            if aborted is not None:
                await aborted
        for delivery in list(self._deliveries):
            delivery.stopProducing()
        self._closed = True
        self._bucket.closed.set()
        await self._busy.ended()
        await outlasting(self._up(self._uploads.followers.close))
        self._end()
        self._bucket.close()
        self._root.close()
