"""Parts of an artifact that clients want long before they would come: fetched by requests of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_pulp.errors import PulpError
from twisted_pulp.streamer._part import Part

__all__ = ["Ahead", "Far"]


@frozen(kw_only=True)
class Far:
    """
    What is far ahead of the bytes that are here, so that it is fetched for itself: both must hold.

    :ivar least: bytes at least; default 16 MiB.
    :ivar seconds: that it would take at the present speed, at least; default 2.
    :ivar most: parts of one artifact that are fetched at a time; default 4. 0: none ever is.
    """

    least: int = 16 << 20
    seconds: float = 2.0
    most: int = 4


class _Flight(Protocol):
    """What is asked of a flight."""

    wanted: Any
    body: Any
    head: Any
    length: int | None
    verified: bool

    @property
    def written(self) -> int: ...

    @property
    def places(self) -> Sequence[int]: ...

    def grown(self) -> None: ...


class Ahead:
    """
    The parts of one artifact that are fetched ahead of its transfer, from the source that the transfer has.

    They are written to the same growing file, where all clients can read them. The transfer still brings every byte:
    what it brings is compared with them, so they are verified with the rest. When one cannot be had, as the upstream
    knows no ranges, no other is tried, and clients wait for the transfer.

    :param flight: the transfer.
    :param clock: the reactor.
    :param far: says what is fetched for itself.
    """

    _log = Logger()

    def __init__(self, flight: _Flight, clock: IReactorTime, far: Far) -> None:
        self._flight, self._clock, self._far = flight, clock, far
        self._downloader: Any = None
        self._began = 0.0
        self._parts: list[Part] = []
        self._asking: dict[Part, Deferred[None]] = {}

    def __repr__(self) -> str:
        return f"<Ahead {len(self._asking)} of {len(self._parts)} parts under way>"

    def begin(self, downloader: Any) -> None:
        """From now on parts may be asked for, through *downloader*."""
        if self._far.most and not self._flight.body.forgets:
            self._downloader, self._began = downloader, self._clock.seconds()

    def end_of(self, at: int) -> int:
        """Return where the bytes end that can be read from *at* on; *at* or less: there are none."""
        written = self._flight.written
        if at >= written:
            for part in self._parts:
                if part.first <= at < part.written:
                    return part.written
        return written

    def read(self, at: int, length: int) -> bytes:
        """Return up to *length* bytes from *at* on, of those that `end_of` has told of."""
        body = self._flight.body
        data: bytes = body.read(at, length) if at < self._flight.written else body.read_part(at, length)
        return data

    def want(self, at: int, end: int) -> bool:
        """
        Somebody waits for the bytes from *at* on, up to *end*: fetch them, if they are far ahead.

        :returns: whether there is, or will be, a part with the first of them.
        """
        flight = self._flight
        away = at - flight.written
        if self._downloader is None or away < self._far.least or flight.verified or flight.length is None:
            return False
        if flight.head.result is None or away < self._far.seconds * self._speed():
            return False
        self._parts = [part for part in self._parts if part in self._asking or part.end > flight.written]
        if any(part.first <= at < part.end for part in self._parts):
            return True
        if len(self._asking) >= self._far.most:
            return False
        ahead = [part.first for part in self._parts if part.first > at]
        self._fetch(Part(flight, at, min([end, *ahead]), self._grown))
        return True

    def _speed(self) -> float:
        """Return how many bytes a second the transfer has brought so far."""
        took = self._clock.seconds() - self._began
        return self._flight.written / took if took > 0 else 0.0

    def _fetch(self, part: Part) -> None:
        self._parts.append(part)
        asking = Deferred.fromCoroutine(part.fetch(self._downloader))
        self._asking[part] = asking
        asking.addBoth(self._over, part)

    def _grown(self) -> None:
        self._flight.grown()

    def _over(self, result: Any, part: Part) -> None:
        self._asking.pop(part, None)
        part.end = part.written
        if not isinstance(result, Failure) or part.stopped:
            return
        self._downloader = None
        if result.check(PulpError):
            self._log.info("a part far ahead could not be fetched for itself: {error}", error=result.value)
        else:
            self._log.failure("a part far ahead could not be fetched for itself", result)

    def look(self) -> None:
        """Somebody has gone: break off what nobody waits for any more."""
        if self._asking:
            places = self._flight.places
            for part in list(self._asking):
                if not any(part.first <= at < part.end for at in places):
                    self._stop(part)

    def forget(self) -> None:
        """What is here may be wrong: nobody reads it any more, and nothing is fetched ahead again."""
        self.stop()
        self._parts.clear()

    def stop(self) -> None:
        """Fetch nothing any more; what is here can be read."""
        self._downloader = None
        for part in list(self._asking):
            self._stop(part)

    def _stop(self, part: Part) -> None:
        asking = self._asking.pop(part)
        part.stopped, part.end = True, part.written
        asking.cancel()
