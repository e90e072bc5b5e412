"""How hosts and sources have done of late: it orders sources, and never excludes one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from twisted_pulp.download import Source
from twisted_pulp.errors import (
    ConnectError,
    ConnectionLost,
    DigestMismatch,
    DownloadTimeout,
    HTTPStatusError,
    PulpError,
    SizeMismatch,
    Truncated,
)
from twisted_pulp.urls import origin_of

if TYPE_CHECKING:
    from twisted_pulp.transfer._pace import Pace

__all__ = ["Health"]

# Seconds.
_SOURCE, _HOST, _PROBE = 300.0, 30.0, 60.0
_MANY = 4096
# So many times are sources ordered until one that nothing is known of goes before its equals.
_CURIOUS = 16
# Bytes a second, where no speed is known; and how much faster than the best one must seem to go before it.
_SOME, _ENOUGH = float(1 << 20), 4
K = TypeVar("K")
V = TypeVar("V")
_HOST_ERRORS = (ConnectError, ConnectionLost, DownloadTimeout, Truncated, DigestMismatch, SizeMismatch)


class _Cooling:
    """
    Something that is left alone until it has cooled down; then one download may try it.

    :ivar until: when it has.
    :ivar probed: until when the one that tries counts as on its way.
    """

    __slots__ = ("probed", "until")

    def __init__(self, until: float) -> None:
        self.until, self.probed = until, 0.0

    def bad(self, now: float) -> bool:
        return now < self.until or now < self.probed


class Health:
    """
    Remember for a while who failed, who asked to be left alone, and who is fast.

    :param clock: seconds that never jump.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._cooling: dict[object, _Cooling] = {}
        self._pauses: dict[object, float] = {}
        self._paces: dict[object, Pace] = {}
        self._ordered = 0

    def ordered(self, sources: Iterable[Source]) -> list[Source]:
        """
        Return *sources*, those in good standing first, then by priority; equals by how fast and sound their hosts were.

        Equals that are unknown stay where they are, but every sixteenth time they go first, so that they get known.
        Whoever comes first after it has cooled down is on probation: for others it is bad until it has done well.
        """
        now, sources = self._clock(), list(sources)
        self._ordered += 1
        ranks = self._ranks(sources)
        found = sorted(sources, key=lambda source: (self._bad(source, now), source.priority, ranks[id(source)]))
        for key in _keys(found[0]):
            cooling = self._cooling.get(key)
            if cooling is not None and now >= cooling.until:
                cooling.probed = now + _PROBE
        return found

    def _ranks(self, sources: list[Source]) -> dict[int, int]:
        from twisted_pulp.transfer._pace import Pace  # most downloads have one source

        paces = [self._paces.get(origin_of(source.url)) or Pace() for source in sources]
        best = max((pace.speed for pace in paces if pace.speed is not None), default=_SOME)
        assumed = best * _ENOUGH if self._ordered % _CURIOUS == 0 else best
        return {id(source): pace.rank(assumed) for source, pace in zip(sources, paces, strict=True)}

    def _bad(self, source: Source, now: float) -> int:
        if not self._cooling:
            return 0
        return sum(key in self._cooling and self._cooling[key].bad(now) for key in _keys(source))

    def failed(self, source: Source, error: PulpError) -> None:
        """
        Note that *source* failed with *error*.

        It cools down for 300 s. Where its host is to blame, so does everything of the same Remote, if it has one of its
        own, and everything of the host for 30 s.
        """
        now = self._clock()
        url, site, host = _keys(source)
        _note(self._cooling, url, _Cooling(now + _SOURCE))
        blamed = isinstance(error, _HOST_ERRORS) or (isinstance(error, HTTPStatusError) and error.status >= 500)
        if blamed:
            if site is not None:
                _note(self._cooling, site, _Cooling(now + _SOURCE))
            _note(self._cooling, host, _Cooling(now + _HOST))
            self._pace(source).failed()

    def succeeded(self, source: Source) -> None:
        """Note that *source* is well."""
        if self._cooling:
            for key in _keys(source):
                self._cooling.pop(key, None)

    def measured(self, source: Source, size: int, seconds: float) -> None:
        """Note that *source* gave *size* bytes in *seconds*."""
        self._pace(source).measured(size, seconds)

    def _pace(self, source: Source) -> Pace:
        from twisted_pulp.transfer._pace import Pace

        origin = origin_of(source.url)
        pace = self._paces.get(origin)
        if pace is None:
            pace = Pace()
            _note(self._paces, origin, pace)
        return pace

    def resting(self, url: str) -> float:
        """Return for how many seconds the host of *url* is asked only when nothing else is left."""
        now, origin = self._clock(), origin_of(url)
        cooling = self._cooling.get(origin)
        until = 0.0 if cooling is None else max(cooling.until, cooling.probed)
        return max(0.0, until - now, self._pauses.get(origin, 0.0) - now)

    def pause(self, source: Source, seconds: float) -> None:
        """Leave the host of *source* alone for *seconds*: it asked for that."""
        origin, until = origin_of(source.url), self._clock() + seconds
        if until > self._pauses.get(origin, 0.0):
            _note(self._pauses, origin, until)

    def paused(self, source: Source) -> float:
        """Return for how many seconds the host of *source* wants to be left alone."""
        if not self._pauses:
            return 0.0
        origin = origin_of(source.url)
        left = self._pauses.get(origin, 0.0) - self._clock()
        if left <= 0:
            self._pauses.pop(origin, None)
            return 0.0
        return left


def _keys(source: Source) -> tuple[object, object, object]:
    """Return what may cool down: the URL, everything below the URL of the source's own Remote, and the host."""
    site = None if source.remote is None or source.remote.url is None else ("site", source.remote.url)
    return source.url, site, origin_of(source.url)


def _note(notes: dict[K, V], key: K, value: V) -> None:
    if len(notes) >= _MANY:
        notes.clear()
    notes[key] = value
