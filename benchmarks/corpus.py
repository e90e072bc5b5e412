"""The files that are raced for, and the lists that contenders read."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from attrs import frozen

#: Name -> number of files, bytes of each.
SIZES = {"small": (5000, 4 << 10), "mid": (200, 4 << 20), "big": (1, 1 << 30)}
# Small: what this process holds counts in the peak that the system reports for its children.
_BLOCK = 1 << 20


@frozen
class Entry:
    """
    One file.

    :ivar path: below the server's root.
    :ivar name: that a contender gives it.
    :ivar size: in bytes.
    :ivar sha256: in hex.
    """

    path: str
    name: str
    size: int
    sha256: str

    def item(self, url: str) -> dict[str, Any]:
        """Return it as a list has it."""
        return {"url": url, "path": self.name, "size": self.size, "digests": {"sha256": self.sha256}}


@frozen
class Corpus:
    """
    Files on disk that nobody has seen before.

    :ivar name: one of `SIZES`.
    :ivar entries: what there is.
    """

    name: str
    entries: tuple[Entry, ...]

    @classmethod
    def make(cls, root: Path, name: str, scale: float) -> Corpus:
        """
        Write random files below *root*.

        :param scale: the part of the files, or of the only file's bytes, that is made.
        """
        count, size = scaled(name, scale)
        (root / name).mkdir()
        return cls(name, tuple(written(root, name, number, size) for number in range(count)))

    @property
    def bytes(self) -> int:
        """The size of all files together."""
        return sum(entry.size for entry in self.entries)

    def write_lists(self, base: str, path: Path) -> None:
        """
        Write the list at *path* as JSON lines, and beside it for curl (``.curl``) and sha256sum (``.sha256``).

        :param base: URL of the server's root, without a slash at its end.
        """
        pairs = [(f"{base}/{entry.path}", entry) for entry in self.entries]
        path.write_text("".join(f"{json.dumps(entry.item(url))}\n" for url, entry in pairs))
        curl = (f'url = "{url}"\noutput = "{entry.name}"\n' for url, entry in pairs)
        path.with_name(f"{path.name}.curl").write_text("".join(curl))
        sums = (f"{entry.sha256}  {entry.name}\n" for entry in self.entries)
        path.with_name(f"{path.name}.sha256").write_text("".join(sums))

    def fault(self, directory: Path) -> str | None:
        """Say what is wrong with the files that a contender left in *directory*; None when nothing is."""
        if left := {each.name for each in directory.iterdir()} ^ {entry.name for entry in self.entries}:
            return f"{min(left)} is missing, or was not asked for"
        for entry in self.entries:
            if (directory / entry.name).stat().st_size != entry.size:
                return f"{entry.name} has another size"
        # All of a large corpus would take longer than the race; contenders check each file themselves.
        for entry in self.entries[:: max(1, len(self.entries) // 50)]:
            with (directory / entry.name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != entry.sha256:
                    return f"{entry.name} has another digest"
        return None


def scaled(name: str, scale: float) -> tuple[int, int]:
    """Return how many files the corpus *name* has at *scale*, and the bytes of each."""
    count, size = SIZES[name]
    return (max(1, round(count * scale)), size) if count > 1 else (1, max(1, round(size * scale)))


def written(root: Path, corpus: str, number: int, size: int) -> Entry:
    """Write *size* random bytes to the file *number* of the directory *corpus* below *root*."""
    path, digest, left = f"{corpus}/{number}.bin", hashlib.sha256(), size
    with (root / path).open("wb") as file:
        while left:
            block = os.urandom(min(left, _BLOCK))
            file.write(block)
            digest.update(block)
            left -= len(block)
    return Entry(path, f"{corpus}-{number}.bin", size, digest.hexdigest())
