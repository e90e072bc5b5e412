"""What the system's service manager is told: that we are ready, alive, or about to end (sd_notify(3))."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from typing import Any

from attrs import define, field
from twisted.internet.task import LoopingCall

__all__ = ["Notifier"]


@define(eq=False)
class Notifier:
    """
    Tells the service manager, if there is one that wants to know.

    :param environ: has NOTIFY_SOCKET, and WATCHDOG_USEC and WATCHDOG_PID, as systemd sets them.
    :param clock: whose time the watchdog's is.
    """

    _environ: Mapping[str, str]
    _clock: Any
    _watchdog: LoopingCall | None = field(init=False, default=None)

    @property
    def _address(self) -> str | None:
        name = self._environ.get("NOTIFY_SOCKET", "")
        if name[:1] not in ("/", "@"):
            return None
        return "\0" + name[1:] if name[0] == "@" else name  # a name in the abstract namespace

    def _tell(self, **words: object) -> None:
        address = self._address
        if address is None:
            return
        text = "\n".join(f"{name}={value}" for name, value in words.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as one:
                one.sendto(text.encode(), address)
        except OSError:
            pass  # it does not listen; nothing of ours depends on that

    def ready(self, status: str) -> None:
        """Everything is there; *status* is one line for `systemctl status`."""
        self._tell(READY=1, STATUS=status, MAINPID=os.getpid())
        if self._watchdog is None and (interval := self._interval()) is not None:
            self._watchdog = LoopingCall(self._tell, WATCHDOG=1)
            self._watchdog.clock = self._clock
            self._watchdog.start(interval)

    def _interval(self) -> float | None:
        """Return the seconds between two signs of life: half of those after which we are taken for dead."""
        text = self._environ.get("WATCHDOG_USEC", "")
        mine = self._environ.get("WATCHDOG_PID") in (None, str(os.getpid()))
        return int(text) / 2e6 if self._address is not None and mine and text.isdecimal() and int(text) else None

    def reloading(self) -> None:
        """Settings are being read again; `ready` ends it."""
        self._tell(RELOADING=1, MONOTONIC_USEC=time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000)

    def stopping(self, status: str) -> None:
        """It will end, in its own time."""
        self._tell(STOPPING=1, STATUS=status)

    def close(self) -> None:
        """Give no sign of life any more."""
        watchdog, self._watchdog = self._watchdog, None
        if watchdog is not None:
            watchdog.stop()
