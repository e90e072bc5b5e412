"""Finished files on their way from the spool into an object store."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Condition, Event

from twisted_pulp.errors import DigestMismatch, StorageDamaged, StorageError
from twisted_pulp.interfaces import Adoption
from twisted_pulp.storage._adopt import READ
from twisted_pulp.storage._bucket import Bucket
from twisted_pulp.storage._follower import Followers
from twisted_pulp.storage._parts import PART
from twisted_pulp.storage._root import Root
from twisted_pulp.storage._system import storage_error

__all__ = ["Uploads"]

_BLOCK = 1 << 20
# Bytes of bodies in memory, of all uploads together; one that has parts counts as two of them.
_TOGETHER = 4 * PART
# Seconds for which an artifact counts as stored lately; cleanups leave those alone for longer.
_NEW = 600.0


class Uploads:
    """
    Bring finished files into a bucket. Every method blocks.

    :param bucket: where to.
    :param root: of the spool.
    :param now: seconds since the epoch.
    :ivar followers: that have begun before the end.
    """

    def __init__(self, bucket: Bucket, root: Root, now: Callable[[], float] = time.time) -> None:
        self._bucket, self._root, self._now = bucket, root, now
        self._free, self._changed = _TOGETHER, Condition()
        self.followers = Followers(bucket, self._fresh)

    @contextmanager
    def _memory(self, size: int) -> Iterator[None]:
        """Wait for memory for a body of *size* bytes."""
        wanted = min(size, 2 * PART)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= wanted)
            self._free -= wanted
        try:
            yield
        finally:
            with self._changed:
                self._free += wanted
                self._changed.notify_all()

    def put(self, sha256: str, data: bytes) -> None:
        """
        Make *data* the artifact *sha256*, which is trusted.

        :raises StorageError: when it cannot be.
        """
        with self._memory(len(data)):
            if not self._bucket.create(sha256, data) and not self._fresh(sha256, len(data)):
                self._bucket.replace(sha256, lambda: iter((data,)), len(data))

    def adopt(
        self, adoptions: Sequence[Adoption], *, replace: bool = False, stop: Event | None = None
    ) -> list[StorageError | None]:
        """Return, for each, why it is no artifact now; None if it is one, and its file is gone."""
        return [self._adopted(each, replace, stop) for each in adoptions]

    def _adopted(self, adoption: Adoption, replace: bool, stop: Event | None) -> StorageError | None:
        try:
            self._root.begin()
            try:
                fd = os.open(os.path.basename(adoption.path), READ, dir_fd=self._root.tmp)
            except FileNotFoundError:  # it may be an artifact since somebody else wanted it too
                return self._gone(adoption)
            try:
                self._send(adoption, fd, replace, stop)
            finally:
                os.close(fd)
            self._root.discard(os.path.basename(adoption.path))
        except OSError as error:
            return storage_error(error, adoption.path)
        except StorageError as error:
            return error
        return None

    def _gone(self, adoption: Adoption) -> StorageError | None:
        found = self._bucket.head(adoption.sha256)
        if found is not None and found[0] == adoption.size:
            return None
        return StorageError(f"{adoption.path}: there is no such file")

    def _send(self, adoption: Adoption, fd: int, replace: bool, stop: Event | None) -> None:
        sha256, size = adoption.sha256, adoption.size
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size != size:
            raise StorageDamaged(f"{adoption.path} is not the announced file of {size} bytes")
        follower = self.followers.of(sha256)
        if follower is not None and follower.finish(stop):
            return
        # Others have a file with several names too (a file:// URL that was linked), and can change it.
        source = _File(fd, adoption, prove=facts.st_nlink != 1, stop=stop)
        with self._memory(size):
            if not replace:
                if size > PART and self._fresh(sha256, size, stop):
                    return
                if size <= PART and self._bucket.create(sha256, b"".join(source.blocks()), stop):
                    return
                if size <= PART and self._fresh(sha256, size, stop):
                    return
            self._bucket.replace(sha256, source.blocks, size, stop)

    def _fresh(self, sha256: str, size: int, stop: Event | None = None) -> bool:
        """
        Return whether the artifact is there, whole, and stored lately.

        An older one is stored again: it may be nobody's, and just about to be cleaned up.
        """
        found = self._bucket.head(sha256, stop=stop)
        return found is not None and found[0] == size and self._now() - found[1] < _NEW


class _File:
    """A file to be read, perhaps more than once."""

    def __init__(self, fd: int, adoption: Adoption, *, prove: bool, stop: Event | None) -> None:
        self._fd, self._adoption, self._prove, self._stop = fd, adoption, prove, stop

    def blocks(self) -> Iterator[bytes]:
        """
        Give its bytes.

        :raises StorageError: when they are not those that were announced, or nobody wants them any more.
        """
        found, offset = hashlib.sha256(), 0
        while block := os.pread(self._fd, _BLOCK, offset):
            if self._stop is not None and self._stop.is_set():
                raise StorageError(f"the upload of {self._adoption.sha256} was cancelled")
            if self._prove:
                found.update(block)
            offset += len(block)
            yield block
        expected = self._adoption.sha256
        if offset != self._adoption.size or (self._prove and found.hexdigest() != expected):
            error = DigestMismatch(algorithm="sha256", expected=expected, actual=found.hexdigest())
            raise StorageDamaged(str(error) if self._prove else f"{self._adoption.path} changed meanwhile")
