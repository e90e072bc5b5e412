"""Whether the data directory and the catalog can still be used, looked at now and then."""

from __future__ import annotations

import os
from typing import Any

from attrs import define, field
from sqlalchemy import text
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from twisted_pulp.errors import PulpError
from twisted_pulp.live import Running

__all__ = ["Probe"]

#: Seconds between two looks.
_EVERY = 10.0
_NAME = ".probe"


@define(eq=False)
class Probe:
    """
    Tells the health of the data directory and of the catalog.

    :param running: the parts of the daemon.
    :param written: directories in which files must be able to be made.
    """

    _log = Logger()

    _running: Running
    _written: tuple[str, ...]
    _call: LoopingCall = field(init=False)
    _looking: Deferred[None] | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._call = LoopingCall(self._looked)
        self._call.clock = self._running.reactor

    def start(self) -> None:
        """Look from now on."""
        self._call.start(_EVERY, now=False)

    def stop(self) -> Deferred[None]:
        """Look no more; the Deferred fires when nothing of a look is left."""
        if self._call.running:
            self._call.stop()
        ended: Deferred[None] = Deferred()
        if self._looking is None:
            ended.callback(None)
        else:
            self._looking.addBoth(lambda _: ended.callback(None))
        return ended

    def _looked(self) -> Deferred[None]:
        self._looking = Deferred.fromCoroutine(self.look())

        def over(result: Any) -> Any:
            self._looking = None
            return result

        return self._looking.addErrback(
            lambda why: self._log.failure("the daemon could not look at itself", failure=why)
        ).addBoth(over)

    async def look(self) -> None:
        """Look once."""
        running = self._running
        pool = running.reactor.getThreadPool()
        self._tell("directory", await deferToThreadPool(running.reactor, pool, _unwritable, self._written))
        try:
            await running.data.catalog.read(lambda connection: connection.execute(text("select 1")).scalar())
        except PulpError as error:
            self._tell("catalog", str(error))
        else:
            self._tell("catalog", None)

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


def _unwritable(directories: tuple[str, ...]) -> str | None:
    """Return why no file can be made in one of *directories*, or None."""
    for each in directories:
        path = os.path.join(each, _NAME)
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
            os.unlink(path)
        except OSError as error:
            return f"{each}: {error.strerror}"
    return None
