"""Requests, jobs and downloads as spans of OpenTelemetry, where somebody wants them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from twisted_pulp.download import DownloadReport
from twisted_pulp.errors import Cancelled, DownloadError, PulpError, shown
from twisted_pulp.live._metrics import METHODS, kind_of
from twisted_pulp.live._observed import face_of
from twisted_pulp.live._troubles import host_of

__all__ = ["Tracing", "wanted_tracing"]

_WANTED = "OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_TRACED = frozenset({"api", "content"})
#: In the payload of a job: of which trace the request was that handed it in.
_CARRIED = "trace"
_FIGURES = "total", "done", "failed", "bytes"


class Tracing:
    """
    Tell a tracer what is done: of requests, jobs, and downloads, which belong to the request or job they are made for.

    :param tracer: of OpenTelemetry.
    """

    def __init__(self, tracer: Any) -> None:
        from opentelemetry import context, propagate, trace

        from twisted_pulp.jobs import Unfinished

        self._tracer, self._context, self._propagate, self._trace = tracer, context, propagate, trace
        self._no_errors = Unfinished, CancelledError

    # requests
    def request(self, request: Any) -> None:
        """
        Begin the span of *request*, which belongs to the trace that it names; what is begun from now on belongs to it.

        It ends with the request. Only those for the API and for content have one.
        """
        face = face_of(request.path)
        if face not in _TRACED:
            return
        method = request.method.decode("latin-1")
        method = method if method in METHODS else "_OTHER"
        about = {
            "http.request.method": method,
            "url.path": shown(request.path.decode("latin-1")),
            "url.scheme": "https" if request.isSecure() else "http",
            "client.address": getattr(request.getClientAddress(), "host", None) or "unix",
            "pulp.request": getattr(request, "identity", ""),
        }
        around = self._propagate.extract(_fields(request, self._propagate.get_global_textmap().fields))
        span = self._tracer.start_span(
            f"{method} {face}", context=around, kind=self._trace.SpanKind.SERVER, attributes=about
        )
        self._context.attach(self._trace.set_span_in_context(span, around))
        request.notifyFinish().addBoth(self._answered, request, span, method)

    def _answered(self, why: Any, request: Any, span: Any, method: str) -> None:
        route = getattr(request, "route", None)
        if route is not None:
            span.update_name(f"{method} {route}")
            span.set_attribute("http.route", route)
        span.set_attribute("http.response.body.size", request.sentLength)
        if isinstance(why, Failure):
            span.set_attribute("error.type", "client_left")
        else:
            span.set_attribute("http.response.status_code", request.code)
            if request.code >= 500:
                span.set_attribute("error.type", str(request.code))
                span.set_status(self._trace.StatusCode.ERROR)
        span.end()

    # jobs
    def carried(self) -> Mapping[str, Any]:
        """Return what the payload of a job gets, so that its span can be linked to the one it is handed in by."""
        found: dict[str, str] = {}
        self._propagate.inject(found)
        return {_CARRIED: found} if found else {}

    def job(self, task: Any, run: Callable[[Any], Deferred[Any]]) -> Deferred[Any]:
        """Do the job of *task* by *run*, as a span, to which belongs what is begun meanwhile."""
        job, clean = task.job, self._context.Context()
        about = {"pulp.job.id": job.uid, "pulp.job.kind": job.kind, "pulp.job.attempt": job.attempts}
        if job.remote is not None:
            about["pulp.remote"] = job.remote
        # Whoever has woken the worker has nothing to do with it.
        span = self._tracer.start_span(
            f"job {job.kind}",
            context=clean,
            kind=self._trace.SpanKind.CONSUMER,
            links=self._links(job.payload),
            attributes=about,
        )
        self._context.attach(self._trace.set_span_in_context(span, clean))
        try:
            d = run(task)
        except BaseException:
            self._done(Failure(), span, task)
            raise
        return d.addBoth(self._done, span, task)

    def _links(self, payload: Mapping[str, Any]) -> list[Any]:
        carried = payload.get(_CARRIED)
        if not isinstance(carried, dict):
            return []
        words = {name: value for name, value in carried.items() if isinstance(value, str)}
        found = self._propagate.extract(words, self._context.Context())
        of = self._trace.get_current_span(found).get_span_context()
        return [self._trace.Link(of)] if of.is_valid else []

    def _done(self, result: Any, span: Any, task: Any) -> Any:
        seen = task.seen(task.job)
        for name in _FIGURES:
            if (figure := getattr(seen, name)) is not None:
                span.set_attribute(f"pulp.job.{name}", figure)
        if isinstance(result, Failure) and not result.check(*self._no_errors):
            self._failed(span, result.value)
        span.end()
        return result

    def _failed(self, span: Any, error: Any) -> None:
        span.set_attribute("error.type", kind_of(error))
        # Only our own errors are known to hold no secrets.
        span.set_status(self._trace.StatusCode.ERROR, _words(error) if isinstance(error, PulpError) else None)

    # downloads
    def note(self, report: DownloadReport) -> None:
        """Tell of a download that has ended, with its tries as events of the span."""
        known = {"url.full": shown(report.url), "server.address": host_of(report.url)}
        about: dict[str, Any] = {**known, "pulp.attempts": len(report.attempts), "pulp.present": report.present}
        if report.status is not None:
            about["http.response.status_code"] = report.status
        if report.size is not None:
            about["http.response.body.size"] = report.size
        span = self._tracer.start_span("download", start_time=_nanoseconds(report.started), attributes=about)
        for attempt in report.attempts:
            told: dict[str, Any] = {"url.full": shown(attempt.source.url), "pulp.bytes": attempt.bytes}
            if attempt.error is not None:
                told["error.type"] = kind_of(attempt.error)
            span.add_event("attempt", told, timestamp=_nanoseconds(attempt.started))
        error = report.error
        if isinstance(error, Cancelled):
            span.set_attribute("error.type", kind_of(error))
        elif error is not None:
            self._failed(span, error)
        span.end(end_time=_nanoseconds(report.finished))


def wanted_tracing(environment: Mapping[str, str] = os.environ) -> Tracing | None:
    """Return what tells OpenTelemetry what is done: None, unless it is set up and installed."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or not any(environment.get(each) for each in _WANTED):
        return None
    try:
        from opentelemetry import trace
    except ImportError:
        return None
    return Tracing(trace.get_tracer("twisted_pulp"))


def _fields(request: Any, names: Any) -> dict[str, str]:
    """Return the headers of *request* that say of which trace it is."""
    found = {name: request.requestHeaders.getRawHeaders(name) for name in names}
    return {name: ",".join(values) for name, values in found.items() if values}


def _words(error: BaseException) -> str:
    return error.reason if isinstance(error, DownloadError) else str(error)


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
