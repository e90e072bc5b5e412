"""Files that are uploaded while they grow."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from threading import Condition, Event, Lock, Thread

from twisted.logger import Logger
from zope.interface import implementer

from twisted_pulp.errors import StorageDamaged, StorageError
from twisted_pulp.interfaces import IFollower
from twisted_pulp.storage._adopt import READ
from twisted_pulp.storage._bucket import Bucket
from twisted_pulp.storage._parts import PART, part_of

__all__ = ["LEAST", "Follower", "Followers"]

#: Bytes of a file from which on it is of use to begin before its end.
LEAST = 2 * PART
_BLOCK = 1 << 20
# Files at once; each has two parts in memory.
_MOST = 2
# Seconds between two looks whether anybody still waits.
_LOOK = 0.1


class Followers:
    """
    The files that are uploaded while they grow, a few at once.

    :param bucket: where to.
    :param fresh: tells whether an artifact of so many bytes was stored lately; it blocks, until the event at most.
    """

    def __init__(self, bucket: Bucket, fresh: Callable[[str, int, Event], bool]) -> None:
        self.bucket, self.fresh = bucket, fresh
        self._running: dict[str, Follower] = {}
        self._lock = Lock()
        self._closed = False

    def follow(self, path: str, sha256: str, size: int) -> Follower | None:
        """Return what follows the growing file at *path*, or None when it is too small for that."""
        return Follower(self, path, sha256, size) if size >= LEAST else None

    def begun(self, follower: Follower) -> bool:
        """Return whether there is room for *follower*, which begins then."""
        running = self._running
        with self._lock:
            if self._closed or len(running) >= _MOST or follower.sha256 in running:
                return False
            running[follower.sha256] = follower
        return True

    def ended(self, follower: Follower) -> None:
        """*follower*, which had begun, has ended."""
        with self._lock:
            del self._running[follower.sha256]

    def of(self, sha256: str) -> Follower | None:
        """Return who uploads what will be *sha256*."""
        return self._running.get(sha256)

    def close(self) -> None:
        """End all of them, and wait for that."""
        with self._lock:
            self._closed = True
            running = list(self._running.values())
        for follower in running:
            follower.cancel()
        for follower in running:
            follower.join()


@implementer(IFollower)
class Follower:
    """
    Upload a file while it grows. It is there when `finish` was called, or never.

    What is read is hashed: whatever becomes of the file meanwhile, nothing but the artifact can appear.

    :param followers: of which there are only so many at once.
    :param path: of the growing file.
    :param sha256: of the whole of it.
    :param size: of the whole of it in bytes.
    """

    _log = Logger()

    def __init__(self, followers: Followers, path: str, sha256: str, size: int) -> None:
        self._followers, self._path, self.sha256, self._size = followers, path, sha256, size
        self._part = part_of(size)
        self._changed = Condition()
        self._there, self._next = 0, self._part  # bytes, and how many make it worth being told
        self._whole = self._stored = False
        self._stop = Event()
        self._thread: Thread | None = None

    def __repr__(self) -> str:
        return f"<Follower {self.sha256} {self._there} of {self._size} bytes>"

    def grown(self, size: int) -> None:
        """Go on as far as there is a part more; what has become less is left to `adopt`."""
        if size < self._there:
            self.cancel()
        if size < self._next or self._stop.is_set():
            return
        with self._changed:
            self._there, self._next = size, size + self._part
            self._changed.notify_all()
        if self._thread is None and self._followers.begun(self):
            self._thread = Thread(target=self._run, name="objects ahead", daemon=True)
            self._thread.start()

    def cancel(self) -> None:
        """Abort the upload, unless it has ended."""
        with self._changed:
            self._stop.set()
            self._changed.notify_all()

    def finish(self, stop: Event | None) -> bool:
        """
        All of the file is there: return whether it is an artifact now. Blocks.

        :param stop: aborts that.
        """
        thread = self._thread
        assert thread is not None
        with self._changed:
            self._whole = True
            self._changed.notify_all()
        while thread.is_alive():
            thread.join(_LOOK)
            if stop is not None and stop.is_set():
                self.cancel()
        return self._stored

    def join(self) -> None:
        """Wait until the upload has ended."""
        if self._thread is not None:
            self._thread.join()

    # in its thread
    def _run(self) -> None:
        try:
            fd = os.open(self._path, READ)
            try:
                self._upload(fd)
            finally:
                os.close(fd)
        except (OSError, StorageError) as error:  # `adopt` does it anew, or says why it cannot
            self._log.debug("an upload ahead of the end was given up: {error}", error=error)
        except Exception:
            self._log.failure("an upload ahead of the end failed")
        finally:
            self._followers.ended(self)

    def _upload(self, fd: int) -> None:
        if not self._followers.fresh(self.sha256, self._size, self._stop):
            self._followers.bucket.replace(self.sha256, lambda: self._blocks(fd), self._size, self._stop)
            self._stored = True

    def _blocks(self, fd: int) -> Iterator[bytes]:
        """
        Give the bytes, part by part, and end when all is well and `finish` was called.

        :raises StorageError: when they are not what was announced, or nobody wants them any more.
        """
        found, offset = hashlib.sha256(), 0
        while offset < self._size:
            end = min(self._size, offset + self._part)
            self._await(lambda end=end: self._there >= end and os.fstat(fd).st_size >= end)  # type: ignore[misc]
            while offset < end:
                block = os.pread(fd, min(_BLOCK, end - offset), offset)
                if not block:
                    raise StorageDamaged(f"{self._path} has become shorter")
                found.update(block)
                offset += len(block)
                yield block
        if found.hexdigest() != self.sha256:
            raise StorageDamaged(f"{self._path} was written anew meanwhile")
        self._await(lambda: False)

    def _await(self, ready: Callable[[], bool]) -> None:
        """Wait until *ready*, or the file is whole."""
        with self._changed:
            self._changed.wait_for(lambda: self._stop.is_set() or self._whole or ready())
            if self._stop.is_set():
                raise StorageError(f"the upload of {self.sha256} was cancelled")
