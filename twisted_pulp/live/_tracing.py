"""Downloads as spans of OpenTelemetry, where somebody wants them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from twisted_pulp.download import DownloadReport
from twisted_pulp.errors import Cancelled, DownloadError, shown
from twisted_pulp.live._metrics import kind_of
from twisted_pulp.live._troubles import host_of

__all__ = ["Spans", "wanted_spans"]

_WANTED = "OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"


class Spans:
    """
    Tell a tracer of each download that has ended, with its tries as events of the span.

    :param tracer: of OpenTelemetry.
    :param failed: the status of a span that failed.
    """

    def __init__(self, tracer: Any, failed: object) -> None:
        self._tracer, self._failed = tracer, failed

    def note(self, report: DownloadReport) -> None:
        """Tell of *report*."""
        known = {"url.full": shown(report.url), "server.address": host_of(report.url)}
        about: dict[str, Any] = {**known, "pulp.attempts": len(report.attempts), "pulp.present": report.present}
        if report.status is not None:
            about["http.response.status_code"] = report.status
        if report.size is not None:
            about["http.response.body.size"] = report.size
        error = report.error
        if error is not None:
            about["error.type"] = kind_of(error)
        span = self._tracer.start_span("download", start_time=_nanoseconds(report.started), attributes=about)
        for attempt in report.attempts:
            told: dict[str, Any] = {"url.full": shown(attempt.source.url), "pulp.bytes": attempt.bytes}
            if attempt.error is not None:
                told["error.type"] = kind_of(attempt.error)
            span.add_event("attempt", told, timestamp=_nanoseconds(attempt.started))
        if error is not None and not isinstance(error, Cancelled):
            span.set_status(self._failed, error.reason if isinstance(error, DownloadError) else str(error))
        span.end(end_time=_nanoseconds(report.finished))


def wanted_spans(environment: Mapping[str, str] = os.environ) -> tuple[Callable[[DownloadReport], None], ...]:
    """Return what is to be told of downloads for OpenTelemetry: nothing, unless it is set up and installed."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or not any(environment.get(each) for each in _WANTED):
        return ()
    try:
        from opentelemetry import trace
    except ImportError:
        return ()
    return (Spans(trace.get_tracer("twisted_pulp"), trace.StatusCode.ERROR).note,)


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
