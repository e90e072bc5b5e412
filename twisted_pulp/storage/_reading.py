"""Artifacts, looked at: what threads do for those who read."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from errno import EIO, ELOOP
from typing import Any

from twisted_pulp.errors import NotStored
from twisted_pulp.storage._adopt import READ
from twisted_pulp.storage._folders import Folders
from twisted_pulp.storage._names import is_sha256
from twisted_pulp.storage._root import Root, opened
from twisted_pulp.storage._system import storage_error

__all__ = ["Checked", "folder_names", "listed", "open_artifact", "present", "read", "removed", "size_of"]

_BLOCK = 1 << 20
# Bytes that are checked at once; others want the thread too.
_STEP = 64 << 20


def open_artifact(root: Root, sha256: str) -> int:
    """
    Return a descriptor of the artifact.

    :raises NotStored: when there is none, or something that is no file.
    """
    path = f"{root.path}/artifact/{sha256[:2]}/{sha256[2:4]}/{sha256}"
    try:
        with Folders(root) as folders:
            folder = folders.of(sha256)
            if folder is None:
                raise NotStored(sha256)
            fd = os.open(sha256, READ, dir_fd=folder)
    except FileNotFoundError:
        raise NotStored(sha256) from None
    except OSError as error:
        if error.errno == ELOOP:
            raise NotStored(sha256) from error
        raise storage_error(error, path) from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise NotStored(sha256)
    return fd


def size_of(root: Root, sha256: str) -> int | None:
    """Return the artifact's bytes, or None if there is none."""
    try:
        fd = open_artifact(root, sha256)
    except NotStored:
        return None
    try:
        return os.fstat(fd).st_size
    finally:
        os.close(fd)


def present(root: Root, sha256s: Iterable[str]) -> set[str]:
    """Return those that are stored."""
    found = set()
    with Folders(root) as folders:
        for sha256 in sorted(sha256s):
            folder = folders.of(sha256)
            if folder is not None and _is_file(sha256, folder):
                found.add(sha256)
    return found


def _is_file(name: str, folder: int) -> bool:
    if not os.access(name, os.F_OK, dir_fd=folder, follow_symlinks=False):  # cheaper than an exception
        return False
    try:
        return stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def read(root: Root, sha256: str, offset: int, length: int | None) -> bytes:
    """
    Return up to *length* bytes of the artifact from *offset* on.

    :raises NotStored: when there is none.
    """
    fd = open_artifact(root, sha256)
    try:
        return pread(fd, offset, max(0, os.fstat(fd).st_size - offset) if length is None else length)
    finally:
        os.close(fd)


def pread(fd: int, offset: int, length: int) -> bytes:
    """Return *length* bytes at *offset*, fewer only at the end."""
    try:
        data = os.pread(fd, length, offset)
        while len(data) < length:
            more = os.pread(fd, length - len(data), offset + len(data))
            if not more:
                break
            data += more
        return data
    except OSError as error:
        raise storage_error(error, "an artifact") from error


def removed(root: Root, sha256s: Iterable[str]) -> int:
    """Remove artifacts; return how many there were."""
    count = 0
    with Folders(root) as folders:
        for sha256 in sorted(set(sha256s)):
            folder = folders.of(sha256)
            if folder is None:
                continue
            try:
                root.system.unlink(sha256, folder)
                count += 1
            except FileNotFoundError:
                pass
            except OSError as error:
                raise storage_error(error, sha256) from error
    return count


def folder_names(root: Root) -> list[str]:
    """Return the first parts of the names of all artifacts."""
    with os.scandir(root.artifact) as entries:
        return sorted(entry.name for entry in entries if _is_part(entry.name))


def _is_part(name: str) -> bool:
    return len(name) == 2 and not name.strip("0123456789abcdef")


def listed(root: Root, first: str) -> list[tuple[str, int, float]]:
    """Return sha256, size and time of the artifacts whose names begin with *first*."""
    found: list[tuple[str, int, float]] = []
    path = f"{root.path}/artifact/{first}"
    fd = opened(first, root.artifact, path)
    try:
        for second in sorted(filter(_is_part, os.listdir(fd))):
            folder = opened(second, fd, f"{path}/{second}")
            try:
                found += sorted(_artifacts(folder, first + second))
            finally:
                os.close(folder)
    finally:
        os.close(fd)
    return found


def _artifacts(folder: int, beginning: str) -> list[tuple[str, int, float]]:
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_sha256(entry.name) and entry.name.startswith(beginning):
                try:
                    facts = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(facts.st_mode):
                    found.append((entry.name, facts.st_size, facts.st_mtime))
    return found


class Checked:
    """
    An artifact that is being compared with its name; every method blocks.

    :param size: that it should have, or None.
    """

    def __init__(self, root: Root, sha256: str, size: int | None) -> None:
        self._root, self._sha256, self._size = root, sha256, size
        self._fd = -1
        self._hash: Any = hashlib.sha256()
        self._offset = 0
        self.verdict: str | None = None

    def step(self) -> bool:
        """Go on for a while; return whether that was all. Then `verdict` is known."""
        try:
            if self._fd < 0 and not self._begin():
                return True
            return self._read()
        except NotStored:
            self.verdict = "missing"
        except OSError as error:
            if error.errno != EIO:
                raise storage_error(error, self._sha256) from error
            self.verdict = "flipped"  # the disk cannot give it back
        return True

    def _begin(self) -> bool:
        self._fd = open_artifact(self._root, self._sha256)
        there = os.fstat(self._fd).st_size
        if self._size is not None and there != self._size:
            self.verdict = "truncated" if there < self._size else "flipped"
            return False
        return True

    def _read(self) -> bool:
        until = self._offset + _STEP
        while self._offset < until:
            block = os.pread(self._fd, _BLOCK, self._offset)
            if not block:
                self.verdict = None if self._hash.hexdigest() == self._sha256 else self._wrong()
                return True
            self._hash.update(block)
            self._offset += len(block)
        return False

    def _wrong(self) -> str:
        return "truncated" if self._size is not None and self._offset < self._size else "flipped"

    def close(self) -> None:
        """Let go of it."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
