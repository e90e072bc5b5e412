"""The folders in which artifacts are, one after another."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Self

from twisted_pulp.errors import StorageError
from twisted_pulp.storage._names import parts
from twisted_pulp.storage._root import Root, opened
from twisted_pulp.storage._system import storage_error

__all__ = ["Folders"]


class Folders:
    """
    Open the folders of artifacts, at most two at a time: whoever goes through artifacts in order opens each once.

    It belongs to one thread, and blocks. No link is followed.

    :param root: of the storage.
    :ivar changed: those to `sync`, by the names of the artifacts' folders.
    :ivar made: whether the folder that `of` returned was made by this call, and nothing is in it.
    """

    def __init__(self, root: Root) -> None:
        self._root = root
        self._names: list[str] = []
        self._fds: list[int] = []
        self.changed: set[str] = set()
        self.made = self._missing = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._keep(0)

    def of(self, sha256: str, *, make: bool = False) -> int | None:
        """
        Return the descriptor of an artifact's folder, good until the next call; None if there is none.

        :param make: whether it is made then.
        :raises StorageDamaged: when something else is in its place.
        """
        names, self.made = self._names, False
        for depth, name in enumerate(parts(sha256)):
            if len(names) > depth and names[depth] == name:
                continue
            self._keep(depth)
            fd = self._down(name, make)
            if fd is None:
                return None
            names.append(name)
            self._fds.append(fd)
        return self._fds[1]

    def _down(self, name: str, make: bool) -> int | None:
        parent = self._fds[-1] if self._fds else self._root.artifact
        path = "/".join((self._root.path, "artifact", *self._names, name))
        # Where the last one was missing, this one may be, too: then to make it at once is one call less.
        if not (make and self._missing):
            try:
                return opened(name, parent, path)
            except FileNotFoundError:
                if not make:
                    return None
        try:
            self._root.system.mkdir(name, parent)
            self.made = self._missing = True
        except FileExistsError:
            self.made = self._missing = False
        return opened(name, parent, path)

    def _keep(self, depth: int) -> None:
        for fd in self._fds[depth:]:
            os.close(fd)
        del self._fds[depth:], self._names[depth:]

    def sync(self) -> dict[str, StorageError]:
        """
        Bring what has `changed` to the disk: each directory once, those above too if they may not be there yet.

        :returns: folder -> what failed.
        """
        failed: dict[str, StorageError] = {}
        above = sorted({name[:2] for name in self.changed if not self._root.known[int(name, 16)]})
        for name in sorted(self.changed):
            self._sync(name, failed)
        for name in above:
            self._sync(name, failed)
        if above:
            self._sync("", failed)
        for name in self.changed:
            failure = failed.get("") or failed.get(name[:2]) or failed.get(name)
            if failure is not None:
                failed[name] = failure
            else:
                self._root.known[int(name, 16)] = 1
        self.changed = set()
        return failed

    def _sync(self, name: str, failed: dict[str, StorageError]) -> None:
        path = "/".join(filter(None, (self._root.path, "artifact", name[:2], name[2:])))
        try:
            self._fsync(name, path)
        except OSError as error:
            failed[name] = storage_error(error, path)
        except StorageError as error:
            failed[name] = error

    def _fsync(self, name: str, path: str) -> None:
        system = self._root.system
        if not name:
            system.fsync(self._root.artifact)
            return
        if len(name) == 4:
            fd = self.of(name)
            if fd is None:
                raise StorageError(f"{path} is gone")
            system.fsync(fd)
            return
        fd = opened(name, self._root.artifact, path)
        try:
            system.fsync(fd)
        finally:
            os.close(fd)
