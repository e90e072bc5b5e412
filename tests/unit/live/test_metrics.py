"""What is counted is told as Prometheus wants it, and holds nothing that is secret."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as families
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from tests.leaks import LoggedErrors
from tests.unit.live.asking import Asking
from twisted_pulp.download import Attempt, Download, DownloadReport, Source
from twisted_pulp.errors import (
    BrokerUnavailable,
    Cancelled,
    DNSError,
    HTTPStatusError,
    NotFound,
    PulpError,
    TLSError,
    Truncated,
)
from twisted_pulp.http import ConnectionPool
from twisted_pulp.jobs import Depth, Node
from twisted_pulp.live import Feed, Health, Metrics, MetricsResource, Running
from twisted_pulp.live._gauges import HOSTS, allowed, by_host
from twisted_pulp.live._histogram import Histogram
from twisted_pulp.live._metrics import kind_of
from twisted_pulp.transfer import Traffic

URL = "http://host.test/S3CR3T?token=S3CR3T"


@define
class Catalog:
    """A catalog with three files."""

    asked: int = 0
    error: Exception | None = None

    def read(self, work: Any) -> Deferred[tuple[int, int]]:
        self.asked += 1
        return succeed((3, 3000)) if self.error is None else fail(self.error)


@define
class Jobs:
    """Jobs that can be counted."""

    counts: Callable[[], Deferred[dict[str, int]]] = lambda: succeed({"waiting": 3, "running": 1})
    broker: Any = None

    @property
    def quota(self) -> Any:
        return self

    def ready(self) -> Deferred[int]:
        return succeed(2)


@define(eq=False)
class Broker:
    """A broker that many processes share."""

    connected: bool = True
    lost: bool = False
    shared = True
    in_flight, confirmed, refused = 1, 7, 2

    @property
    def confirms(self) -> Any:
        return self

    def depth(self) -> Deferred[Depth]:
        return fail(BrokerUnavailable("lost")) if self.lost else succeed(Depth(ready=3, held=2, dead=1))


def test_broker() -> None:
    """A broker that is shared tells its messages, as long as it can be asked."""
    broker = Broker()
    found = told(running(jobs=Jobs(broker=broker)))
    messages = {state: found["broker_messages", state] for state in ("ready", "held", "dead")}
    assert ({"ready": 3, "held": 2, "dead": 1}, 1) == (messages, found["broker_connected",])
    assert (7, 2) == (found["broker_published_total", "confirmed"], found["broker_published_total", "refused"])
    broker.lost, broker.connected = True, False
    found = told(running(jobs=Jobs(broker=broker)))
    assert (0, True) == (found["broker_connected",], ("broker_messages", "ready") not in found)


FIGURES = {"ready": 1, "jobs": 2, "slots": 4, "downloads": 3, "bytes_per_second": 1e6, "connections": 5, "memory": 1e8}


@define
class Group:
    """Two nodes, one of which is dead and was of another version."""

    error: Exception | None = None

    def all(self) -> Deferred[list[Node]]:
        given: dict[str, Any] = {"host": "h", "pid": 7, "version": "1", "urls": (), "started": 0, "seen": 0}
        one = Node(name="one", roles=("api", "worker"), figures=FIGURES, alive=True, **given)
        two = Node(name="two", roles=("worker",), figures={"jobs": 1, "other": 1}, alive=False, **given)
        return succeed([one, two]) if self.error is None else fail(self.error)


@define
class Data:
    """A data directory."""

    path: str
    catalog: Any = field(factory=Catalog)


@define
class Context:
    """What all downloads share."""

    pool: ConnectionPool = field(factory=lambda: ConnectionPool(Clock()))
    traffic: Traffic = field(factory=lambda: Traffic(Clock().seconds))


def running(**parts: Any) -> Running:
    """Return the parts of a daemon."""
    given: dict[str, Any] = {
        "reactor": Clock(),
        "settings": None,
        "data": Data("/"),
        "context": Context(),
        "jobs": Jobs(),
        "feed": Feed(),
        "metrics": Metrics(),
        "health": Health(),
        "version": "1.2.3",
        "started": 100.0,
    }
    return Running(**given | parts)


def told(parts: Running) -> dict[tuple[str, ...], float]:
    """Return every sample of the page: its name and labels, without those of the process."""
    client = Asking(MetricsResource(parts))
    client.ask()
    assert "200 OK" in client.head
    text = client.body
    client.leave()
    return {
        (sample.name.removeprefix("pulpdownloader_"), *sample.labels.values()): sample.value
        for family in families(text)
        for sample in family.samples
    }


def report(error: PulpError | None = None, *tries: PulpError | None, seconds: float = 2, **fields: Any) -> Any:
    """Return the report of a download with such *tries*, each of 10 bytes."""
    attempts = tuple(Attempt(Source(URL), 0.0, 200, 10, each) for each in tries)
    times = {"started": 1000.0, "finished": 1000.0 + seconds}
    return DownloadReport(url=URL, error=error, attempts=attempts, download=Download(URL), **times, **fields)


def test_downloads() -> None:
    """Downloads are counted by what became of them, their tries by what went wrong, their bytes all."""
    parts = running()
    lost = Truncated(URL, 1, 2)
    for one in (
        report(None, None),
        report(None, lost, None),
        report(None, present=True),
        report(lost, lost, lost),
        report(Cancelled(URL)),
        report(NotFound(URL, 404)),
    ):
        parts.metrics.observe_download(one)
    found = told(parts)
    results = {key[1]: value for key, value in found.items() if key[0] == "downloads_total"}
    assert {"completed": 2, "present": 1, "failed": 2, "cancelled": 1} == results
    assert 50 == found["download_bytes_total",]
    assert 5 == found["download_attempts_total",]
    errors = {key[1]: value for key, value in found.items() if key[0] == "download_errors_total"}
    assert {"truncated": 3, "cancelled": 1, "not_found": 1} == errors
    assert 5 == found["download_duration_seconds_count",]
    assert 10 == found["download_duration_seconds_sum",]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (HTTPStatusError(URL, 500), "http_status_error"),
        (NotFound(URL, 404), "not_found"),
        (DNSError(URL), "dns_error"),
        (TLSError(URL), "tls_error"),
        (ValueError(), "value_error"),
    ],
)
def test_kinds(error: Exception, kind: str) -> None:
    """The kind of an error is a word that says what it is."""
    assert kind == kind_of(error)


def test_many_kinds() -> None:
    """However many kinds of errors there are, so many are told apart."""
    metrics = Metrics()
    for number in range(1000):
        metrics._failed(type(f"Error{number}", (Exception,), {})())
    assert 201 == len(metrics.errors)
    assert 800 == metrics.errors["other"]


def test_requests() -> None:
    """Requests are counted by face, method and status, and their times noted."""
    parts = running()
    parts.metrics.observe_request("content", "GET", 200, 0.02, sent=100, cache="hit")
    parts.metrics.observe_request("content", "GET", 200, 4, sent=50, cache="miss")
    parts.metrics.observe_request("api", "S3CR3T", 400, 0.001)
    found = told(parts)
    assert 2 == found["http_requests_total", "content", "GET", "200"]
    assert 1 == found["http_requests_total", "api", "other", "400"]
    assert 150 == found["http_response_bytes_total", "content"]
    assert 1 == found["content_cache_total", "hit"]
    assert 0 == found["http_request_duration_seconds_bucket", "content", "0.01"]
    assert 1 == found["http_request_duration_seconds_bucket", "content", "0.025"]
    assert 2 == found["http_request_duration_seconds_bucket", "content", "+Inf"]
    assert 4.02 == found["http_request_duration_seconds_sum", "content"]


def test_jobs() -> None:
    """Jobs are counted by state, and those that end by kind and state."""
    parts = running()
    parts.metrics.observe_job("sync", "completed", 12)
    parts.metrics.observe_job("sync", "failed", 1)
    found = told(parts)
    assert 3 == found["jobs", "waiting"]
    assert 1 == found["jobs_ended_total", "sync", "failed"]
    assert 13 == found["job_duration_seconds_sum", "sync"]


def test_state() -> None:
    """What the parts of the daemon are doing is told."""
    parts = running()
    parts.health.ready = True
    parts.health.degrade("storage", "the disk is full")
    parts.feed.subscribe(lambda event: None)
    found = told(parts)
    assert 1 == found["ready",]
    assert 1 == found["degraded", "storage"]
    assert 1 == found["event_listeners",]
    assert 1 == found["build_info", "1.2.3"]
    assert 100 == found["start_time_seconds",]
    assert 100 == found["connections_limit",]
    assert 0 == found["connections", "busy"]
    assert 0 < found["storage_free_bytes",] <= found["storage_size_bytes",]
    assert found["process_resident_memory_bytes",] > 1 << 20


def test_uncounted(logged_errors: LoggedErrors) -> None:
    """When the jobs cannot be counted or the disk not be asked, everything else is told all the same."""
    jobs = Jobs(counts=lambda: fail(RuntimeError("locked")))
    data = Data("/no/such/place", Catalog(error=RuntimeError("locked, too")))
    found = told(running(jobs=jobs, data=data))
    assert 0 == found["ready",]
    assert [] == [key for key in found if key[0] == "jobs" or key[0].startswith("storage")]
    assert 2 == len(logged_errors.flush(RuntimeError))


def test_stored() -> None:
    """What is stored is counted once a minute at most."""
    parts, values = running(), []
    resource = MetricsResource(parts)
    for _ in range(3):
        client = Asking(resource)
        client.ask()
        values.append("pulpdownloader_storage_bytes 3000.0" in client.body)
        client.leave()
        parts.reactor.advance(59)
    assert [True] * 3 == values
    assert 2 == parts.data.catalog.asked


def test_broken(logged_errors: LoggedErrors) -> None:
    """A mistake is answered 500, without a word of it."""
    parts = running()
    parts.context = None
    client = Asking(MetricsResource(parts))
    client.ask()
    assert "500" in client.head.splitlines()[0]
    assert "NoneType" not in client.body
    assert 1 == len(logged_errors.flush(AttributeError))
    client.leave()


def test_left() -> None:
    """Nothing is written to a client that has left meanwhile."""
    waiting: Deferred[dict[str, int]] = Deferred()
    client = Asking(MetricsResource(running(jobs=Jobs(counts=lambda: waiting))))
    client.ask()
    client.leave()
    waiting.callback({})
    assert b"" == client.transport.value()


def test_openmetrics() -> None:
    """Who accepts OpenMetrics gets that."""
    parts = running()
    parts.metrics.observe_download(report(None, None))
    client = Asking(MetricsResource(parts))
    client.ask(Accept="application/openmetrics-text; version=1.0.0")
    assert "application/openmetrics-text" in client.head
    found = {family.name for family in open_families(client.body)}
    assert {"pulpdownloader_downloads", "pulpdownloader_host_connections"} <= found
    client.leave()


def test_hosts() -> None:
    """Connections are told by host, for so many hosts at most."""
    pool = ConnectionPool(Clock())
    for number in range(HOSTS + 10):
        lane = pool._lane(("http", f"h{number}"), type("Endpoint", (), {"host_key": (f"h{number}", 80)})())
        for _ in range(number + 1):
            lane.host.opened()
    found = by_host(pool)
    assert HOSTS + 1 == len(found)
    assert HOSTS + 10 == found[f"h{HOSTS + 9}:80"]
    assert sum(range(1, 11)) == found["other"]


def test_no_secrets() -> None:
    """No label holds a URL, whatever was counted."""
    parts = running()
    parts.metrics.observe_download(report(NotFound(URL, 404), HTTPStatusError(URL, 500), NotFound(URL, 404)))
    parts.metrics.observe_request("content", "S3CR3T", 200, 0)
    assert [] == [key for key in told(parts) if any("S3CR3T" in part for part in key)]


def test_histogram() -> None:
    """A bound counts everything up to itself; a clock that was set back counts as no time at all."""
    histogram = Histogram()
    for seconds in (-5, 0, 0.005, 0.006, 1e9):
        histogram.observe(seconds)
    found = dict(histogram.buckets())
    assert (3, 4, 4, 5) == tuple(found[bound] for bound in ("0.005", "0.01", "7200.0", "+Inf"))
    assert 5 == histogram.count
    assert pytest.approx(0.011 + 1e9) == histogram.sum


@define(eq=False)
class Transfer:
    """A transfer that has got something."""

    received: int


def test_watched() -> None:
    """Downloads of the context count as they end; bytes of those under way count as they come, and never go back."""
    context = Context()
    parts, one = running(context=context), Transfer(7)
    context.traffic.begin(one)
    found = told(parts)
    assert (7, 1) == (found["download_bytes_total",], found["downloads_running",])
    context.traffic.end(one, report(None, None))
    found = told(parts)
    assert (10, 0) == (found["download_bytes_total",], found["downloads_running",])
    context.traffic.begin(one)
    told(parts)
    context.traffic.end(one, report(Cancelled(URL)))
    assert 17 == told(parts)["download_bytes_total",]


def test_failing_listener(logged_errors: LoggedErrors) -> None:
    """Who fails to count a download keeps none from ending."""

    def fail(report: DownloadReport) -> None:
        raise RuntimeError("a mistake")

    context, metrics, one = Context(), Metrics(), Transfer(1)
    metrics.watch(context, fail)
    context.traffic.begin(one)
    context.traffic.end(one, report(None, None))
    assert 1 == metrics.downloads["completed"]
    assert 1 == len(logged_errors.flush(RuntimeError))


DOCS = Path(__file__).parents[3] / "docs"


def test_documented() -> None:
    """Every metric is described, with its labels, and no other; the alerts and Grafana's dashboard use only those."""
    parts = running(streamer=Streamer(), nodes=Group(), jobs=Jobs(broker=Broker()))
    client = Asking(MetricsResource(parts))
    client.ask()
    names = {
        f"{name}_total" if kind == "counter" and not name.endswith("_total") else name
        for name, kind in re.findall(r"# TYPE (pulpdownloader_\w+) (\w+)", client.body)
        if not name.endswith("_created")
    }
    client.leave()
    text = (DOCS / "monitoring.md").read_text()
    assert names == set(re.findall(r"`(pulpdownloader_\w+)`", text))
    for each in ("alerts.yml", "grafana.json"):
        used = set(re.findall(r"pulpdownloader_\w+", (DOCS / "monitoring" / each).read_text()))
        assert {name.removesuffix("_bucket") for name in used} <= names
        assert used


@define
class Flights:
    """Transfers for clients."""

    count: int = 0
    readers: int = 0


@define
class Streamer:
    """What serves content."""

    flights: Flights = field(factory=Flights)


def test_allowed() -> None:
    """What hosts bear is told of those that bear less, the lowest first, of so many hosts at most."""
    pool = ConnectionPool(Clock())
    for number in range(HOSTS + 10):
        pool.paces.remember((f"h{number}", 80), 7 if number < 10 else 3, 0.0)
    found = allowed(pool)
    assert (HOSTS, {3}) == (len(found), set(found.values()))


def test_nodes(logged_errors: LoggedErrors) -> None:
    """What each node said of itself is told; where nobody can be asked the rest is told all the same."""
    client = Asking(MetricsResource(running(nodes=Group())))
    client.ask()
    lines = client.body.splitlines()
    assert 'pulpdownloader_node_info{host="h",node="one",roles="api worker",version="1"} 1.0' in lines
    assert ["1.0", "0.0"] == [line.split()[1] for line in lines if line.startswith("pulpdownloader_node_alive{")]
    assert ["2.0", "1.0"] == [line.split()[1] for line in lines if line.startswith("pulpdownloader_node_jobs{")]
    assert "pulpdownloader_queue_jobs 2.0" in lines
    client.leave()
    client = Asking(MetricsResource(running(nodes=Group(RuntimeError("away")))))
    client.ask()
    assert "pulpdownloader_queue_jobs 2.0" in client.body
    assert "pulpdownloader_node_info" not in client.body
    client.leave()
    assert 1 == len(logged_errors.flush(RuntimeError))
