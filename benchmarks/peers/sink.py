"""What is the same for all Python peers: the list, and files that are checked."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from typing import Any


class Arguments:
    """
    The command line.

    :ivar items: of the list: ``url``, ``path``, ``size`` and ``digests``.
    :ivar directory: where the files go.
    :ivar jobs: connections at once.
    :ivar fsync: whether each file, and in the end the directory, is brought to the disk.
    :ivar certificate: PEM file to trust, None without TLS.
    """

    def __init__(self) -> None:
        with open(sys.argv[1], "rb") as file:
            self.items: list[dict[str, Any]] = [json.loads(line) for line in file]
        self.directory = sys.argv[2]
        self.jobs = int(sys.argv[3])
        self.fsync = "fsync" in sys.argv[4:]
        self.certificate = os.environ.get("SSL_CERT_FILE")


class Sink:
    """A file that gets its name only when it is the right one."""

    def __init__(self, directory: str, item: dict[str, Any], fsync: bool = False) -> None:
        self._fsync = fsync
        self._size, self._sha256 = item["size"], item["digests"]["sha256"]
        self._path = os.path.join(directory, item["path"])
        self._file = open(self._path + ".part", "wb", buffering=0)  # noqa: SIM115 -- closed by `close`
        self._digest, self._received = hashlib.sha256(), 0

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        self._file.write(data)
        self._digest.update(data)
        self._received += len(data)

    def close(self) -> None:
        """End the file; the program ends with it when it is not the right one."""
        if self._fsync:
            os.fsync(self._file.fileno())
        self._file.close()
        if self._received != self._size or self._digest.hexdigest() != self._sha256:
            raise SystemExit(f"{self._path} is not what was expected")
        os.rename(self._path + ".part", self._path)


def fsync_directory(directory: str) -> None:
    """Bring the names in *directory* to the disk."""
    fd = os.open(directory, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
