"""The calls that change what is on the disk, made in one place, so that tests can let each of them fail."""

from __future__ import annotations

import os
from typing import Literal, Protocol

from twisted_pulp.errors import StorageError, StorageFull

__all__ = ["OS", "Fsync", "System", "storage_error"]

#: What is brought to the disk before something counts as stored: nothing, files, or files and directories.
Fsync = Literal["none", "file", "full"]


class System(Protocol):
    """What a storage asks of the operating system."""

    def fsync(self, fd: int) -> None:
        """Return when what *fd* refers to is on the disk."""

    def rename(self, old: str, new: str, old_fd: int, new_fd: int) -> None:
        """Give *old*, in the directory *old_fd*, the name *new* in *new_fd*."""

    def mkdir(self, name: str, fd: int) -> None:
        """Make the directory *name* in *fd*."""

    def unlink(self, name: str, fd: int) -> None:
        """Remove *name* from the directory *fd*."""

    def create(self, name: str, fd: int) -> int:
        """Make the file *name*, which must not exist, in the directory *fd*."""

    def write(self, fd: int, data: bytes) -> int:
        """Write *data*, or some of it; return how many bytes."""

    def hasten(self, fd: int) -> None:
        """Let the bytes of *fd* be on their way to the disk, without waiting; so that many can be."""


class _OS:
    """The real one."""

    fsync = staticmethod(os.fsync)
    write = staticmethod(os.write)

    @staticmethod
    def rename(old: str, new: str, old_fd: int, new_fd: int) -> None:
        os.rename(old, new, src_dir_fd=old_fd, dst_dir_fd=new_fd)

    @staticmethod
    def mkdir(name: str, fd: int) -> None:
        os.mkdir(name, dir_fd=fd)

    @staticmethod
    def unlink(name: str, fd: int) -> None:
        os.unlink(name, dir_fd=fd)

    @staticmethod
    def hasten(fd: int) -> None:
        if hasattr(os, "posix_fadvise"):  # Linux begins to write what it shall forget; that is what this is for
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)

    @staticmethod
    def create(name: str, fd: int) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(name, flags, 0o600, dir_fd=fd)


OS: System = _OS()


def storage_error(error: OSError, path: str) -> StorageError:
    """Return our error for *error* about *path*."""
    words = f"{path}: {error.strerror or error}"
    return StorageFull(detail=words) if error.errno in StorageFull.errnos else StorageError(words)
