"""Requests, jobs and downloads become spans, where somebody wants them."""

from __future__ import annotations

import sys
from contextvars import copy_context
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry import context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from tests.unit.live.asking import Asking
from twisted_pulp.download import Attempt, DownloadReport, Source
from twisted_pulp.errors import Cancelled, NotFound, PulpError
from twisted_pulp.jobs import Unfinished
from twisted_pulp.live._tracing import Tracing, wanted_tracing

URL = "https://me:S3CR3T@h.test/file?sig=S3CR3T"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


class Told:
    """What a tracer was told."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracing = Tracing(provider.get_tracer("test"))

    @property
    def spans(self) -> Any:
        """The spans that have ended."""
        return self._exporter.get_finished_spans()

    @property
    def span(self) -> Any:
        """The only one."""
        (span,) = self.spans
        return span


def told(error: PulpError | None, *tries: PulpError | None) -> Any:
    """Return the span of a download."""
    told = Told()
    attempts = tuple(Attempt(Source(URL), 1.5, 404, 10, each) for each in tries)
    report = DownloadReport(url=URL, attempts=attempts, error=error, started=1.0, finished=3.0, status=404, size=5)
    told.tracing.note(report)
    assert "S3CR3T" not in told.span.to_json()
    return told.span


def test_failure() -> None:
    """A span says when it was, what was asked for, each try, and why it failed; it holds no secrets."""
    error = NotFound(URL, 404)
    span = told(error, error)
    assert ("download", 1_000_000_000, 3_000_000_000) == (span.name, span.start_time, span.end_time)
    assert ("not_found", 404, "h.test", 1) == tuple(
        span.attributes[each] for each in ("error.type", "http.response.status_code", "server.address", "pulp.attempts")
    )
    (event,) = span.events
    shown = "https://h.test/file?sig=***"
    assert {"url.full": shown, "pulp.bytes": 10, "error.type": "not_found"} == dict(event.attributes)
    assert ("attempt", 1_500_000_000) == (event.name, event.timestamp)
    assert (StatusCode.ERROR, "404 Not Found") == (span.status.status_code, span.status.description)


@pytest.mark.parametrize("error", [None, Cancelled(URL)])
def test_no_failure(error: PulpError | None) -> None:
    """A success, and what was cancelled, are no failures."""
    assert StatusCode.UNSET is told(error, None).status.status_code


def asked(path: bytes = b"/api/v1/jobs", status: int = 200, leave: bool = False, **headers: str) -> Told:
    """Return what is told of a request, during which a download ends."""
    told = Told()

    def answer(request: Any) -> None:
        request.path, request.identity = path, "7"

        def process() -> None:
            told.tracing.request(request)
            told.tracing.note(DownloadReport(url=URL, started=1.0, finished=2.0))
            request.setResponseCode(status)
            if path.startswith(b"/api"):
                request.route = "/api/v1/<thing>"
            if not leave:
                request.write(b"12345")
                request.finish()

        copy_context().run(process)

    asking = Asking(answer)
    asking.ask(**headers)
    if leave:
        asking.leave()
    assert {} == context.get_current()
    return told


def test_request() -> None:
    """A request belongs to the trace that it names, and what is done for it belongs to it."""
    download, request = asked(traceparent=TRACEPARENT, tracestate="a=b").spans
    assert ("download", "GET /api/v1/<thing>", SpanKind.SERVER) == (download.name, request.name, request.kind)
    assert (TRACE, PARENT) == (format_trace_id(request.context.trace_id), format_span_id(request.parent.span_id))
    assert (request.context.span_id, request.context.trace_id) == (download.parent.span_id, download.context.trace_id)
    assert ("GET", "/api/v1/jobs", "http", 200, 5, "7", "/api/v1/<thing>") == tuple(
        request.attributes[each]
        for each in (
            "http.request.method",
            "url.path",
            "url.scheme",
            "http.response.status_code",
            "http.response.body.size",
            "pulp.request",
            "http.route",
        )
    )
    assert StatusCode.UNSET is request.status.status_code


@pytest.mark.parametrize("traceparent", ["", "nonsense", f"00-{'0' * 32}-{PARENT}-01", f"{TRACEPARENT}\t, x"])
def test_request_of_no_trace(traceparent: str) -> None:
    """A request that names no trace, or nonsense, begins one."""
    request = asked(b"/content/a", traceparent=traceparent).spans[-1]
    assert request.parent is None
    assert "GET content" == request.name


@pytest.mark.parametrize("path", [b"/metrics", b"/", b"/jobs/1"])
def test_request_elsewhere(path: bytes) -> None:
    """Requests of the dashboard and for metrics are no spans."""
    assert ["download"] == [each.name for each in asked(path).spans]


def test_request_that_fails() -> None:
    """An answer that says that the server has failed is an error; so is a client that leaves, but not of ours."""
    request = asked(status=503).spans[-1]
    assert (StatusCode.ERROR, "503") == (request.status.status_code, request.attributes["error.type"])
    request = asked(status=404).spans[-1]
    assert StatusCode.UNSET is request.status.status_code
    request = asked(leave=True).spans[-1]
    assert (StatusCode.UNSET, "client_left") == (request.status.status_code, request.attributes["error.type"])
    assert "http.response.status_code" not in request.attributes


class Task:
    """What a job is done by."""

    def __init__(self, payload: Any = None) -> None:
        self.job = SimpleNamespace(
            uid="u1", kind="sync", attempts=2, remote="up", payload=payload or {}, total=None, done=3, failed=1, bytes=9
        )

    def seen(self, job: Any) -> Any:
        """Return the job as it is."""
        return job


def done(end: Any, payload: Any = None) -> Any:
    """Return the span of a job whose run gives *end*, an error or a result."""
    told, d = Told(), Deferred[Any]()

    def run(_: Any) -> Deferred[Any]:
        told.tracing.note(DownloadReport(url=URL, started=1.0, finished=2.0))
        return d

    results: list[Any] = []
    copy_context().run(told.tracing.job, Task(payload), run).addBoth(results.append)
    d.callback(Failure(end) if isinstance(end, BaseException) else end)
    assert [end] == [getattr(each, "value", each) for each in results]
    download, job = told.spans
    assert (job.context.span_id, "S3CR3T" in job.to_json()) == (download.parent.span_id, False)
    return job


def test_job() -> None:
    """A job is a span with its figures, and what is done for it belongs to it."""
    span = done({"present": 3})
    assert ("job sync", SpanKind.CONSUMER, None, ()) == (span.name, span.kind, span.parent, tuple(span.links))
    assert {"id": "u1", "kind": "sync", "attempt": 2, "done": 3, "failed": 1, "bytes": 9} == {
        name.removeprefix("pulp.job."): value for name, value in span.attributes.items() if name.startswith("pulp.job.")
    }
    assert StatusCode.UNSET is span.status.status_code


@pytest.mark.parametrize(
    ("error", "words"), [(NotFound(URL, 404), "404 Not Found"), (ValueError("S3CR3T"), None), (PulpError("no"), "no")]
)
def test_job_that_fails(error: Exception, words: str | None) -> None:
    """Why a job failed is told; of errors that are not ours, the kind alone."""
    span = done(error)
    assert (StatusCode.ERROR, words) == (span.status.status_code, span.status.description)


@pytest.mark.parametrize("error", [Unfinished(), CancelledError()])
def test_job_that_goes_on_later(error: Exception) -> None:
    """A run that was broken off has not failed."""
    assert StatusCode.UNSET is done(error).status.status_code


def test_job_that_cannot_begin() -> None:
    """The span of a job that raises at once ends."""
    told = Told()

    def run(_: Any) -> Any:
        raise PulpError("unknown")

    with pytest.raises(PulpError):
        copy_context().run(told.tracing.job, Task(), run)
    assert StatusCode.ERROR is told.span.status.status_code


def test_link() -> None:
    """A job is linked to the request that has handed it in."""
    told, carried = Told(), list[Any]()

    def handed_in(request: Any) -> None:
        request.path = b"/api/v1/syncs"

        def process() -> None:
            told.tracing.request(request)
            carried.append(told.tracing.carried())
            request.finish()

        copy_context().run(process)

    Asking(handed_in).ask()
    (link,) = done(None, {"repository": "r", **carried[0]}).links
    assert told.span.context.span_id == link.context.span_id
    assert {} == told.tracing.carried()


@pytest.mark.parametrize("trace", ["x", {}, {"traceparent": "x"}, {"traceparent": 7}])
def test_no_link(trace: Any) -> None:
    """A payload with nonsense is no reason for a job to fail."""
    assert () == tuple(done(None, {"trace": trace}).links)


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_TRACES_EXPORTER": ""}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4317"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_wanted(environment: dict[str, str], wanted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans are told when OpenTelemetry is set up, and installed."""
    assert wanted is (wanted_tracing(environment) is not None)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    assert None is wanted_tracing(environment)
