"""
What is counted.

Counting is adding to plain numbers, since it happens for every file; what Prometheus wants to see is made of them when
it asks. Labels are words of ours, or hosts, of which a bounded number is told; never URLs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

from twisted_pulp.download import DownloadReport
from twisted_pulp.errors import Cancelled
from twisted_pulp.live._histogram import Histogram

__all__ = ["METHODS", "Metrics", "kind_of"]

RESULTS = "completed", "present", "failed", "cancelled"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_WORD = re.compile("(?<=[a-z0-9])(?=[A-Z])")
#: Kinds of errors that are told apart; there are fewer, unless other people's schemes have very many.
_MANY = 200


class Metrics:
    """
    Count what happens. What is, is looked up when somebody asks.

    :ivar downloads: by what became of them: "completed", "present", "failed", "cancelled".
    :ivar errors: failed tries by the kind of their error, as "not_found".
    :ivar attempts: tries of sources.
    :ivar bytes: of bodies that came for downloads that have ended, those of failed tries too.
    :ivar elsewhere: those of them that came to processes of whom this one counts what they do.
    :ivar durations: of downloads that were not present.
    :ivar requests: that were answered, by face, method and status.
    :ivar sent: bytes of answers by face.
    :ivar latencies: of requests, by face.
    :ivar caching: answers with content by what the cache did: "hit", "miss", "stale", ...
    :ivar jobs: that ended, by kind and state.
    :ivar job_durations: by kind.
    """

    _log = Logger()

    def __init__(self) -> None:
        self.downloads: Counter[str] = Counter(dict.fromkeys(RESULTS, 0))  # a rate of what begins at 1 is lost
        self.errors: Counter[str] = Counter()
        self.attempts = self.bytes = self.elsewhere = 0
        self.durations = Histogram()
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self.sent: Counter[str] = Counter()
        self.latencies: dict[str, Histogram] = {}
        self.caching: Counter[str] = Counter()
        self.jobs: Counter[tuple[str, str]] = Counter()
        self.job_durations: dict[str, Histogram] = {}
        self._traffic: Any = ()
        self._told = 0

    def watch(self, context: Any, *others: Callable[[DownloadReport], object]) -> None:
        """Count what the downloads of *context* do from now on, and tell *others* of each that has ended, too."""

        def ended(report: DownloadReport) -> None:
            try:
                self.observe_download(report)
                for other in others:
                    other(report)
            except Exception:  # no reason for a download to fail
                self._log.failure("a download that has ended was not counted")

        self._traffic = context.traffic
        context.traffic.ended = ended

    @property
    def running(self) -> int:
        """Downloads under way."""
        return len(self._traffic)

    @property
    def received(self) -> int:
        """Bytes of bodies that came, those of downloads under way too; never less than before."""
        return self.own + self.elsewhere

    @property
    def own(self) -> int:
        """As `received`, of those that came to this process."""
        ended = self.bytes - self.elsewhere
        self._told = max(self._told, ended + sum(transfer.received for transfer in self._traffic))
        return self._told

    def observe_download(self, report: DownloadReport) -> None:
        """Count a download that has ended."""
        error = report.error
        if error is None:
            self.downloads["present" if report.present else "completed"] += 1
        else:
            self.downloads["cancelled" if isinstance(error, Cancelled) else "failed"] += 1
            if not report.attempts:
                self._failed(error)
        for attempt in report.attempts:
            self.attempts += 1
            self.bytes += attempt.bytes
            if attempt.error is not None:
                self._failed(attempt.error)
        if not report.present:
            self.durations.observe(report.finished - report.started)

    def _failed(self, error: BaseException) -> None:
        kind = kind_of(error)
        self.errors[kind if kind in self.errors or len(self.errors) < _MANY else "other"] += 1

    def observe_request(
        self, face: str, method: str, status: int, seconds: float | None, *, sent: int = 0, cache: str | None = None
    ) -> None:
        """
        Count a request that was answered.

        :param face: who answered: "api", "dashboard", "content" or "metrics".
        :param seconds: from the end of its head to the end of the answer; None: that says nothing.
        :param sent: bytes of the answer's body.
        :param cache: what the cache did, for content.
        """
        self.requests[face, method if method in METHODS else "other", status] += 1
        self.sent[face] += sent
        if seconds is not None:
            latency = self.latencies.get(face)
            if latency is None:
                latency = self.latencies[face] = Histogram()
            latency.observe(seconds)
        if cache is not None:
            self.caching[cache] += 1

    def observe_job(self, kind: str, state: str, seconds: float) -> None:
        """Count a job that has ended in *state*, *seconds* after it began."""
        self.jobs[kind, state] += 1
        if kind not in self.job_durations:
            self.job_durations[kind] = Histogram()
        self.job_durations[kind].observe(seconds)


def kind_of(error: Any) -> str:
    """Return the kind of *error* as a word: "http_status_error" for an HTTPStatusError."""
    name = type(error).__name__.replace("HTTP", "Http").replace("DNS", "Dns").replace("TLS", "Tls")
    return _WORD.sub("_", name).lower()
