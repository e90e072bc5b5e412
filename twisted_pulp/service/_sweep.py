"""What killed processes have left of downloads, removed while others write there."""

from __future__ import annotations

import os

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from twisted_pulp.jobs import DownloadKind
from twisted_pulp.live import Running

__all__ = ["Sweep", "downloads_of"]

#: Below the data directory: where the files of downloads appear, and by what processes agree on who writes which.
_DOWNLOADS, _PATHS = "downloads", os.path.join("locks", "paths")


def downloads_of(running: Running, *, alone: bool) -> DownloadKind:
    """Return what downloads files for a daemon; *alone*: for no other process of it."""
    path = running.data.path
    return DownloadKind(
        running.context,
        os.path.join(path, _DOWNLOADS),
        concurrency=running.settings.limits.downloads,
        shared=None if alone else os.path.join(path, _PATHS),
    )


@define(eq=False)
class Sweep:
    """
    Removes what killed processes have left; where there are many files that takes a while.

    :param downloads: whose files they are.
    """

    _log = Logger()

    _downloads: DownloadKind
    _running: Deferred[None] | None = field(init=False, default=None)

    def start(self) -> None:
        """Begin."""
        self._running = Deferred.fromCoroutine(self._swept())

    async def _swept(self) -> None:
        try:
            if orphans := await self._downloads.recover():
                self._log.info("removed {count} files that were left unfinished", count=orphans)
        except CancelledError:
            pass
        except Exception:
            self._log.failure("what was left unfinished could not be looked for")

    def stop(self) -> None:
        """Leave the rest for another time."""
        if self._running is not None:
            self._running.cancel()
