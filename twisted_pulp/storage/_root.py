"""
The directory of a storage, held open::

    root/artifact/ab/cd/abcd...   artifacts, read-only, by their sha256
    root/tmp/                     what is on its way there
    root/lock                     held, shared, by every process that writes

Everything below is reached from descriptor to descriptor, and no link is followed.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import ELOOP, ENOTDIR

from twisted_pulp.errors import StorageDamaged, StorageError
from twisted_pulp.storage._system import System, storage_error

__all__ = ["FOLDER", "Root", "opened"]

#: How a directory below the root is opened.
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_WHOLE = 1 << 16


class Root:
    """
    A storage's directory; every method blocks.

    :param path: absolute; made if it is missing. It may be a link itself.
    :param system: that makes the calls.
    :param durable: whether directories are brought to the disk.
    :ivar temporaries: path of the directory of temporary files.
    :ivar artifact: descriptor of the directory of artifacts.
    :ivar tmp: descriptor of the directory of temporary files.
    :ivar known: for each folder of artifacts, whether it is known to be on the disk.
    """

    def __init__(self, path: str, system: System, durable: bool) -> None:
        self.path, self.system = path, system
        self.temporaries = os.path.join(path, "tmp")
        self.known = bytearray(_WHOLE)
        self._fds: list[int] = []
        self._lock = -1
        try:
            self._open(durable)
        except OSError as error:
            self.close()
            raise storage_error(error, path) from error
        except BaseException:
            self.close()
            raise

    def _open(self, durable: bool) -> None:
        os.makedirs(self.path, exist_ok=True)
        self._fds.append(os.open(self.path, FOLDER & ~os.O_NOFOLLOW))
        self.artifact, self.tmp = self._folder("artifact"), self._folder("tmp")
        os.fchmod(self.tmp, 0o700)
        if os.fstat(self.artifact).st_dev != os.fstat(self.tmp).st_dev:
            raise StorageError(f"{self.path}: artifact and tmp must be on one file system")
        if durable:
            self.system.fsync(self._fds[0])

    def _folder(self, name: str) -> int:
        try:
            self.system.mkdir(name, self._fds[0])
        except FileExistsError:
            pass
        fd = opened(name, self._fds[0], f"{self.path}/{name}")
        self._fds.append(fd)
        return fd

    def begin(self, *, wait: bool = True) -> None:
        """
        Tell other processes, once, that this one writes.

        :param wait: whether to wait for one that looks around at this moment; else it is told the next time.
        :raises StorageError: when the storage is closed.
        """
        if not self._fds:
            raise StorageError(f"{self.path} is closed")
        if self._lock < 0:
            self._lock = self._locked(fcntl.LOCK_SH if wait else fcntl.LOCK_SH | fcntl.LOCK_NB)

    @contextmanager
    def looking(self) -> Iterator[bool]:
        """Tell whether no process, this one included, has begun to write, and let none begin meanwhile."""
        if self._lock < 0:
            self._lock = self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = self._lock >= 0
        else:
            alone = False
        try:
            yield alone
        finally:
            if alone:
                fcntl.flock(self._lock, fcntl.LOCK_SH)
            self.begin()

    def _locked(self, how: int) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        path = os.path.join(self.path, "lock")
        try:
            fd = os.open("lock", flags, 0o600, dir_fd=self._fds[0])
        except OSError as error:
            raise StorageDamaged(f"{path} is a link") if error.errno == ELOOP else storage_error(error, path) from error
        try:
            fcntl.flock(fd, how)
        except OSError:  # somebody else writes, or the file system has no locks
            os.close(fd)
            return -1
        return fd

    def discard(self, name: str) -> None:
        """Remove the temporary file *name*; one that stays is for `recover`."""
        try:
            self.system.unlink(name, self.tmp)
        except OSError:
            pass

    def close(self) -> None:
        """Let go of everything."""
        fds, self._fds = self._fds, []
        self.artifact = self.tmp = -1
        if self._lock >= 0:
            fds.append(self._lock)
            self._lock = -1
        for fd in fds:
            os.close(fd)


def opened(name: str, parent: int, path: str) -> int:
    """
    Return a descriptor of the directory *name* in *parent*.

    :raises StorageDamaged: when something else is in its place.
    """
    try:
        return os.open(name, FOLDER, dir_fd=parent)
    except OSError as error:
        if error.errno in (ELOOP, ENOTDIR):
            raise StorageDamaged(f"{path} is not a directory") from error
        raise
