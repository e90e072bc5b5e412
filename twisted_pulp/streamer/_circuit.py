"""What failed a moment ago, and is not asked for again at once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

from twisted_pulp.errors import (
    Cancelled,
    ConnectError,
    ConnectionLost,
    DownloadError,
    DownloadTimeout,
    HookError,
    HTTPStatusError,
    PulpError,
    WriterError,
)
from twisted_pulp.streamer._wanted import Wanted
from twisted_pulp.transfer._tries import retry_after
from twisted_pulp.urls import Origin, origin_of

__all__ = ["Circuit"]

# Seconds for which an artifact, and a host, are left alone; those that a server asks for may be more, up to the last.
_ARTIFACT, _HOST, _MOST = 5.0, 30.0, 300.0
_MANY = 4096
K = TypeVar("K")
# They say nothing about the upstream.
_OURS = (Cancelled, HookError, WriterError)
_SILENT = (ConnectError, ConnectionLost, DownloadTimeout)
_OVERLOADED = frozenset({429, 503})


class Circuit:
    """
    Remember what failed, so that clients who ask again do not make an upstream that is in trouble do it again.

    An artifact is left alone for 5 s. A host that cannot be reached, or says that it is overloaded, is left alone for
    30 s; then one transfer tries it, and while that has brought nothing it counts as failed.

    :param clock: seconds that never jump.
    :param now: seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float], now: Callable[[], float]) -> None:
        self._clock, self._now = clock, now
        self._artifacts: dict[Hashable, tuple[float, PulpError]] = {}
        self._hosts: dict[Origin, tuple[float, PulpError]] = {}

    def __repr__(self) -> str:
        return f"<Circuit artifacts={len(self._artifacts)} hosts={len(self._hosts)}>"

    def refusal(self, wanted: Wanted) -> PulpError | None:
        """Return why *wanted* is not asked for now, or None; whoever gets None must ask."""
        if not self._artifacts and not self._hosts:
            return None
        now = self._clock()
        found = self._artifacts.get(wanted.key)
        if found is not None:
            if now < found[0]:
                return found[1]
            del self._artifacts[wanted.key]
        return self._refused(_hosts(wanted), now)

    def _refused(self, hosts: set[Origin], now: float) -> PulpError | None:
        found = {host: self._hosts[host] for host in hosts if host in self._hosts}
        if len(found) < len(hosts):
            return None
        if all(now < until for until, _ in found.values()):
            return next(iter(found.values()))[1]
        for host, (until, error) in found.items():
            if now >= until:
                self._hosts[host] = now + _HOST, error
        return None

    def host(self, url: str) -> tuple[float, PulpError] | None:
        """Return for how many seconds the host of *url* is left alone, and why; None: it is not."""
        found = self._hosts.get(origin_of(url))
        left = 0.0 if found is None else found[0] - self._clock()
        return None if found is None or left <= 0 else (left, found[1])

    def failed(self, wanted: Wanted, error: BaseException) -> None:
        """Note that *wanted* could not be had."""
        if not isinstance(error, DownloadError) or isinstance(error, _OURS):
            return
        now, asked, hosts = self._clock(), self._asked(error), _hosts(wanted)
        _note(self._artifacts, wanted.key, (now + max(_ARTIFACT, asked), error))
        if _is_of_host(error):
            for host in hosts:
                _note(self._hosts, host, (now + max(_HOST, asked), error))
        elif isinstance(error, HTTPStatusError) and len(hosts) == 1:  # it answers
            self._hosts.pop(hosts.pop(), None)

    def _asked(self, error: DownloadError) -> float:
        if not isinstance(error, HTTPStatusError) or error.status not in _OVERLOADED:
            return 0.0
        return min(_MOST, retry_after(error.retry_after, self._now()) or 0.0)

    def answered(self, wanted: Wanted, url: str) -> None:
        """Note that the host of *url* answers."""
        if self._hosts:
            self._hosts.pop(origin_of(url), None)
        self._artifacts.pop(wanted.key, None)


def _hosts(wanted: Wanted) -> set[Origin]:
    return {origin_of(source.url) for source in wanted.sources}


def _is_of_host(error: DownloadError) -> bool:
    if isinstance(error, HTTPStatusError):
        return error.status in _OVERLOADED
    report = getattr(error, "report", None)
    return isinstance(error, _SILENT) and (report is None or report.status is None)


def _note(notes: dict[K, tuple[float, PulpError]], key: K, value: tuple[float, PulpError]) -> None:
    if len(notes) >= _MANY:
        notes.clear()
    notes[key] = value
