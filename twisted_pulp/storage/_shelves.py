"""
Small bodies become artifacts one by one, without a thread, where nothing is brought to the disk.

A hundred thousand of them are a sync's main work. So there are as few calls as can be: the upper folders stay open, and
what is put into a folder that was made a moment ago needs no look at what may be there.
"""

from __future__ import annotations

import os
import resource

from twisted_pulp.errors import StorageError
from twisted_pulp.interfaces import Adoption
from twisted_pulp.storage._adopt import Batch
from twisted_pulp.storage._copying import written
from twisted_pulp.storage._names import new_temporary, parts
from twisted_pulp.storage._root import Root, opened
from twisted_pulp.storage._system import storage_error

__all__ = ["Shelves"]

_ALL = 256


class Shelves:
    """
    The folders of artifacts, for who puts one artifact at a time. It belongs to one thread. No link is followed.

    :param root: of a storage that brings nothing to the disk.
    """

    def __init__(self, root: Root) -> None:
        self._root, self._system = root, root.system
        allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        # Connections and their files come first.
        self._most = _ALL if allowed == resource.RLIM_INFINITY else max(1, min(_ALL, allowed // 2 - _ALL))
        self._upper: dict[str, int] = {}
        self._known = bytearray(1 << 16)  # lower folders that need not be made

    def put(self, sha256: str, data: bytes) -> None:
        """
        Make *data* the artifact *sha256*, which is trusted; nobody ever sees a part of it.

        :raises StorageError: when it cannot be.
        """
        root = self._root
        root.begin()
        name = new_temporary()
        try:
            self._write(name, data)
            if not self._place(name, sha256):
                self._adopt(Adoption(f"{root.temporaries}/{name}", sha256, len(data)))
        except OSError as error:
            root.discard(name)
            raise storage_error(error, f"{root.path}/artifact") from error
        except BaseException:
            root.discard(name)
            raise

    def _write(self, name: str, data: bytes) -> None:
        fd = self._system.create(name, self._root.tmp)
        try:
            written(self._root, fd, data)
            os.fchmod(fd, 0o444)
        finally:
            os.close(fd)

    def _place(self, name: str, sha256: str) -> bool:
        """Give the file *name* its place; return whether that was free, and not gone meanwhile."""
        upper, lower = parts(sha256)
        try:
            above = self._upper.get(upper)
            if above is None:
                above = self._open(upper)
            number = int(sha256[:4], 16)
            if not self._known[number] and self._made(lower, above):
                self._known[number] = 1
                self._system.rename(name, f"{lower}/{sha256}", self._root.tmp, above)
                return True
            self._known[number] = 1
            return self._fill(name, sha256, opened(lower, above, f"{self._root.path}/artifact/{upper}/{lower}"))
        except FileNotFoundError:  # somebody has cleared up
            self.close()
            return False

    def _open(self, upper: str) -> int:
        root = self._root
        try:
            root.system.mkdir(upper, root.artifact)
        except FileExistsError:
            pass
        if len(self._upper) >= self._most:
            os.close(self._upper.pop(next(iter(self._upper))))
        fd = self._upper[upper] = opened(upper, root.artifact, f"{root.path}/artifact/{upper}")
        return fd

    def _made(self, lower: str, above: int) -> bool:
        try:
            self._system.mkdir(lower, above)
        except FileExistsError:
            return False
        return True

    def _fill(self, name: str, sha256: str, folder: int) -> bool:
        try:
            if os.access(sha256, os.F_OK, dir_fd=folder, follow_symlinks=False):
                return False
            self._system.rename(name, sha256, self._root.tmp, folder)
            return True
        finally:
            os.close(folder)

    def _adopt(self, adoption: Adoption) -> None:
        """Do it the long way, which knows what to do with what is there."""
        error: StorageError | None = Batch(self._root, "none").adopt([adoption])[0]
        if error is not None:
            raise error

    def close(self) -> None:
        """Let go of the folders; they are opened again when they are needed."""
        upper, self._upper = self._upper, {}
        for fd in upper.values():
            os.close(fd)
        self._known = bytearray(len(self._known))
