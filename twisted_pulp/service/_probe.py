"""Whether the data directory and the catalog can still be used, looked at now and then."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from attrs import define, field
from sqlalchemy import text
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from twisted_pulp.errors import PulpError
from twisted_pulp.jobs._space import room_of
from twisted_pulp.live import Running

__all__ = ["Probe", "least_room", "places_of"]

#: Seconds between two looks: while all is well, the same where the catalog is another machine's, and while something is
#: not well, or may not be.
_EVERY, _ELSEWHERE, _SOON = 10.0, 3.0, 1.0
#: Seconds after which a catalog that does not answer is not well.
_LATE = 3.0
_NAME = ".probe"


def places_of(data: Any) -> tuple[str, ...]:
    """Return where a daemon writes: its own directory, and that of artifacts, or the spool of those elsewhere."""
    return data.path, os.path.dirname(os.path.dirname(data.storage.temporary("probe")))


def least_room(places: Sequence[str], _: str) -> tuple[int, int | None]:
    """Return the least room that there is at *places*: bytes, and files (None: any number)."""
    rooms = [room_of(each) for each in places]
    files = [count for _, count in rooms if count is not None]
    return min(free for free, _ in rooms), min(files, default=None)


@define(eq=False)
class Probe:
    """
    Tells the health of the data directory and of the catalog.

    :param running: the parts of the daemon.
    :param written: directories in which files must be able to be made.
    :param made: the same, of those that are made when they are needed.
    """

    _log = Logger()

    _running: Running
    _written: tuple[str, ...]
    _made: tuple[str, ...] = ()
    _call: IDelayedCall | None = field(init=False, default=None)
    _looking: Deferred[None] | None = field(init=False, default=None)
    _ill: bool = field(init=False, default=False)
    _stopped: bool = field(init=False, default=False)

    def start(self) -> None:
        """Look from now on."""
        every = _EVERY if self._running.data.catalog.dialect == "sqlite" else _ELSEWHERE
        self._call = self._running.reactor.callLater(_SOON if self._ill else every, self._looked)

    def soon(self) -> None:
        """Do not wait long for the next look: something has gone wrong."""
        if self._call is not None and self._call.getTime() - self._running.reactor.seconds() > _SOON:
            self._call.reset(_SOON)

    def stop(self) -> Deferred[None]:
        """Look no more; the Deferred fires when nothing of a look is left."""
        self._stopped = True
        if self._call is not None:
            self._call.cancel()
            self._call = None
        ended: Deferred[None] = Deferred()
        if self._looking is None:
            ended.callback(None)
        else:
            self._looking.addBoth(lambda _: ended.callback(None))
        return ended

    def _looked(self) -> None:
        self._call = None
        self._looking = Deferred.fromCoroutine(self.look())

        def over(_: Any) -> None:
            self._looking = None
            if not self._stopped:
                self.start()

        self._looking.addErrback(
            lambda why: self._log.failure("the daemon could not look at itself", failure=why)
        ).addBoth(over)

    async def look(self) -> None:
        """Look once."""
        running = self._running
        pool = running.reactor.getThreadPool()
        found = await deferToThreadPool(running.reactor, pool, _unwritable, self._written, self._made)
        self._tell("directory", found)
        look = getattr(running.data.storage, "look", None)
        if look is not None:
            self._tell("objects", await look())
        self._tell("catalog", await self._refusal())
        self._ill = bool(running.health.degraded.keys() & {"directory", "catalog", "objects"})

    async def _refusal(self) -> str | None:
        """Return why the catalog cannot be used, or None; that it takes long to answer is told meanwhile."""
        catalog = self._running.data.catalog
        late = self._running.reactor.callLater(_LATE, self._tell, "catalog", f"no answer for {_LATE:g} s")
        try:
            await catalog.read(lambda connection: connection.execute(text("select 1")).scalar())
        except PulpError as error:
            return str(error)
        finally:
            if late.active():
                late.cancel()
        return None

    def _tell(self, part: str, reason: str | None) -> None:
        known = self._running.health.degraded.get(part)
        if reason is None:
            self._running.health.recover(part)
            if known is not None:
                self._log.info("{part} can be used again", part=part)
        else:
            self._running.health.degrade(part, reason)
            if known != reason:
                self._log.error("{part} cannot be used: {reason}", part=part, reason=reason)


def _unwritable(directories: tuple[str, ...], made: tuple[str, ...]) -> str | None:
    """Return why no file can be made in one of *directories*, or of those *made* that are there; or None."""
    for each in directories + made:
        path = os.path.join(each, _NAME)
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
            os.unlink(path)
        except OSError as error:
            if not (isinstance(error, FileNotFoundError) and each in made):
                return f"{each}: {error.strerror}"
    return None
