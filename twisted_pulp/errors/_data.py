"""What a data directory does not do."""

from __future__ import annotations

from twisted_pulp.errors._root import StorageError

__all__ = ["DataInUse"]


class DataInUse(StorageError):
    """
    Another process writes to the data directory: wait for its end.

    :ivar path: of the directory.
    :ivar pid: the number of that process, or None where nobody knows.
    """

    def __init__(self, path: str, pid: int | None) -> None:
        super().__init__(path, pid)
        self.path, self.pid = path, pid

    def __str__(self) -> str:
        who = "another process" if self.pid is None else f"process {self.pid}"
        return f"{self.path}: {who} writes there"
