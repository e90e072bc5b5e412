"""What was counted, as Prometheus knows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from twisted_pulp.live._histogram import Histogram
from twisted_pulp.live._metrics import Metrics

__all__ = ["counted"]

PREFIX = "pulpdownloader_"


def counted(metrics: Metrics) -> Iterator[Any]:
    """Give the families of everything that *metrics* counts."""
    from prometheus_client.core import CounterMetricFamily

    def counter(name: str, words: str, value: float) -> Any:
        return CounterMetricFamily(PREFIX + name, words, value=value)

    def counters(name: str, words: str, labels: tuple[str, ...], values: Mapping[Any, float]) -> Any:
        family = CounterMetricFamily(PREFIX + name, words, labels=labels)
        for key, value in list(values.items()):
            family.add_metric([str(part) for part in (key if isinstance(key, tuple) else (key,))], value)
        return family

    yield counters("downloads", "Downloads that ended, by what became of them.", ("result",), metrics.downloads)
    yield counter("download_attempts", "Tries of sources.", metrics.attempts)
    yield counter("download_bytes", "Bytes of bodies that came, those of failed tries too.", metrics.received)
    yield counters("download_errors", "Failed tries, by the kind of their error.", ("kind",), metrics.errors)
    durations = {(): metrics.durations}
    yield histograms("download_duration_seconds", "How long downloads took that were not present.", (), durations)
    labels = "face", "method", "status"
    yield counters("http_requests", "Requests that were answered.", labels, metrics.requests)
    yield counters("http_response_bytes", "Bytes of answers, without their heads.", ("face",), metrics.sent)
    words = "From the end of a request's head to the end of its answer."
    yield histograms("http_request_duration_seconds", words, ("face",), metrics.latencies)
    yield counters("content_cache", "Answers with content, by what the cache did.", ("result",), metrics.caching)
    yield counters("jobs_ended", "Jobs that ended, by kind and state.", ("kind", "state"), metrics.jobs)
    yield histograms("job_duration_seconds", "How long jobs took.", ("kind",), metrics.job_durations)


def histograms(name: str, words: str, labels: tuple[str, ...], values: Mapping[Any, Histogram]) -> Any:
    """Return a family of histograms by their labels."""
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(PREFIX + name, words, labels=labels)
    for key, value in list(values.items()):
        family.add_metric(list(key if isinstance(key, tuple) else (key,)), list(value.buckets()), value.sum)
    return family
