"""Finished files become artifacts, many at once."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Sequence
from itertools import islice

from twisted_pulp.errors import StorageDamaged, StorageError
from twisted_pulp.interfaces import Adoption
from twisted_pulp.storage._copying import own
from twisted_pulp.storage._folders import Folders
from twisted_pulp.storage._root import Root
from twisted_pulp.storage._system import Fsync, storage_error

__all__ = ["READ", "Batch"]

#: How a file below the root is opened for reading.
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# Files open at once. All are changed before the first is brought to the disk, which so takes the others along.
_TOGETHER = 64
# Seconds. A file that was written this lately is as good as stored now; cleanups wait for longer.
_NEW = 10.0


class _File:
    """One of them, on its way."""

    __slots__ = ("adoption", "copied", "error", "fd", "name", "new")

    def __init__(self, adoption: Adoption) -> None:
        self.adoption = adoption
        self.name = os.path.basename(adoption.path)
        self.fd = -1
        self.copied = False  # from a file that others have too
        self.new = False
        self.error: StorageError | None = None


class Batch:
    """
    Give files in tmp the names of artifacts. Blocks.

    The disk is told in this order: the file's bytes, its new name, the directories of the name.

    :param root: of the storage.
    :param fsync: what is brought to the disk.
    :param replace: whether a file takes the place of an artifact that is there.
    """

    def __init__(self, root: Root, fsync: Fsync, *, replace: bool = False) -> None:
        self._root, self._system, self._fsync, self._replace = root, root.system, fsync, replace

    def adopt(self, adoptions: Sequence[Adoption]) -> list[StorageError | None]:
        """Return, for each, why it is no artifact now; None if it is one."""
        self._root.begin()
        self._began = time.time()
        files = [_File(each) for each in adoptions]
        order = iter(sorted(files, key=lambda file: file.adoption.sha256))
        with Folders(self._root) as folders:
            while some := list(islice(order, _TOGETHER)):
                self._some(some, folders)
            if self._fsync == "full":
                self._sync(files, folders)
        return [file.error for file in files]

    def _some(self, files: list[_File], folders: Folders) -> None:
        try:
            for step in (self._take, self._bring) if self._fsync != "none" else (self._take,):
                for file in files:
                    if file.error is None:
                        self._do(step, file)
            for file in files:
                if file.error is None:
                    self._do(self._place, file, folders)
        finally:
            for file in files:
                self._close(file)

    def _close(self, file: _File) -> None:
        fd, file.fd = file.fd, -1
        if fd >= 0:
            os.close(fd)
        if file.error is not None and file.copied:
            self._root.discard(file.name)

    def _do(self, step: Callable[..., None], file: _File, *args: Folders) -> None:
        try:
            step(file, *args)
        except OSError as error:
            file.error = storage_error(error, file.adoption.path)
        except StorageError as error:
            file.error = error

    def _take(self, file: _File) -> None:
        """Look at it, and make it read-only."""
        try:
            file.fd = fd = os.open(file.name, READ, dir_fd=self._root.tmp)
        except FileNotFoundError:  # it may be an artifact since somebody else wanted it too
            return
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size != file.adoption.size:
            raise StorageDamaged(f"{file.adoption.path} is not the announced file of {file.adoption.size} bytes")
        if facts.st_nlink != 1:  # a file:// URL that was linked
            self._own(file)
        if facts.st_mtime < self._began - _NEW:
            os.utime(file.fd)  # artifacts that were stored lately are no orphans yet
        os.fchmod(file.fd, 0o444)
        if self._fsync != "none":
            self._system.hasten(file.fd)

    def _own(self, file: _File) -> None:
        name, fd = own(self._root, file.fd, file.adoption.sha256)
        os.close(file.fd)
        link, file.name, file.fd, file.copied = file.name, name, fd, True
        self._root.discard(link)

    def _bring(self, file: _File) -> None:
        """Bring its bytes to the disk; if that fails they are lost, whatever a second try says."""
        if file.fd < 0:
            return
        try:
            self._system.fsync(file.fd)
        except OSError:
            self._root.discard(file.name)
            raise

    def _place(self, file: _File, folders: Folders) -> None:
        sha256 = file.adoption.sha256
        folder = folders.of(sha256, make=True)
        assert folder is not None
        if folders.made or (file.fd >= 0 and self._replace) or not self._there(file, folder):
            self._system.rename(file.name, sha256, self._root.tmp, folder)
            file.new = True
        folders.changed.add(sha256[:4])

    def _there(self, file: _File, folder: int) -> bool:
        """Return whether the artifact is there, the file then not being needed."""
        sha256 = file.adoption.sha256
        if not os.access(sha256, os.F_OK, dir_fd=folder, follow_symlinks=False):
            return False
        facts = os.stat(sha256, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size != file.adoption.size:
            return False
        try:
            self._touch(sha256, folder)
        except OSError:
            if file.fd < 0:
                raise
            return False  # the new one takes its place
        if file.fd >= 0:
            self._root.discard(file.name)
        return True

    def _touch(self, sha256: str, folder: int) -> None:
        """Make an artifact that is there as good as one that was stored now: whoever did may not have come so far."""
        fd = os.open(sha256, READ, dir_fd=folder)
        try:
            os.utime(fd)
            if self._fsync != "none":
                self._system.fsync(fd)
        finally:
            os.close(fd)

    def _sync(self, files: list[_File], folders: Folders) -> None:
        """Bring the new names to the disk; where that fails, they are taken back."""
        failed = folders.sync()
        for file in files if failed else ():
            sha256 = file.adoption.sha256
            if file.error is None and sha256[:4] in failed:
                file.error = failed[sha256[:4]]
                if file.new:
                    self._withdraw(sha256, folders)

    def _withdraw(self, sha256: str, folders: Folders) -> None:
        try:
            folder = folders.of(sha256)
            if folder is not None:
                self._system.unlink(sha256, folder)
        except (OSError, StorageError):  # what failed before is what is told
            pass
