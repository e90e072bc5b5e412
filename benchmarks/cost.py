"""What a process costs while it runs."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path
from typing import Self

_PROC = Path("/proc/self/statm").exists()
_SECONDS = 0.05


def rss(pid: int) -> int:
    """Return the bytes of memory that the process *pid* has."""
    if _PROC:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(pid)])) << 10


def cpu(pid: int) -> float | None:
    """Return the seconds of the processor that the process *pid* has taken; None where nobody says."""
    if not _PROC:
        return None
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Watched:
    """
    Look at the memory of the process *pid*, 20 times a second, for as long as the block runs.

    :ivar before: bytes at the beginning.
    :ivar peak: the most there were.
    """

    def __init__(self, pid: int) -> None:
        self._pid, self._over = pid, threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.before = self.peak = rss(pid)

    @property
    def growth(self) -> int:
        """Bytes that the peak is above the beginning."""
        return self.peak - self.before

    def _look(self) -> None:
        while not self._over.wait(_SECONDS):
            self.peak = max(self.peak, rss(self._pid))

    def __enter__(self) -> Self:
        """Begin to look."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Look for the last time."""
        self._over.set()
        self._thread.join()
        self.peak = max(self.peak, rss(self._pid))
