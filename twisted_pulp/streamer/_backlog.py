"""Small artifacts that clients have already, and the storage does not yet: stored together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from secrets import token_hex
from typing import Any

from attrs import field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from twisted_pulp.errors import StorageError, StorageFull
from twisted_pulp.interfaces import Adoption, IStorage
from twisted_pulp.names import PARTIAL
from twisted_pulp.streamer._moment import Moment
from twisted_pulp.threads import outlasting

__all__ = ["Backlog", "storage_error", "temporary"]

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# Artifacts that are stored together, and bytes from which on whoever brings more waits.
_TOGETHER, _MOST = 128, 8 << 20
# Seconds between two times at which some are stored: many at a time take less of the processor than as many for
# themselves, and no client waits for it.
_APART = 0.1
_numbers = count(1)
_OURS = token_hex(6)  # no other process makes the same names


def temporary(storage: IStorage) -> str:
    """Return where a file can grow that nobody else knows of, and no cleanup takes for a finished one."""
    directory, name = os.path.split(storage.temporary(f"stream-{_OURS}-{next(_numbers):x}"))
    return f"{directory}/.{name}{PARTIAL}"


def storage_error(error: OSError, path: str) -> StorageError:
    """Return what *error* means for the storage."""
    words = f"{path}: {error.strerror or error}"
    return StorageFull(detail=words) if error.errno in StorageFull.errnos else StorageError(words)


@frozen(eq=False)
class _Item:
    sha256: str
    data: bytes
    stored: Deferred[None] = field(factory=Deferred)


class Backlog:
    """
    Store small artifacts that were verified. Those that come while some are being stored are stored together: a thread
    and a directory to be brought to the disk for each of them would take more than they do.

    :param storage: where to.
    :param threads: in which is written, as `Context.threads`.
    :param clock: lets those that come one after another gather for a tenth of a second; default None: they are stored
        as soon as those before them are.
    """

    def __init__(self, storage: IStorage, threads: Any, clock: IReactorTime | None = None) -> None:
        self._storage, self._threads, self._clock = storage, threads, clock
        self._last = float("-inf")
        self._pause: Deferred[None] | None = None
        self._hurry = False
        self._waiting: list[_Item] = []
        self._bytes = 0
        self._busy = False
        self._room: Moment[None] = Moment()

    def room(self) -> Deferred[None] | None:
        """Return a Deferred that fires when more may be brought; None: it may be now."""
        if self._bytes < _MOST:
            return None
        return self._room.wait()

    def add(self, sha256: str, data: bytes) -> Deferred[None]:
        """Return a Deferred that fires when *data* is an artifact, and fails with why it is none."""
        item = _Item(sha256, data)
        self._waiting.append(item)
        self._bytes += len(data)
        if not self._busy:
            self._busy = True
            Deferred.fromCoroutine(self._store())
        elif len(self._waiting) >= _TOGETHER or self._bytes >= _MOST:
            self._go_on()
        return item.stored

    def hurry(self) -> None:
        """Gather no more: somebody waits for the end."""
        self._hurry = True
        self._go_on()

    def _go_on(self) -> None:
        pause, self._pause = self._pause, None
        if pause is not None:
            pause.callback(None)

    async def _apart(self) -> None:
        """Wait, if some were stored a moment ago, and there are not enough yet."""
        if self._clock is None:
            return
        left = self._last + _APART - self._clock.seconds()
        if left > 0 and not self._hurry and len(self._waiting) < _TOGETHER and self._bytes < _MOST:
            pause = self._pause = Deferred()
            call = self._clock.callLater(left, self._go_on)
            await pause
            if call.active():
                call.cancel()
        self._last = self._clock.seconds()

    async def _store(self) -> None:
        while self._waiting:
            await self._apart()
            some, self._waiting = self._waiting[:_TOGETHER], self._waiting[_TOGETHER:]
            try:
                errors = await self._stored(some)
            except Exception as error:
                errors = [error] * len(some)
            for item, failed in zip(some, errors, strict=True):
                self._bytes -= len(item.data)
                item.stored.callback(None if failed is None else Failure(failed))
            room, self._room = self._room, Moment()
            room.happen(None)
        self._busy = False

    async def _stored(self, some: Sequence[_Item]) -> list[Exception | None]:
        """Return what kept each from being stored, or None."""
        lane, paths = self._threads.lane(), [temporary(self._storage) for _ in some]
        errors: list[Exception | None] = [
            *await outlasting(lane(_written, [(path, item.data) for path, item in zip(paths, some, strict=True)]))
        ]
        here = [number for number, error in enumerate(errors) if error is None]
        files = [Adoption(paths[number], some[number].sha256, len(some[number].data)) for number in here]
        try:
            adopted = await outlasting(self._storage.adopt(files))
        except BaseException:
            await outlasting(lane(_removed, [file.path for file in files]))
            raise
        for number, failed in zip(here, adopted, strict=True):
            errors[number] = failed
        left = [paths[number] for number in here if errors[number] is not None]
        if left:
            await outlasting(lane(_removed, left))
        return errors


def _written(files: Sequence[tuple[str, bytes]]) -> list[StorageError | None]:
    """Write *files*; return what kept each from being written, or None."""
    # Nobody clears up what is so new, as long as this process has the storage open.
    return [_one(path, data) for path, data in files]


def _one(path: str, data: bytes) -> StorageError | None:
    try:
        fd = os.open(path, _FLAGS, 0o600)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(fd, rest) :]
        finally:
            os.close(fd)
    except OSError as error:
        _removed([path])
        return storage_error(error, path)
    return None


def _removed(paths: Sequence[str]) -> None:
    for path in paths:
        with suppress(OSError):  # the storage clears up what is left
            os.unlink(path)
