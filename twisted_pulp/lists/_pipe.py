"""A pipe, terminal or socket read by the reactor, when its bytes are there and somebody wants them."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_pulp.lists._reader import LONGEST_LINE

__all__ = ["is_pipe", "piped_lines"]

_READ = 1 << 16


def is_pipe(descriptor: int) -> bool:
    """Return whether reading *descriptor* may wait; a regular file, /dev/null and the like never do."""
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)


@implementer(IReadDescriptor)
@define(eq=False)
class _Pipe:
    # The descriptor stays as it is: a shell shares its terminal with us, and O_NONBLOCK would be its trouble too.
    _reactor: IReactorFDSet
    _descriptor: int
    _waiting: Deferred[bytes] | None = field(init=False, default=None)

    def read(self) -> Deferred[bytes]:
        """Return a Deferred of some bytes; none are the end."""
        waiting: Deferred[bytes] = Deferred(self._cancelled)
        self._waiting = waiting
        self._reactor.addReader(self)
        return waiting

    def _cancelled(self, waiting: Deferred[bytes]) -> None:
        self._stop()

    def _stop(self) -> Deferred[bytes] | None:
        waiting, self._waiting = self._waiting, None
        self._reactor.removeReader(self)
        return waiting

    def doRead(self) -> None:
        waiting = self._stop()
        assert waiting is not None
        try:
            data = os.read(self._descriptor, _READ)
        except OSError:
            waiting.errback(Failure())
        else:
            waiting.callback(data)

    def connectionLost(self, reason: Failure) -> None:
        # All who could write have gone, and nothing is left to be read.
        waiting = self._stop()
        if waiting is not None:
            waiting.callback(b"")

    def fileno(self) -> int:
        return self._descriptor

    def logPrefix(self) -> str:
        return "list"


async def piped_lines(reactor: IReactorFDSet, descriptor: int) -> AsyncIterator[bytes]:
    """Give the lines that come through *descriptor*; of one that is too long only its beginning."""
    pipe = _Pipe(reactor, descriptor)
    rest = b""
    while data := await pipe.read():
        first, *others = data.split(b"\n")
        if len(rest) <= LONGEST_LINE:
            rest += first
        if not others:
            continue
        yield rest
        *whole, rest = others
        for line in whole:
            yield line
    if rest:
        yield rest
