"""Lines of a log, written by a thread: no full disk, stuck pipe or absent reader holds up the daemon."""

from __future__ import annotations

import os
import queue
import sys
import threading
from typing import IO

from attrs import define, field

__all__ = ["Lines"]

#: Lines that may wait to be written; what comes while so many wait is lost, and counted.
_MANY = 10_000
#: Seconds that the end waits for them.
_PATIENCE = 1.0


@define(eq=False)
class Lines:
    """
    Writes lines to a file, or to standard output.

    Lines that cannot be written are lost; once writing is possible again, one line says how many.

    :param path: of the file, which is appended to, and made if missing; None: standard output.
    """

    _path: str | None = None
    _file: IO[str] | None = field(init=False, default=None)
    _queue: queue.Queue[str | None] = field(init=False, factory=lambda: queue.Queue(_MANY))
    _thread: threading.Thread | None = field(init=False, default=None)
    _process: int = field(init=False, default=0)
    _lost: int = field(init=False, default=0)
    _reopen: bool = field(init=False, default=False)

    def write(self, line: str) -> None:
        """Have *line*, without its end, written soon."""
        if self._thread is None or self._process != os.getpid():
            self._start()
        try:
            self._queue.put_nowait(line)
        except queue.Full:
            self._lost += 1

    def _start(self) -> None:
        # After a fork, as when twistd goes into the background, there is no thread, and perhaps a lock that is held.
        if self._process not in (0, os.getpid()):
            self._queue = queue.Queue(_MANY)
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._work, name="log", daemon=True)
        self._thread.start()

    def reopen(self) -> None:
        """Open the file anew with the next line: it may have been moved away."""
        self._reopen = True

    def flush(self, seconds: float = _PATIENCE) -> None:
        """Wait until what was written has been, *seconds* at most."""
        thread, self._thread = self._thread, None
        if thread is None or self._process != os.getpid():
            return
        try:
            self._queue.put(None, timeout=seconds)
        except queue.Full:
            return
        thread.join(seconds)

    def _work(self) -> None:
        while (line := self._queue.get()) is not None:
            lines = [line]
            ended = False
            while not ended and len(lines) < 500:  # what is there already, by one write
                try:
                    more = self._queue.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    ended = True
                else:
                    lines.append(more)
            self._put(lines)
            if ended:
                break
        self._close()

    def _put(self, lines: list[str]) -> None:
        lost, self._lost = self._lost, 0
        text = "".join(f"{line}\n" for line in ([f"{lost} lines were lost here"] if lost else []) + lines)
        try:
            file = self._opened()
            if file is not None:
                _write_all(file.fileno(), text.encode("utf-8", "backslashreplace"))
        except (OSError, ValueError):
            self._lost += lost + len(lines)

    def _opened(self) -> IO[str] | None:
        if self._path is None:
            return sys.__stdout__  # twistd lets what is printed be logged
        if self._file is None or self._reopen:
            self._reopen = False
            self._close()
            # The log of a daemon is not for everybody.
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
            self._file = os.fdopen(descriptor, "w")
        return self._file

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
