"""Downloads become spans, where somebody wants them."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from twisted_pulp.download import Attempt, DownloadReport, Source
from twisted_pulp.errors import Cancelled, NotFound, PulpError
from twisted_pulp.live._tracing import Spans, wanted_spans

URL = "https://me:S3CR3T@h.test/file?sig=S3CR3T"


class Tracer:
    """A tracer that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def start_span(self, name: str, **given: Any) -> Any:
        self.told.append((name, given))
        return SimpleNamespace(
            add_event=lambda *event, **given: self.told.append((*event, given)),
            set_status=lambda *status: self.told.append(status),
            end=lambda **given: self.told.append(given),
        )


def told(error: PulpError | None, *tries: PulpError | None) -> list[Any]:
    """Return what a tracer is told of a download."""
    tracer = Tracer()
    attempts = tuple(Attempt(Source(URL), 1.5, 404, 10, each) for each in tries)
    report = DownloadReport(url=URL, attempts=attempts, error=error, started=1.0, finished=3.0, status=404, size=5)
    Spans(tracer, "ERROR").note(report)
    assert "S3CR3T" not in str(tracer.told)
    return tracer.told


def test_failure() -> None:
    """A span says when it was, what was asked for, each try, and why it failed; it holds no secrets."""
    error = NotFound(URL, 404)
    (name, given), event, status, end = told(error, error)
    assert ("download", 1_000_000_000, {"end_time": 3_000_000_000}) == (name, given["start_time"], end)
    assert ("not_found", 404, "h.test", 1) == tuple(
        given["attributes"][each]
        for each in ("error.type", "http.response.status_code", "server.address", "pulp.attempts")
    )
    shown = "https://h.test/file?sig=***"
    assert ("attempt", {"url.full": shown, "pulp.bytes": 10, "error.type": "not_found"}) == event[:2]
    assert {"timestamp": 1_500_000_000} == event[2]
    assert ("ERROR", "404 Not Found") == status


@pytest.mark.parametrize("error", [None, Cancelled(URL)])
def test_no_failure(error: PulpError | None) -> None:
    """A success, and what was cancelled, are no failures."""
    assert "ERROR" not in str(told(error, None))


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
    fake: Any = ModuleType("opentelemetry")
    fake.trace = SimpleNamespace(get_tracer=lambda name: Tracer(), StatusCode=SimpleNamespace(ERROR=2))
    monkeypatch.setitem(sys.modules, "opentelemetry", fake)
    assert wanted is (len(wanted_spans(environment)) == 1)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    assert () == wanted_spans(environment)
