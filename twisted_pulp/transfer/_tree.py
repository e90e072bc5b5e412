"""A directory that nothing leaves."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from twisted_pulp.errors import PathError
from twisted_pulp.names import inside
from twisted_pulp.transfer._place import FULL, Folder, Place, writer_error

__all__ = ["Tree"]

T = TypeVar("T")
_FOLDERS = 128


class Tree:
    """
    A directory that nothing leaves: its folders are held open, and no link below its root is followed.

    :param directory: trusted; made if it is missing.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._folders: OrderedDict[tuple[str, ...], Folder] = OrderedDict()

    def place(self, name: str) -> Place:
        """
        Return the place of *name*, a relative path that is not trusted; give it back with `Place.release`.

        :raises PathError: when it would leave the directory.
        """
        path = inside(self._directory, name)
        parts: tuple[str, ...] = ()
        directory, last = self._directory, name
        if "/" in name or not name.isascii():
            directory, last = os.path.split(path)
            parts = tuple(directory[len(self._directory) :].strip("/").split("/")) if "/" in name else ()
        try:
            folder = self._folder(parts)
        except OSError as error:
            if error.errno in FULL:
                raise writer_error(error, path) from error
            raise PathError(detail=f"{path}: {error.strerror}") from error
        folder.users += 1
        return Place(directory, last, folder, folder.wanted(last))

    def _folder(self, parts: tuple[str, ...]) -> Folder:
        known = self._folders.get(parts)
        if known is not None:
            self._folders.move_to_end(parts)
            return known
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        if not parts:
            os.makedirs(self._directory, exist_ok=True)
            fd = os.open(self._directory, flags)
        else:
            parent, name = self._folder(parts[:-1]), parts[-1]
            fd = _made(
                lambda: os.open(name, flags | os.O_NOFOLLOW, dir_fd=parent.fd), lambda: os.mkdir(name, dir_fd=parent.fd)
            )
        folder = self._folders[parts] = Folder(fd)
        for key, each in list(self._folders.items())[: len(self._folders) - _FOLDERS]:
            if not each.users and key and each is not folder:
                os.close(self._folders.pop(key).fd)
        return folder

    def close(self) -> None:
        """Let go of every folder."""
        folders, self._folders = self._folders, OrderedDict()
        for folder in folders.values():
            os.close(folder.fd)


def _made(use: Callable[[], T], make: Callable[[], None]) -> T:
    try:
        return use()
    except FileNotFoundError:
        try:
            make()
        except FileExistsError:
            pass
        return use()
