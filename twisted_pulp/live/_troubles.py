"""What went wrong of late with downloads, and with whom."""

from __future__ import annotations

from collections import deque

from attrs import frozen

from twisted_pulp.download import DownloadReport
from twisted_pulp.errors import Cancelled, DownloadError, PulpError, SettingsError, shown
from twisted_pulp.live._metrics import kind_of
from twisted_pulp.urls import origin_of

__all__ = ["Trouble", "Troubles"]

#: Failed tries that are remembered, and hosts whose last one is.
_MANY, _HOSTS = 200, 1000
_LONGEST = 500


@frozen
class Trouble:
    """
    A try that failed.

    :ivar when: in seconds since the epoch.
    :ivar host: that was asked, with its port where that is not the usual one.
    :ivar url: without secrets.
    :ivar kind: of the error, as a word.
    :ivar reason: for people.
    :ivar final: whether the download failed with it; else another try was made.
    """

    when: float
    host: str
    url: str
    kind: str
    reason: str
    final: bool


class Troubles:
    """
    Remember failed tries of late.

    :ivar recent: the newest last.
    """

    def __init__(self) -> None:
        self.recent: deque[Trouble] = deque(maxlen=_MANY)
        self._hosts: dict[str, Trouble] = {}

    def __repr__(self) -> str:
        return f"<Troubles {len(self.recent)} of late, with {len(self._hosts)} hosts>"

    def note(self, report: DownloadReport) -> None:
        """Remember what failed in *report*."""
        for attempt in report.attempts:
            if attempt.error is not None:
                self._add(report, attempt.source.url, attempt.error)
        if report.error is not None and not report.attempts:
            self._add(report, report.url, report.error)

    def _add(self, report: DownloadReport, url: str, error: PulpError) -> None:
        if isinstance(error, Cancelled):
            return
        reason = error.reason if isinstance(error, DownloadError) else str(error)
        host, final = host_of(url), error is report.error
        made = Trouble(report.finished, host, shown(url)[:_LONGEST], kind_of(error), reason[:_LONGEST], final)
        self.recent.append(made)
        if len(self._hosts) >= _HOSTS:
            self._hosts.clear()
        self._hosts[host] = made

    def with_host(self, url: str) -> Trouble | None:
        """Return what went wrong last with the host of *url*, or None."""
        return self._hosts.get(host_of(url))


def host_of(url: str) -> str:
    """Return the host of *url*, with its port where that is not the usual one; "" where it has none."""
    try:
        scheme, host, port = origin_of(url)
    except SettingsError:
        return ""
    return host if port in (0, {"http": 80, "https": 443}.get(scheme, 21)) else f"{host}:{port}"
