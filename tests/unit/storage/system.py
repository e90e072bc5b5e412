"""An operating system that fails when the test says so, and remembers what it was asked for."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import Any

from twisted_pulp.storage._system import OS

CALLS = ("fsync", "rename", "mkdir", "unlink", "create", "write")


class FaultySystem:
    """
    The real calls, recorded.

    :param name: of the calls of which one fails; None is none.
    :param number: of the one that does, from 1.
    :param errno: that it fails with.
    :param short: whether no call writes more than half of what it is given.
    :ivar asked: name and argument of each call: the path of what is changed.
    :ivar struck: whether one has failed.
    """

    def __init__(self, name: str | None = None, number: int = 1, errno: int = 0, *, short: bool = False) -> None:
        self._short = short
        self.asked: list[tuple[str, str, str]] = []
        self.fail(name, number, errno)

    def fail(self, name: str | None, number: int = 1, errno: int = 0) -> None:
        """Let the *number*th call of *name* from now on fail with *errno*; None lets none fail."""
        self._name, self._left, self._errno = name, number, errno
        self.struck = False

    def _note(self, name: str, path: str, other: str = "") -> None:
        self.asked.append((name, path, other))
        if name == self._name:
            self._left -= 1
            if self._left == 0:
                self.struck = True
                raise OSError(self._errno, os.strerror(self._errno), path)

    def fsync(self, fd: int) -> None:
        kind = "directory" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file"
        self._note("fsync", _path(fd), kind)  # nobody cuts the power: the real call would only take time

    def rename(self, old: str, new: str, old_fd: int, new_fd: int) -> None:
        self._note("rename", f"{_path(old_fd)}/{old}", f"{_path(new_fd)}/{new}")
        OS.rename(old, new, old_fd, new_fd)

    def mkdir(self, name: str, fd: int) -> None:
        self._note("mkdir", f"{_path(fd)}/{name}")
        OS.mkdir(name, fd)

    def unlink(self, name: str, fd: int) -> None:
        self._note("unlink", f"{_path(fd)}/{name}")
        OS.unlink(name, fd)

    def create(self, name: str, fd: int) -> int:
        self._note("create", f"{_path(fd)}/{name}")
        return OS.create(name, fd)

    def write(self, fd: int, data: bytes) -> int:
        self._note("write", _path(fd))
        return OS.write(fd, data[: max(1, len(data) // 2)] if self._short else data)

    def hasten(self, fd: int) -> None:
        OS.hasten(fd)


def _path(fd: int) -> str:
    return os.readlink(f"/proc/self/fd/{fd}")


def number_of_faults(try_once: Callable[[int], Any], most: int = 200) -> int:
    """Call *try_once* with 1, 2, ... until nothing was struck any more, and return how often something was."""
    for number in range(1, most + 1):
        if not try_once(number):
            return number - 1
    return most
