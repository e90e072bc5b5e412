"""Artifacts in an object store: calls that block."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from threading import Event
from typing import Any, TypeVar

from twisted_pulp.errors import PulpError, StorageDamaged, StorageError, StorageRefused, StorageUnavailable
from twisted_pulp.storage._location import Location
from twisted_pulp.storage._parts import PART, part_of
from twisted_pulp.storage._refusals import there_already, translated, unable

__all__ = ["BRIEFLY", "Bucket", "Stream"]

T = TypeVar("T")
# Seconds between tries while the store is out of reach.
_LEAST, _MOST = 0.1, 5.0
# Seconds for which somebody waits who reads, and may be told to come again.
BRIEFLY = 20.0
_LISTED = 1000
_CHUNK = 256 << 10


class Bucket:
    """
    What is in one place of an object store.

    Every method blocks, and tries again while the store is out of reach.

    :param location: of it.
    :param store: obstore's client of it; default: made now.
    :ivar closed: set when nothing is to be tried again.
    :ivar waiting: calls that wait because the store is out of reach.
    :ivar trouble: why the last call has failed, or None.
    """

    def __init__(self, location: Location, store: Any = None) -> None:
        self.location = location
        self._store = store if store is not None else location.store()
        # Bodies as long as they are; a client of its own, whose requests may last.
        self._streams = store if store is not None else location.store(streams=True)
        import obstore  # which is there, since there is a store

        self._obstore: Any = obstore
        self.closed = Event()
        self.waiting = 0
        self.trouble: str | None = None

    def __repr__(self) -> str:
        return f"<Bucket {self.location} waiting={self.waiting}>"

    def key(self, sha256: str) -> str:
        """Return the artifact's key, below the prefix."""
        return f"artifact/{sha256[:2]}/{sha256[2:]}"

    def attempt(
        self,
        f: Callable[..., T],
        *args: Any,
        sha256: str = "",
        stop: Event | None = None,
        patience: float | None = None,
    ) -> T:
        """
        Call *f*, again and again while the store is out of reach.

        :param stop: ends that.
        :param patience: seconds after which that ends; default: the location's.
        :raises StorageError: what is final.
        """
        limit = self.location.patience if patience is None else min(patience, self.location.patience)
        deadline, delay = time.monotonic() + limit, _LEAST
        while not self.closed.is_set():
            try:
                result = f(*args)
            except Exception as error:
                found = self._why(error, sha256)
                late = time.monotonic() + delay > deadline or (stop is not None and stop.is_set())
                if not isinstance(found, StorageUnavailable) or late:
                    raise found from (None if found is error else error)
            else:
                self.trouble = None
                return result
            self._pause(delay, stop or self.closed)
            delay = min(_MOST, delay * 2)
        raise StorageError(f"{self.location} is closed")

    def _why(self, error: Exception, sha256: str) -> PulpError:
        if isinstance(error, PulpError):
            return error
        found = translated(error, str(self.location), sha256)
        if isinstance(found, StorageUnavailable | StorageRefused):
            self.trouble = str(found)
        return found

    def _pause(self, delay: float, stop: Event) -> None:
        self.waiting += 1
        try:
            stop.wait(random.uniform(delay / 2, delay))  # noqa: S311
        finally:
            self.waiting -= 1

    def close(self) -> None:
        """Close its connections; nothing can be asked any more."""
        self.closed.set()
        self._store = self._streams = None

    # what is there
    def head(self, sha256: str, patience: float | None = None, stop: Event | None = None) -> tuple[int, float] | None:
        """Return the artifact's size and time of storing, or None."""
        return self.attempt(self._head, sha256, patience=patience, stop=stop)

    def _head(self, sha256: str) -> tuple[int, float] | None:
        try:
            found = self._obstore.head(self._store, self.key(sha256))
        except FileNotFoundError:
            return None
        return found["size"], found["last_modified"].timestamp()

    def heads(self, sha256s: Iterable[str]) -> set[str]:
        """Return which are there."""
        return {each for each in sha256s if self.head(each, BRIEFLY) is not None}

    def get(self, sha256: str, offset: int, length: int | None) -> tuple[Any, int]:
        """
        Begin to read; return an iterator of bytes, and the size of the whole. It is not tried again.

        :raises NotStored: when it is not there.
        """
        if length == 0:
            return iter(()), self._sized(sha256)
        if not offset and length is None:
            got = self._obstore.get(self._streams, self.key(sha256))
        else:
            span = {"offset": offset} if length is None else (offset, offset + length)
            try:
                got = self._obstore.get(self._streams, self.key(sha256), options={"range": span})
            except FileNotFoundError:
                raise
            except Exception:
                size = self._sized(sha256)  # there may be nothing in that range
                if offset < size:
                    raise
                return iter(()), size
        return got.stream(min_chunk_size=_CHUNK), got.meta["size"]

    def _sized(self, sha256: str) -> int:
        size: int = self._obstore.head(self._store, self.key(sha256))["size"]
        return size

    def sign(self, sha256: str, seconds: int) -> str:
        """Return a URL by which anybody may GET the artifact for so long."""
        expires = timedelta(seconds=seconds)
        return str(self.attempt(self._obstore.sign, self._store, "GET", self.key(sha256), expires, sha256=sha256))

    def probe(self) -> None:
        """
        Look whether the bucket is there and ours; one try.

        :raises StorageError: when it is not.
        """
        try:
            next(self._obstore.list(self._store, "artifact", chunk_size=1), None)
        except Exception as error:
            raise self._why(error, "") from error
        self.trouble = None

    # what comes and goes
    def create(self, sha256: str, data: bytes, stop: Event | None = None) -> bool:
        """Store *data* unless there is something; return whether it was stored now."""

        def put() -> bool:
            try:
                self._put(sha256, data, mode="create", use_multipart=False)
            except Exception as error:
                if there_already(error):
                    return False
                if not unable(error):
                    raise
                if self._head(sha256) is not None:
                    return False
                self._put(sha256, data, use_multipart=False)
            return True

        return self.attempt(put, sha256=sha256, stop=stop)

    def replace(self, sha256: str, blocks: Callable[[], Iterator[bytes]], size: int, stop: Event | None = None) -> None:
        """
        Store what *blocks* gives, whatever is there; large bodies in parts, of which two are in memory.

        When it fails, or *blocks* raises something, nothing of it is there.
        """

        def put() -> None:
            if size <= PART:
                self._put(sha256, b"".join(blocks()), use_multipart=False)
            else:
                self._put(sha256, blocks(), use_multipart=True, chunk_size=part_of(size), max_concurrency=1)

        self.attempt(put, sha256=sha256, stop=stop)

    def _put(self, sha256: str, body: Any, **how: Any) -> None:
        self._obstore.put(self._store, self.key(sha256), body, **how)

    def remove(self, sha256s: Sequence[str]) -> None:
        """Remove artifacts, whether they are there or not."""
        self.attempt(self._remove, [self.key(each) for each in sha256s])

    def _remove(self, keys: Sequence[str]) -> None:
        try:
            self._obstore.delete(self._store, keys)
        except FileNotFoundError:  # of Azure and Google, who then may not have removed the others
            for key in keys if len(keys) > 1 else ():
                self._remove([key])

    def page(self, after: str | None) -> Any:
        """Return an iterator of pages of what is stored, behind the key *after*."""
        return self._obstore.list(self._store, "artifact", offset=after, chunk_size=_LISTED)


class Stream:
    """
    Read an artifact from one place on; a broken connection is made anew. Blocks.

    :param patience: seconds for which is waited when the store is out of reach; None: as long as the location says.
    :ivar size: of the whole artifact.
    """

    def __init__(
        self, bucket: Bucket, sha256: str, offset: int, length: int | None, patience: float | None = BRIEFLY
    ) -> None:
        self._bucket, self._sha256, self._patience = bucket, sha256, patience
        self._offset, self._left = offset, length
        self._body, self.size = self._attempt(bucket.get, sha256, offset, length)
        self._rest = b""

    def take(self, count: int) -> bytes:
        """Return so many bytes, or fewer at the end."""
        while len(self._rest) < count:
            piece = self._attempt(self._next)
            if not piece:
                break
            self._rest = self._rest + piece if self._rest else piece
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken

    def _attempt(self, f: Callable[..., T], *args: Any) -> T:
        return self._bucket.attempt(f, *args, sha256=self._sha256, patience=self._patience)

    def _next(self) -> bytes:
        if self._body is None:
            self._body, size = self._bucket.get(self._sha256, self._offset, self._left)
            if size != self.size:
                raise StorageDamaged(f"artifact {self._sha256} changed from {self.size} to {size} bytes")
        try:
            piece = bytes(next(self._body, b""))
        except Exception:
            self._body = None
            raise
        self._offset += len(piece)
        if self._left is not None:
            self._left -= len(piece)
        return piece
