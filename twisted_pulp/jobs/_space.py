"""Room on the disk: without it nothing is begun, and nothing new is taken."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from twisted_pulp.errors import StorageFull
from twisted_pulp.jobs._jobs import Jobs
from twisted_pulp.jobs._worker import Worker

__all__ = ["Space", "room_of"]

#: Seconds between two looks; and after a run that met a full disk, whatever room there seems to be: first, and at most.
_LOOK, _FIRST, _LONGEST = 5.0, 10.0, 160.0
#: Files that can be made at least.
_FILES = 1024


def room_of(path: str) -> tuple[int, int | None]:
    """
    Return how many bytes, and how many files (None: any number), there is room for at *path*. Blocks.

    :raises OSError: when there is no such place.
    """
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None


def _in_pool(reactor: Any, f: Callable[..., Any], *args: Any) -> Deferred[Any]:
    return deferToThreadPool(reactor, reactor.getThreadPool(), f, *args)


@define(eq=False)
class Space:
    """
    Pauses a worker while there is too little room, or a run has met a full disk, and lets it go on by itself.

    Meanwhile what is handed in fails with `StorageFull`.

    :param path: a directory on the disk.
    :ivar reserve: bytes that shall stay free.
    :param changed: called with why there is no room, or with None when there is again.
    :param room: as `room_of`, the default; called in a thread.
    """

    _log = Logger()
    _jobs: Jobs
    _worker: Worker
    _reactor: Any
    _path: str
    reserve: int = field(kw_only=True)
    _changed: Callable[[str | None], object] = field(kw_only=True, default=lambda reason: None)
    _room: Callable[[str], tuple[int, int | None]] = field(kw_only=True, default=room_of)
    _in_thread: Callable[..., Deferred[Any]] = field(kw_only=True, default=_in_pool)
    _look: LoopingCall = field(init=False)
    _reason: str | None = field(init=False, default=None)
    _until: float = field(init=False, default=-_LONGEST - _FIRST)
    _pause: float = field(init=False, default=_FIRST)

    def __attrs_post_init__(self) -> None:
        self._look = LoopingCall(self._looked)
        self._look.clock = self._reactor
        self._worker.filled = self.full

    @property
    def reason(self) -> str | None:
        """Why there is no room; None: there is."""
        return self._reason

    def start(self) -> None:
        """Look now, and every few seconds."""
        self._look.start(_LOOK).addErrback(lambda why: self._log.failure("the room was not looked at", failure=why))

    def stop(self) -> None:
        """Look no more."""
        if self._look.running:
            self._look.stop()

    def full(self) -> None:
        """Take note that somebody has met a full disk."""
        now = self._reactor.seconds()
        # One that comes soon after the last: it was no use to go on.
        self._pause = min(self._pause * 2, _LONGEST) if now < self._until + self._pause else _FIRST
        self._until = now + self._pause
        self._tight("the disk is full")

    async def _seen(self) -> str | None:
        try:
            free, files = await self._in_thread(self._reactor, self._room, self._path)
        except OSError as error:
            return f"{self._path}: {error.strerror}"
        if free < self.reserve:
            return f"{free} bytes are free, and {self.reserve} must be"
        if files is not None and files < _FILES:
            return f"only {files} files can be made"
        return None

    def _looked(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._judge())

    async def _judge(self) -> None:
        reason = await self._seen()
        if reason is not None:
            self._tight(reason)
        elif self._reason is not None and self._reactor.seconds() >= self._until:
            self._log.info("there is room again")
            self._reason = None
            self._jobs.refuse(None)
            self._worker.unpause()
            self._changed(None)

    def _tight(self, reason: str) -> None:
        self._worker.pause()
        self._jobs.refuse(StorageFull(detail=reason))
        if self._reason is None:
            self._log.warn("nothing is begun: {reason}", reason=reason)
        if reason != self._reason:
            self._reason = reason
            self._changed(reason)
