"""A terminal for programs."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import termios
from collections.abc import Iterator

import pytest
from attrs import define, field

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@define(eq=False)
class Screen:
    """The far side of a pseudo-terminal: everything that was ever written to it."""

    master: int
    slave: int
    written: str = field(init=False, default="")

    def read(self) -> str:
        """Return what was written so far, as it came."""
        try:
            while data := os.read(self.master, 1 << 16):
                self.written += data.decode(errors="replace")
        except (BlockingIOError, OSError):
            pass
        return self.written

    def text(self) -> str:
        """Return what was written so far, without the terminal's commands."""
        return CONTROL.sub("", self.read())

    def streams(self) -> dict[str, int]:
        """Return the arguments of a process that has this terminal."""
        return {"stdin": self.slave, "stdout": self.slave, "stderr": self.slave}


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    """A terminal of 100 columns and 24 lines."""
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    os.set_blocking(master, False)
    yield Screen(master, slave)
    os.close(master)
    os.close(slave)
