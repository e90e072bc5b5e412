"""Files below directories that were allowed, reached so that no name and no link leads out."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from functools import cache
from io import FileIO

__all__ = ["Refused", "Roots"]

# Directories on the way need not be readable, where the system can open them for passing through alone.
_DIRECTORY = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: should the name have become a FIFO's since it was looked at, opening it must not wait for a writer.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
# Their files are regular by name only.
_PSEUDO = ("/proc", "/sys")
_LINK, _DENIED = "behind a symbolic link", "permission denied"
_REFUSALS = {errno.EACCES: _DENIED, errno.EPERM: _DENIED, errno.ELOOP: _LINK}

Parts = tuple[bytes, ...]


class Refused(Exception):
    """The file may not be read; says why."""


def _parts_of(path: str) -> Parts:
    return tuple(part for part in os.fsencode(os.path.normpath(path)).split(b"/") if part)


class Roots:
    """
    Directories below which files may be read.

    Everything here blocks: it is for a thread.

    :param paths: absolute ones. Each may be a symbolic link, which is followed once; nothing below it is followed.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = tuple(paths)
        self._real: dict[str, str] = {}

    def open(self, parts: Sequence[bytes]) -> FileIO:
        """
        Open a regular file.

        :param parts: of its absolute path; none is empty, ".", ".." or holds "/" or NUL.
        :raises Refused: when it is outside of every root, behind a link, or something else than a regular file.
        :raises FileNotFoundError: when there is no such file.
        :raises OSError: when it cannot be opened.
        """
        root, below = self._find(tuple(parts))
        try:
            directory = os.open(root, _DIRECTORY)
            try:
                for part in below[:-1]:
                    inner = _entered(directory, part)
                    os.close(directory)
                    directory = inner
                return _opened(directory, below[-1] if below else b".")
            finally:
                os.close(directory)
        except OSError as error:
            if error.errno in _REFUSALS:
                raise Refused(_REFUSALS[error.errno]) from error
            if error.errno in (errno.ENOTDIR, errno.ENAMETOOLONG):
                raise FileNotFoundError(error.errno, os.strerror(error.errno)) from error
            raise

    def _find(self, parts: Parts) -> tuple[str, Parts]:
        best: tuple[int, str] | None = None
        for path in self._paths:
            real = self._real.get(path)
            if real is None:
                try:
                    real = self._real[path] = os.path.realpath(path, strict=True)
                except OSError:
                    real = path  # not there yet
            for spelling in (_parts_of(path), _parts_of(real)):
                size = len(spelling)
                if parts[:size] == spelling and (best is None or size > best[0]):
                    best = size, real
        if best is None:
            raise Refused("outside of the directories that file_roots allows")
        return best[1], parts[best[0] :]


def _entered(directory: int, part: bytes) -> int:
    try:
        return os.open(part, _DIRECTORY, dir_fd=directory)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            _look(directory, part)  # which says so if it is a link
        raise


def _look(directory: int, part: bytes) -> os.stat_result:
    found = os.stat(part, dir_fd=directory, follow_symlinks=False)
    if stat.S_ISLNK(found.st_mode):
        raise Refused(_LINK)
    return found


def _opened(directory: int, part: bytes) -> FileIO:
    # Looked at before: opening a device or a FIFO can have effects.
    _check(_look(directory, part))
    with ExitStack() as stack:
        file = os.open(part, _FILE, dir_fd=directory)
        stack.callback(os.close, file)
        _check(os.fstat(file))
        stack.pop_all()
        return FileIO(file, "rb")


def _check(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise Refused("not a regular file")
    if found.st_dev in _pseudo():
        raise Refused("not a file on a disk")


@cache
def _pseudo() -> frozenset[int]:
    return frozenset(os.stat(path).st_dev for path in _PSEUDO if os.path.ismount(path))
