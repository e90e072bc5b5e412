"""A file that others have too, made one of our own."""

from __future__ import annotations

import hashlib
import os

from twisted_pulp.errors import DigestMismatch, StorageDamaged
from twisted_pulp.storage._names import new_temporary
from twisted_pulp.storage._root import Root

__all__ = ["own", "written"]

_BLOCK = 1 << 20


def own(root: Root, fd: int, sha256: str) -> tuple[str, int]:
    """
    Copy the file behind *fd*, which whoever has its other names can still change; return name and descriptor.

    :raises StorageDamaged: when its bytes are not those of *sha256*.
    """
    name = new_temporary()
    copy = root.system.create(name, root.tmp)
    try:
        found, offset = hashlib.sha256(), 0
        while block := os.pread(fd, _BLOCK, offset):
            found.update(block)
            written(root, copy, block)
            offset += len(block)
        if found.hexdigest() != sha256:
            raise StorageDamaged(str(DigestMismatch(algorithm="sha256", expected=sha256, actual=found.hexdigest())))
    except BaseException:
        os.close(copy)
        root.discard(name)
        raise
    return name, copy


def written(root: Root, fd: int, data: bytes) -> None:
    """Write all of *data*."""
    while data:
        count = root.system.write(fd, data)
        data = data[count:] if count < len(data) else b""
