"""How hosts and sources have done of late: it orders sources, and never excludes one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

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
from twisted_pulp.urls import Origin, origin_of

__all__ = ["Health"]

_SOURCE, _HOST = 300.0, 30.0
_MANY = 4096
K = TypeVar("K")
_HOST_ERRORS = (ConnectError, ConnectionLost, DownloadTimeout, Truncated, DigestMismatch, SizeMismatch)


class Health:
    """
    Remember for a while who failed, and who asked to be left alone.

    :param clock: seconds that never jump.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sources: dict[str, float] = {}
        self._hosts: dict[Origin, float] = {}
        self._pauses: dict[Origin, float] = {}

    def ordered(self, sources: Iterable[Source]) -> list[Source]:
        """Return *sources*, those in good standing first; they keep their order otherwise."""
        now = self._clock()
        return sorted(sources, key=lambda source: (self._bad(source, now), source.priority))

    def _bad(self, source: Source, now: float) -> int:
        return int(self._sources.get(source.url, 0.0) > now) + int(self._hosts.get(origin_of(source.url), 0.0) > now)

    def failed(self, source: Source, error: PulpError) -> None:
        """Note that *source* failed with *error*: it cools down for 300 s, its host for 30 s if it is to blame."""
        now = self._clock()
        _note(self._sources, source.url, now + _SOURCE)
        blamed = isinstance(error, _HOST_ERRORS) or (isinstance(error, HTTPStatusError) and error.status >= 500)
        if blamed:
            _note(self._hosts, origin_of(source.url), now + _HOST)

    def succeeded(self, source: Source) -> None:
        """Note that *source* is well."""
        if self._sources or self._hosts:
            self._sources.pop(source.url, None)
            self._hosts.pop(origin_of(source.url), None)

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


def _note(notes: dict[K, float], key: K, until: float) -> None:
    if len(notes) >= _MANY:
        notes.clear()
    notes[key] = until
