"""A file that grows in tmp until it is an artifact: what threads do for a writer."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Sequence
from typing import Protocol

from twisted_pulp.errors import DigestMismatch, SizeMismatch, StorageError
from twisted_pulp.interfaces import Adoption, IFollower
from twisted_pulp.storage._adopt import Batch
from twisted_pulp.storage._copying import written
from twisted_pulp.storage._names import new_temporary
from twisted_pulp.storage._root import Root
from twisted_pulp.storage._system import Fsync, storage_error

__all__ = ["Growing", "Shelf", "agree"]


class Shelf(Protocol):
    """Where small bodies are put."""

    def put(self, sha256: str, data: bytes) -> object:
        """Make *data* the artifact *sha256*, which is trusted."""


def agree(sha256: str | None, size: int | None, actual: str, length: int) -> None:
    """
    Compare what was expected with what came.

    :raises SizeMismatch: when there is another number of bytes.
    :raises DigestMismatch: when these are other bytes.
    """
    if size is not None and size != length:
        raise SizeMismatch(expected=size, actual=length)
    if sha256 is not None and sha256 != actual:
        raise DigestMismatch(algorithm="sha256", expected=sha256, actual=actual)


class Growing:
    """
    Bytes on their way to an artifact. Every method blocks.

    :param root: of the storage.
    :param fsync: what is brought to the disk.
    :param sha256: that they must have, or None.
    :param size: that they must have, or None.
    :param shelves: where what never grew is put; None: it goes the same way as all.
    :param adopt: makes finished files artifacts; default: in *root*.
    :param follow: takes a file in while it grows, as `IStorage.follow`; default: nobody does.
    """

    _follower: IFollower | None

    def __init__(
        self,
        root: Root,
        fsync: Fsync,
        sha256: str | None,
        size: int | None,
        shelves: Shelf | None = None,
        adopt: Callable[[Sequence[Adoption]], list[StorageError | None]] | None = None,
        follow: Callable[[str, str, int], IFollower | None] | None = None,
    ) -> None:
        self._root, self._expected, self._shelves = root, (sha256, size), shelves
        self._adopt = adopt or Batch(root, fsync).adopt
        self._fd, self._name = -1, ""
        self._follow, self._follower = follow, None
        self._hash, self._length = hashlib.sha256(), 0

    def write(self, pieces: Sequence[bytes]) -> None:
        """Hash and write *pieces*."""
        if self._fd < 0:
            self._create()
        for piece in pieces:
            self._hash.update(piece)
        data = b"".join(pieces)
        self._length += len(data)
        try:
            written(self._root, self._fd, data)
        except OSError as error:
            raise storage_error(error, self._root.temporaries) from error
        if self._follower is not None:
            self._follower.grown(self._length)

    def _create(self) -> None:
        name = new_temporary()
        self._root.begin()
        try:
            self._fd = self._root.system.create(name, self._root.tmp)
        except OSError as error:
            raise storage_error(error, self._root.temporaries) from error
        self._name = name
        fcntl.flock(self._fd, fcntl.LOCK_SH)  # whoever clears up sees that somebody lives
        sha256, size = self._expected
        if self._follow is not None and sha256 is not None and size is not None:
            self._follower = self._follow(f"{self._root.temporaries}/{name}", sha256, size)

    def commit(self, rest: Sequence[bytes]) -> tuple[str, int]:
        """
        Take in the *rest*, and become an artifact; return sha256 and size.

        :raises StorageError: when it cannot.
        """
        if self._fd < 0 and self._shelves is not None:
            return self._put(b"".join(rest), self._shelves)
        self.write(rest)
        actual, length = self._hash.hexdigest(), self._length
        agree(*self._expected, actual, length)
        adoption = Adoption(f"{self._root.temporaries}/{self._name}", actual, length)
        error = self._adopt([adoption])[0]
        if error is not None:
            raise error
        self._name = ""
        self.close()
        return actual, length

    def _put(self, data: bytes, shelves: Shelf) -> tuple[str, int]:
        actual, length = hashlib.sha256(data).hexdigest(), len(data)
        agree(*self._expected, actual, length)
        shelves.put(actual, data)
        return actual, length

    def close(self) -> None:
        """Remove what is no artifact; it can begin anew."""
        fd, self._fd, name, self._name = self._fd, -1, self._name, ""
        self._hash, self._length = hashlib.sha256(), 0
        if self._follower is not None:
            self._follower.cancel()
        if fd >= 0:
            os.close(fd)
        if name:
            self._root.discard(name)
