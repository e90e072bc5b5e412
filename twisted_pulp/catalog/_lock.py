"""Locks with names, across processes: nobody is kept waiting but those who want the lock."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable
from typing import Protocol
from urllib.parse import quote

from attrs import define, field
from sqlalchemy import NullPool, create_engine
from sqlalchemy.exc import SQLAlchemyError
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger

from twisted_pulp.catalog._engine import Database
from twisted_pulp.catalog._threads import Threads
from twisted_pulp.errors import CatalogUnavailable

__all__ = ["Lock", "Locks"]

#: Seconds between two looks whether another process has given a lock back: at first, and at most.
_FIRST, _LONGEST = 0.02, 0.5
#: How many times within a lease a server is told that we live, but every so many seconds at least.
_BEATS, _SELDOM = 3, 5.0
_LONGEST_NAME = 200


class _Hold(Protocol):
    """What another process gets only after `give`."""

    def take(self) -> bool: ...

    def held(self) -> bool: ...

    def give(self) -> None: ...


@define(eq=False)
class _FileHold:
    """flock on a file; the system gives it back when the process ends, however that is."""

    _path: str
    _fd: int = field(init=False, default=-1)

    def take(self) -> bool:
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException as error:
            os.close(fd)
            if isinstance(error, BlockingIOError):
                return False
            raise
        self._fd = fd
        return True

    def held(self) -> bool:
        return self._fd >= 0

    def give(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)  # the file stays: to remove it would let two have "the" lock


@define(eq=False)
class Lock:
    """
    A lock that is held.

    :ivar name: its name.
    """

    name: str
    _hold: _Hold
    _threads: Threads
    _given: Callable[[Lock], None]
    _released: bool = field(init=False, default=False)

    def held(self) -> Deferred[bool]:
        """
        Tell whether it is still held.

        On PostgreSQL it is lost with its connection, when the server restarts for instance.
        """
        return Deferred.fromCoroutine(self._threads.call(self._hold.held))

    def release(self) -> Deferred[None]:
        """Give it back; again does nothing."""
        return Deferred.fromCoroutine(self._release())

    async def _release(self) -> None:
        if self._released:
            return
        self._released = True
        try:
            await self._threads.call(self._hold.give)
        finally:
            self._given(self)


class Locks:
    """
    The locks of one catalog; those of one process take turns in the order in which they asked.

    :param reactor: its clock.
    :param database: where the locks are.
    :param threads: where what may block is done.
    :param patience: seconds for which a lost connection is tried again.
    :param lease: seconds after which a process that says nothing loses its locks, where these are a server's.
    """

    _log = Logger()

    def __init__(
        self, reactor: IReactorTime, database: Database, threads: Threads, patience: float, lease: float
    ) -> None:
        self._reactor, self._database, self._threads, self._patience = reactor, database, threads, patience
        self._lease = lease
        self._turns: dict[str, DeferredLock] = {}
        self._held: set[Lock] = set()
        self._telling: LoopingCall | None = None

    async def take(self, name: str) -> Lock:
        """Wait for the lock of this *name*, however long, and return it."""
        turn = self._turns.setdefault(name, DeferredLock())
        await turn.acquire()
        hold = self._hold(name)
        try:
            await self._waited(hold)
        except BaseException:
            try:
                await self._threads.call(hold.give)
            finally:
                self._next(name)
            raise
        lock = Lock(name, hold, self._threads, self._given)
        self._held.add(lock)
        self._tell()
        return lock

    async def _waited(self, hold: _Hold) -> None:
        pause, deadline = _FIRST, self._reactor.seconds() + self._patience
        while True:
            try:
                if await self._threads.call(hold.take):
                    return
                deadline = self._reactor.seconds() + self._patience
            except SQLAlchemyError as error:
                refusal, again = self._database.meaning(error)
                if refusal is None or not again or self._reactor.seconds() >= deadline:
                    raise refusal or error from error
                await self._threads.call(hold.give)
            except OSError as error:
                raise CatalogUnavailable(f"the lock file cannot be had: {error.strerror}") from error
            await deferLater(self._reactor, pause)
            pause = min(pause * 2, _LONGEST)

    async def give_all(self) -> None:
        """Give back what is still held."""
        for lock in list(self._held):
            await lock.release()

    def _tell(self) -> None:
        """Tell the server that we live, from now on."""
        if self._telling is None and self._database.path is None:
            self._telling = LoopingCall(self._told)
            self._telling.clock = self._reactor
            self._telling.start(min(self._lease / _BEATS, _SELDOM), now=False).addErrback(
                lambda why: self._log.failure("the server is not told any more that locks are held", failure=why)
            )

    def _told(self) -> Deferred[list[bool]]:
        holds = [lock._hold for lock in self._held]
        return Deferred.fromCoroutine(self._threads.call(lambda: [hold.held() for hold in holds]))

    def _given(self, lock: Lock) -> None:
        self._held.discard(lock)
        if not self._held and self._telling is not None:
            telling, self._telling = self._telling, None
            telling.stop()
        self._next(lock.name)

    def _next(self, name: str) -> None:
        turn = self._turns[name]
        turn.release()
        if not turn.locked:
            del self._turns[name]

    def _hold(self, name: str) -> _Hold:
        digest = hashlib.sha256(name.encode()).digest()
        if self._database.path is None:
            from twisted_pulp.catalog._advisory import AdvisoryHold

            engine = create_engine(self._database.writing.url, poolclass=NullPool, connect_args=self._database.connect)
            return AdvisoryHold(engine, int.from_bytes(digest[:8], signed=True), self._lease, self._reactor.seconds)
        plain = quote(name, safe=" ")
        plain = plain if len(plain) <= _LONGEST_NAME and plain not in {".", ".."} else digest.hex()
        return _FileHold(os.path.join(os.path.dirname(self._database.path), "locks", plain or "-"))
