"""The daemon under twistd, which has its own ideas of a log."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.logger import ILogObserver

from twisted_pulp.service._daemon import DaemonService
from twisted_pulp.service._lines import Lines
from twisted_pulp.service._log import DaemonLog
from twisted_pulp.service._redaction import Redaction, secrets_of

__all__ = ["TwistdDaemon"]


@define(eq=False, kw_only=True, slots=False)
class TwistdDaemon(DaemonService):
    """
    A daemon whose log goes where twistd's would.

    :ivar lines: what the log is written to.
    """

    lines: Lines = field()

    @classmethod
    def made(cls, reactor: Any, options: Any, end: Callable[[int], object]) -> DaemonService:
        """Return the daemon that *options* ask for; twistd keeps its own log where that goes to the system's."""
        settings, parent = options["settings"], options.parent or {}
        common = {"config": options["read"], "settings": settings, "quiet": bool(options["quiet"]), "signals": True}
        if parent.get("syslog") or parent.get("logger"):
            return DaemonService(reactor, ended=end, **common)
        lines = Lines(_path(parent))
        atexit.register(lines.flush)

        def ended(status: int) -> None:
            end(status)
            atexit.register(lines.flush)  # what was registered last is called first: the process ends without the rest

        log = DaemonLog(lines.write, Redaction(secrets_of(settings)), settings.log.format, settings.log.level)
        return cls(reactor, ended=ended, lines=lines, log=log, **common)

    def setServiceParent(self, parent: Any) -> None:
        """Join the application, and be what it logs with."""
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]
        if hasattr(parent, "setComponent"):
            parent.setComponent(ILogObserver, self.log)

    def reload(self) -> None:
        """Read the settings again, and open the log anew: it may have been moved away."""
        self.lines.reopen()
        super().reload()


def _path(parent: Any) -> str | None:
    """Return the path of the log; None: standard output."""
    name = parent.get("logfile")
    if name == "-" or (parent.get("nodaemon") and not name):
        return None
    return os.path.abspath(name or "twistd.log")
