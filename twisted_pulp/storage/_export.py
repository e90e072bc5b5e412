"""Artifacts, put where people want them."""

from __future__ import annotations

import fcntl
import os
from errno import EINVAL, ENOSYS, ENOTTY, EOPNOTSUPP, EXDEV

from twisted_pulp.errors import NotStored, StorageError
from twisted_pulp.interfaces import ExportMode
from twisted_pulp.storage._folders import Folders
from twisted_pulp.storage._placing import placed
from twisted_pulp.storage._reading import open_artifact
from twisted_pulp.storage._root import Root

__all__ = ["exported"]

# ioctl(2) FICLONE: let a file share another's blocks (linux/fs.h).
_FICLONE = 0x40049409
# Bytes that the kernel copies in one call.
_AT_ONCE = 64 << 20
_CANNOT = frozenset({EINVAL, ENOSYS, EOPNOTSUPP, EXDEV, ENOTTY})


def exported(root: Root, sha256: str, path: str, mode: ExportMode) -> None:
    """
    Put the artifact at *path*.

    :raises NotStored: when there is none.
    :raises StorageError: when that cannot be done.
    """
    source = open_artifact(root, sha256)

    def write(temporary: str) -> None:
        if mode == "hardlink":
            _link(root, sha256, temporary)
        else:
            _copy(source, temporary, mode)

    try:
        placed(path, write)
    finally:
        os.close(source)


def _link(root: Root, sha256: str, path: str) -> None:
    with Folders(root) as folders:
        folder = folders.of(sha256)
        if folder is None:
            raise NotStored(sha256)
        os.link(sha256, path, src_dir_fd=folder, follow_symlinks=False)


def _copy(source: int, path: str, mode: ExportMode) -> None:
    target = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        if mode != "copy" and _cloned(source, target):
            return
        if mode == "reflink":
            raise StorageError(f"{path}: the file system cannot share blocks here")
        _copied(source, target)
    finally:
        os.close(target)


def _cloned(source: int, target: int) -> bool:
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        return False
    return True


def _copied(source: int, target: int) -> None:
    size = os.fstat(source).st_size
    offset = 0
    while offset < size:
        count = os.sendfile(target, source, offset, min(_AT_ONCE, size - offset))
        if not count:
            raise StorageError("an artifact became shorter while it was copied")
        offset += count
