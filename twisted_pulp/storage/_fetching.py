"""Artifacts of an object store, looked at: what threads do for those who read."""

from __future__ import annotations

import hashlib

from twisted_pulp.errors import DigestMismatch, NotStored, StorageDamaged, StorageError
from twisted_pulp.interfaces import ExportMode
from twisted_pulp.storage._bucket import Bucket, Stream
from twisted_pulp.storage._placing import placed

__all__ = ["Compared", "exported", "fetched"]

_BLOCK = 1 << 20
# Bytes that are compared at once; others want the thread too.
_STEP = 16 << 20


def fetched(bucket: Bucket, sha256: str, offset: int, length: int | None) -> bytes:
    """Return bytes of an artifact."""
    stream = Stream(bucket, sha256, offset, length)
    return stream.take(stream.size if length is None else length)


class Compared:
    """
    An artifact that is being compared with its name; every method blocks.

    :param size: that it should have, or None.
    :ivar verdict: what is wrong with it, or None.
    """

    def __init__(self, bucket: Bucket, sha256: str, size: int | None) -> None:
        self._bucket, self._sha256, self._size = bucket, sha256, size
        self._hash, self._stream = hashlib.sha256(), None
        self.verdict: str | None = None

    _stream: Stream | None

    def step(self) -> bool:
        """Go on for a while; return whether that was all. Then `verdict` is known."""
        try:
            stream = self._stream = self._stream or Stream(self._bucket, self._sha256, 0, None, None)
        except NotStored:
            self.verdict = "missing"
            return True
        if self._size is not None and stream.size != self._size:
            self.verdict = "truncated" if stream.size < self._size else "flipped"
            return True
        for _ in range(_STEP // _BLOCK):
            block = stream.take(_BLOCK)
            if not block:
                self.verdict = None if self._hash.hexdigest() == self._sha256 else "flipped"
                return True
            self._hash.update(block)
        return False


def exported(bucket: Bucket, sha256: str, path: str, mode: ExportMode) -> None:
    """
    Put the artifact at *path*, proven.

    :raises NotStored: when there is none.
    :raises StorageError: when that cannot be done.
    """
    stream = Stream(bucket, sha256, 0, None, None)
    if mode in ("reflink", "hardlink"):
        raise StorageError(f"{path}: an object store has no files to link to")
    placed(path, lambda temporary: _written(stream, sha256, temporary))


def _written(stream: Stream, sha256: str, path: str) -> None:
    found = hashlib.sha256()
    with open(path, "xb") as file:
        while block := stream.take(_BLOCK):
            found.update(block)
            file.write(block)
    if found.hexdigest() != sha256:
        raise StorageDamaged(str(DigestMismatch(algorithm="sha256", expected=sha256, actual=found.hexdigest())))
