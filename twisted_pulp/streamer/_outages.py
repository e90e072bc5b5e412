"""Upstreams that do not answer are left alone for a while."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from attrs import frozen

from twisted_pulp.errors import (
    ConnectError,
    ConnectionLost,
    DownloadTimeout,
    HTTPStatusError,
    PulpError,
    RetryLater,
)
from twisted_pulp.streamer._recent import Recent

__all__ = ["Outages", "excusable"]

# Seconds: as long as the circuit of a host is open, and the longest wait that a server may ask for.
_PAUSE, _LONGEST = 30.0, 300.0
_MANY = 1000
_BUSY = frozenset({429, 502, 503, 504, 522, 524})


def excusable(error: BaseException) -> bool:
    """Return whether *error* leaves open what the upstream has: it has not answered, or not as it should."""
    if isinstance(error, HTTPStatusError):
        return error.retryable or error.status >= 500
    return isinstance(error, PulpError)


@frozen
class _Outage:
    until: float
    error: PulpError


class Outages:
    """
    Remember which hosts do not answer, so that clients need not wait for each of them anew.

    :param seconds: a clock that never jumps.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._outages: Recent[Hashable, _Outage] = Recent(_MANY)

    def of(self, host: Hashable) -> PulpError | None:
        """Return why *host* is not to be asked now, or None."""
        outage = self._outages.peek(host)
        return None if outage is None or self._seconds() >= outage.until else outage.error

    def failed(self, host: Hashable, error: PulpError) -> None:
        """Note that *host* has failed with *error*, where that is about more than one file."""
        asked = _asked(error)
        if asked is not None:
            pause = max(_PAUSE, min(asked, _LONGEST))
            self._outages.put(host, _Outage(self._seconds() + pause, error))

    def succeeded(self, host: Hashable) -> None:
        """Note that *host* has answered."""
        self._outages.drop(host)


def _asked(error: PulpError) -> float | None:
    """Return for how long the host wants to be left alone; None where *error* says nothing about it."""
    if isinstance(error, RetryLater):
        return error.seconds
    if isinstance(error, HTTPStatusError):
        if error.status not in _BUSY:
            return None
        told = error.retry_after or ""
        return float(told[:9]) if told.isascii() and told.isdigit() else 0.0
    return 0.0 if isinstance(error, ConnectError | ConnectionLost | DownloadTimeout) else None
