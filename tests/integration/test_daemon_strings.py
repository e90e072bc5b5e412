"""What anybody may send to a daemon, and what it shows of that: in its answers, pages, events and logs."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from attrs import define, field
from pytest_twisted import ensureDeferred
from twisted.internet.task import deferLater

from tests.integration.cold_site import Got
from tests.integration.daemon import Daemon
from tests.integration.hostile_strings import KINDS
from tests.integration.process import Start
from tests.servers.client import Socket
from tests.servers.reactor import IReactor
from tests.servers.scripted import Request, Scripted, Steps, status

#: What no line for a person and no answer may hold as it is.
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d |  ")  # what belongs to a traceback is indented
#: Of the tags that do something, those that are not ours.
FOREIGN = re.compile(r"""<script(?! src="/static/)|\son\w+=|<img(?! src="/static/)|<svg""")
FORGED = "2026-01-01 00:00:00 API token"


@define(eq=False)
class Sender:
    """Somebody who sends whatever there is to send."""

    daemon: Daemon
    reactor: IReactor
    port: int
    answers: list[Got] = field(factory=list)

    async def send(
        self, method: str, target: bytes, body: Any = None, kind: str = "application/json", **headers: bytes
    ) -> Got:
        """Send a request, and return what is answered."""
        client = await Socket.to(self.reactor, self.port)
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"{method} ".encode() + target + b" HTTP/1.1", b"Connection: close"]
        lines += [f"Authorization: Bearer {self.daemon.token}".encode(), b"Content-Length: %d" % len(content)]
        lines += [b"Content-Type: " + kind.encode()] if body is not None else []
        given = {"Host": b"h", **headers}
        lines += [name.replace("_", "-").encode() + b": " + value for name, value in given.items()]
        client.send(b"\r\n".join([*lines, b"", b""]) + content)
        got = Got.of(await client.heard_all())
        await client.leave()
        self.answers.append(got)
        return got

    async def post(self, path: str, document: Any) -> Got:
        """Send a document."""
        return await self.send("POST", f"/api/v1{path}".encode(), document)


async def sent_everywhere(sender: Sender, text: str, upstream: str) -> None:
    """Send *text* wherever anything can be sent; little of it is accepted."""
    raw, name = text.encode("utf-8", "surrogatepass"), quote(text.encode("utf-8", "surrogatepass"), safe="")
    one_line = raw.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"")
    for url in (f"{upstream}/{name}", f"{upstream}/x?{name}={text}", f"http://{text}.test/", text):
        await sender.post("/downloads", {"items": [{"url": url, "path": f"d/{text}"}]})
        await sender.post("/downloads", {"items": [{"url": url}]})
    settings = {"password": text, "headers": {"X": text}}
    await sender.post("/remotes", {"name": text, "url": f"{upstream}/{text}", "settings": settings})
    await sender.post("/repositories", {"name": text, "remote": text, "type": text})
    await sender.post("/distributions", {"name": text, "base_path": text, "remote": text})
    await sender.post("/schedules", {"name": text, "every": text, "kind": text, "repository": text})
    await sender.post("/tokens", {"name": text, "scope": text})
    await sender.post("/tokens", {"name": f"t{name}", "scope": "read"})
    await sender.post("/syncs", {"repository": text, "remote": text, text: text})
    await sender.send("POST", b"/api/v1/downloads", raw)
    await sender.send("POST", b"/api/v1/downloads", raw + b"\n", "application/jsonl")
    target = one_line.replace(b" ", b"+")
    for path in (b"/api/v1/jobs/%b", b"/api/v1/jobs?state=%b", b"/content/%b", b"/jobs/%b", b"/%b", b"/live?last=%b"):
        await sender.send("GET", path % name.encode())
        await sender.send("GET", path % target)
    names = "Host", "User_Agent", "Referer", "Cookie", "If_None_Match", "Idempotency_Key", "Accept", "traceparent"
    for header in names:
        await sender.send("GET", b"/api/v1/jobs", **{header: one_line})
    await sender.send("POST", b"/login", b"token=" + name.encode(), "application/x-www-form-urlencoded")


def check(got: Got) -> None:
    """Look at an answer: it does nothing but say something."""
    kind = got.headers.get("content-type", "").partition(";")[0]
    assert got.status < 500 or got.status == 503, got
    assert not {"set-cookie", "x-forged"} & got.headers.keys(), got
    text = got.body.decode("utf-8")
    assert not UNSEEN.search(text), got
    if not got.body:
        return
    assert "nosniff" == got.headers.get("x-content-type-options"), got
    if kind.endswith("json"):
        json.loads(text)
    elif kind == "text/html":
        assert "default-src" in got.headers["content-security-policy"], got
        assert not FOREIGN.search(text), got
    else:
        assert kind == "text/plain", got


def refused(request: Request) -> Steps:
    """Refuse it with words that are not meant for people."""
    words = b"no <script>alert(1)</script> \x1b[31m \x9b2J " + FORGED.encode()
    return status(404, [(b"X-Why", b"\x1b]0;x\x07")], b"\x1b[31m", words)


@pytest.mark.limit(240)
@ensureDeferred
async def test_strings(start_command: Start, reactor: IReactor, tmp_path: Path, scripted: Scripted) -> None:
    """Whatever is sent, answers hold no control characters, pages no tags of others, and logs no lines of others."""
    scripted.default = refused
    config = tmp_path / "settings.toml"
    allowed = f'[ssrf]\nallow = ["127.0.0.1/32"]\nports = [{scripted.port}]\n[log]\nlevel = "debug"\n'
    config.write_text(allowed)
    daemon = Daemon(start_command, reactor, tmp_path / "data")
    port = await daemon.start("--config", config)
    sender = Sender(daemon, reactor, port)
    kinds = list(KINDS.values())
    for text in kinds[::2]:
        await sent_everywhere(sender, text, f"http://127.0.0.1:{scripted.port}")
    lines = len(daemon.process.lines)
    config.write_text(f'{allowed}format = "json"\n')
    daemon.process.send(signal.SIGHUP)
    await daemon.process.until(lambda: any(line.startswith("{") for line in daemon.process.lines[lines:]))
    for text in kinds[1::2]:
        await sent_everywhere(sender, text, f"http://127.0.0.1:{scripted.port}")
    jobs = await ended(daemon, reactor, port)
    assert jobs
    paths = [f"jobs/{job['id']}/items" for job in jobs]
    paths += ["jobs?limit=1000", "remotes", "repositories", "distributions", "schedules", "tokens", "settings"]
    found = [await sender.send("GET", f"/api/v1/{path}".encode()) for path in paths]
    assert {200} == {got.status for got in found}
    for got in sender.answers:
        check(got)
    assert {200, 202, 400, 401, 404, 422} <= {got.status for got in sender.answers}
    events = await listened(sender)
    assert all(re.match("id: |event: |data: |retry: |: |$", line) for line in events.split("\n"))
    assert not UNSEEN.search(events)
    metrics = await sender.send("GET", b"/metrics")
    assert not UNSEEN.search(metrics.body.decode())
    assert "alert" not in metrics.body.decode()
    assert 0 == await daemon.end(signal.SIGTERM)
    log = daemon.process.lines
    first = next(at for at, line in enumerate(log) if line.startswith("{"))
    assert 20 < first < len(log) - 20
    assert [] == [line for line in log if UNSEEN.search(line)]
    assert [] == [line for line in log[:first] if not LINE.match(line) or line.startswith(FORGED)]
    assert [] == [line for line in log[first:] if {"time", "level", "message"} - json.loads(line).keys()]
    assert not UNSEEN.search(daemon.process.err)


async def ended(daemon: Daemon, reactor: IReactor, port: int) -> list[Any]:
    """Return all jobs, once none of them runs."""
    deadline = reactor.seconds() + 60
    while True:
        jobs: list[Any] = (await daemon.document(port, "/api/v1/jobs?limit=1000"))["items"]
        if all(job["state"] in ("failed", "completed", "cancelled") for job in jobs):
            return jobs
        assert reactor.seconds() < deadline, jobs
        await deferLater(reactor, 0.1)


async def listened(sender: Sender) -> str:
    """Return the events that there were so far."""
    last = (await sender.daemon.document(sender.port, "/api/v1/status"))["last"]
    epoch, _, _ = last.rpartition("-")
    client = await Socket.to(sender.reactor, sender.port)
    head = f"GET /api/v1/events?last={epoch}-0 HTTP/1.0\r\nAuthorization: Bearer {sender.daemon.token}\r\n\r\n"
    client.send(head.encode())
    while f"id: {last}\n".encode() not in client.received:
        await client.heard(len(client.received) + 1)
    text = bytes(client.received).decode()
    await client.leave()
    return text.partition("\r\n\r\n")[2]
