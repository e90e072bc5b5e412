"""What a whole daemon tells OpenTelemetry."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import ensureDeferred

from tests.forked import ROOT
from tests.integration.daemon import Daemon
from tests.integration.process import Start
from tests.servers.client import Socket
from tests.servers.reactor import IReactor
from tests.servers.scripted import Scripted, ok

#: As OpenTelemetry's own command does it, before the program begins.
SETUP = """
import os
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
provider = TracerProvider(shutdown_on_exit=False)
out = open(os.environ["SPANS"], "a", buffering=1)
exporter = ConsoleSpanExporter(out=out, formatter=lambda span: span.to_json(indent=None) + "\\n")
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
"""
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.limit(120)
@pytest.mark.parametrize("lines", [False, True], ids=["document", "lines"])
@ensureDeferred
async def test_daemon(start_command: Start, reactor: IReactor, tmp_path: Path, scripted: Scripted, lines: bool) -> None:
    """A request joins its client's trace; the job that it hands in is linked to it, and has downloads of its own."""
    scripted.on(b"/one.bin", [ok(b"some bytes")])
    (tmp_path / "setup").mkdir()
    (tmp_path / "setup" / "sitecustomize.py").write_text(SETUP)
    config, spans = tmp_path / "settings.toml", tmp_path / "spans"
    config.write_text(f'[ssrf]\nallow = ["127.0.0.1/32"]\nports = [{scripted.port}]\n')
    daemon = Daemon(start_command, reactor, tmp_path / "data")
    path = f"{tmp_path / 'setup'}:{ROOT}"
    environ = {"PYTHONPATH": path, "OTEL_TRACES_EXPORTER": "console", "SPANS": str(spans)}
    port = await daemon.start("--config", config, environ=environ)
    one = {"url": f"http://127.0.0.1:{scripted.port}/one.bin"}
    kind, document = ("application/jsonl", one) if lines else ("application/json", {"items": [one]})
    job = await handed_in(daemon, reactor, port, kind, json.dumps(document).encode() + b"\n")
    await daemon.until(port, f"/api/v1/jobs/{job}", "completed")
    assert 0 == await daemon.end(signal.SIGTERM)
    found = [json.loads(line) for line in spans.read_text().splitlines()]
    (post,) = [each for each in found if each["name"] == "POST /api/v1/downloads"]
    (run,) = [each for each in found if each["name"] == "job download"]
    (download,) = [each for each in found if each["name"] == "download"]
    assert (f"0x{TRACE}", f"0x{PARENT}", 202) == (
        post["context"]["trace_id"],
        post["parent_id"],
        post["attributes"]["http.response.status_code"],
    )
    assert [post["context"]["span_id"]] == [each["context"]["span_id"] for each in run["links"]]
    assert (None, run["context"]["span_id"]) == (run["parent_id"], download["parent_id"])
    assert (job, 1, 10) == tuple(run["attributes"][f"pulp.job.{each}"] for each in ("id", "done", "bytes"))
    shown = [each for each in found if each["name"] == "GET /api/v1/jobs/<uid>"]
    assert shown
    assert len({each["context"]["trace_id"] for each in shown}) == len(shown)
    assert post["start_time"] <= run["start_time"] <= download["start_time"] <= download["end_time"] <= run["end_time"]


async def handed_in(daemon: Daemon, reactor: IReactor, port: int, kind: str, body: bytes) -> Any:
    """Hand in *body* as a part of a trace, and return the job's id."""
    head = (
        f"POST /api/v1/downloads HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Bearer {daemon.token}\r\n"
        f"traceparent: 00-{TRACE}-{PARENT}-01\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    client = await Socket.to(reactor, port)
    client.send(head.encode() + body)
    answer = await client.heard_all()
    return json.loads(answer.partition(b"\r\n\r\n")[2])["id"]
