"""Where a file goes, and what stands beside it meanwhile."""

from __future__ import annotations

import os
import stat
from errno import EMFILE, ENFILE
from hashlib import sha256
from itertools import count
from secrets import token_hex

from twisted_pulp.errors import PathError, StorageFull, WriterError
from twisted_pulp.names import JOURNAL, PARTIAL

__all__ = ["FULL", "Folder", "Place", "writer_error"]

FULL = StorageFull.errnos
_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW
_numbers = count(1)
_OURS = token_hex(6)  # no other process makes the same names
# So many names are remembered of a directory that was empty.
_NAMES = 50_000
# Names may have 255 bytes; the marks before and behind need some of them.
_LONGEST = 255 - max(len(PARTIAL), len(JOURNAL)) - 1


def writer_error(error: OSError, path: str) -> WriterError:
    """Return our error for *error* about *path*."""
    words = f"{path}: {error.strerror or error}"
    return StorageFull(detail=words) if error.errno in FULL else WriterError(detail=words)


class Folder:
    """
    A directory that is held open.

    :param fd: its descriptor.
    :ivar users: places in it that are in use.
    """

    __slots__ = ("_names", "fd", "users")

    def __init__(self, fd: int) -> None:
        self.fd, self.users = fd, 0
        with os.scandir(fd) as entries:
            # Where nothing was, only what this process has wanted there can be: a look at each name costs far more.
            self._names: set[str] | None = set() if next(entries, None) is None else None

    def wanted(self, name: str) -> bool:
        """Note that *name* is wanted; return whether it is surely free."""
        names = self._names
        if names is None or name in names:
            return False
        names.add(name)
        if len(names) == _NAMES:
            self._names = None
        return True

    def unused(self, name: str) -> None:
        """Note that *name*, which was surely free, still is."""
        if self._names is not None:
            self._names.discard(name)


class Place:
    """
    A file's directory and name. Calls that touch the disk are for small things, or for a thread.

    :param directory: its path.
    :param name: within it.
    :param folder: the directory held open, if nothing below a tree's root may be followed elsewhere.
    :param free: whether the name was free a moment ago.
    """

    __slots__ = ("_claimed", "_directory", "_fd", "_folder", "_free", "name", "path")

    def __init__(self, directory: str, name: str, folder: Folder | None = None, free: bool = False) -> None:
        self._directory, self.name, self._folder, self._free = directory, name, folder, free
        self._fd = None if folder is None else folder.fd
        self._claimed: set[str] | None = None
        self.path = f"{directory}/{name}" if directory else name

    @classmethod
    def at(cls, path: str) -> Place:
        """
        Return the place of *path*, which is trusted.

        :raises PathError: when it is no file's.
        """
        directory, name = os.path.split(path)
        if not name or name in (".", "..") or "\0" in path or name.endswith((PARTIAL, JOURNAL)):
            raise PathError(detail=f"{path!r} is no file's path")
        return cls(directory, name)

    def _of(self, name: str) -> str:
        return name if self._fd is not None or not self._directory else f"{self._directory}/{name}"

    def beside(self, name: str) -> str:
        """Return the path of *name* in the same directory, for people and validators."""
        return f"{self._directory}/{name}" if self._directory else name

    def _mark(self, mark: str) -> str:
        name = self.name
        if len(name.encode("utf-8", "surrogateescape")) > _LONGEST:
            name = sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
        return f".{name}{mark}"

    @property
    def partial(self) -> str:
        """The name under which the file grows."""
        return self._mark(PARTIAL)

    @property
    def journal(self) -> str:
        """The name of what is known about the partial file."""
        return self._mark(JOURNAL)

    @staticmethod
    def temporary() -> str:
        """Return a name that nothing else has."""
        return f".{_OURS}-{next(_numbers):x}{PARTIAL}"

    def open(self, name: str, flags: int, mode: int = 0o666) -> int:
        """Open *name* without following a link, after making the directory if it is missing."""
        try:
            at = name if self._fd is not None else self._of(name)
            return os.open(at, flags | _FLAGS, mode, dir_fd=self._fd)
        except FileNotFoundError:
            if not flags & os.O_CREAT or self._fd is not None or not self._directory:
                raise
            os.makedirs(self._directory, exist_ok=True)
            return os.open(self._of(name), flags | _FLAGS, mode)

    def open_partial(self) -> int:
        """
        Open the partial file for reading and writing, as it was left or new.

        :raises PathError: when something else is in its place: a link, a device, or another user's file.
        """
        try:
            file = self.open(self.partial, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK)
        except OSError as error:
            if error.errno in FULL or error.errno in (EMFILE, ENFILE):
                raise
            raise PathError(detail=f"{self.beside(self.partial)}: {error.strerror}") from error
        facts = os.fstat(file)
        if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1 or facts.st_uid != os.geteuid():
            os.close(file)
            raise PathError(detail=f"{self.beside(self.partial)} is not a partial file of ours")
        return file

    def stat(self, name: str) -> os.stat_result | None:
        """Return the facts about *name* itself, or None if there is no such file."""
        if not self.exists(name):  # without an exception, which would cost more than the call
            return None
        try:
            return os.stat(self._of(name), dir_fd=self._fd, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def exists(self, name: str) -> bool:
        """Return whether there is anything called *name*."""
        return os.access(self._of(name), os.F_OK, dir_fd=self._fd, follow_symlinks=False)

    @property
    def free(self) -> bool:
        """Whether nothing has the file's name; what other processes have just made may be missed."""
        return self._free or not self.exists(self.name)

    def leave(self) -> None:
        """Need the name no more: nothing was put there."""
        if self._free and self._folder is not None:
            self._folder.unused(self.name)

    def put(self, data: bytes) -> None:
        """Make *data* the file, at once or not at all."""
        name = self.temporary()
        file = self.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            try:
                while data:
                    written = os.write(file, data)
                    data = data[written:] if written < len(data) else b""
            finally:
                os.close(file)
            self.rename(name)
        except BaseException:
            self.unlink(name)
            raise

    def rename(self, name: str) -> None:
        """Give what is called *name* the file's own name."""
        own = self.name
        if self._fd is None:
            name, own = self._of(name), self._of(own)
        os.rename(name, own, src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def replace(self, name: str, data: bytes) -> None:
        """Make *data* the file called *name*, at once or not at all."""
        temporary = self.temporary()
        file = self.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(file, data)
        finally:
            os.close(file)
        os.rename(self._of(temporary), self._of(name), src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def read(self, name: str, most: int) -> bytes | None:
        """Return up to *most* bytes of the small file *name*, or None if there is none that can be read."""
        try:
            file = self.open(name, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            return None
        try:
            return os.read(file, most) if stat.S_ISREG(os.fstat(file).st_mode) else None
        finally:
            os.close(file)

    def link_from(self, source: str, symbolic: bool) -> None:
        """Make the partial file a link to *source*, an absolute path; there is none yet."""
        name = self._of(self.partial)
        if self._fd is None and self._directory:
            os.makedirs(self._directory, exist_ok=True)
        if symbolic:
            os.symlink(source, name, dir_fd=self._fd)
        else:
            os.link(source, name, dst_dir_fd=self._fd, follow_symlinks=False)

    def unlink(self, name: str) -> None:
        """Remove *name* if it is there."""
        try:
            os.unlink(self._of(name), dir_fd=self._fd)
        except FileNotFoundError:
            pass

    def claim(self, claimed: set[str]) -> bool:
        """
        Keep the path from others until it is released.

        :param claimed: the paths that are kept.
        :returns: whether it was free; if not, this place is released.
        """
        if self.path in claimed:
            self.release()
            return False
        claimed.add(self.path)
        self._claimed = claimed
        return True

    def release(self) -> None:
        """Need the path and its directory no more."""
        if self._folder is not None:
            self._folder.users -= 1
            self._folder = None
        if self._claimed is not None:
            self._claimed.discard(self.path)
            self._claimed = None
