"""The dashboard of a whole daemon: its jobs are real, and its settings hold for forms too."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from urllib.parse import urlencode

import pytest
from pytest_twisted import ensureDeferred

from tests.integration.cold_site import Got
from tests.integration.daemon import Daemon
from tests.integration.process import Start
from tests.servers.client import Socket
from tests.servers.reactor import IReactor
from tests.servers.scripted import Scripted, ok

STATE = re.compile(rb"</h1><span[^>]*>(\w+)</span>").search


class Visitor:
    """Somebody with a browser."""

    def __init__(self, daemon: Daemon, reactor: IReactor, port: int) -> None:
        self._daemon, self._reactor, self._port = daemon, reactor, port
        self.cookie = self.csrf = ""

    async def get(self, path: str) -> Got:
        """Ask for a page."""
        got = await self._daemon.get(self._port, path, f"Cookie: {self.cookie}")
        found = re.search(rb'name="csrf" value="([^"]+)"', got.body)
        self.csrf = found[1].decode() if found else self.csrf
        return got

    async def post(self, path: str, **form: str) -> Got:
        """Send a form."""
        client = await Socket.to(self._reactor, self._port)
        body = urlencode({"csrf": self.csrf, **form}).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: {self.cookie}\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        client.send(head.encode() + body)
        return Got.of(await client.heard_all())


@pytest.mark.limit(120)
@ensureDeferred
async def test_daemon(start_command: Start, reactor: IReactor, tmp_path: Path, scripted: Scripted) -> None:
    """Who logs in with the first token hands in a file, sees it arrive, and is refused what the settings forbid."""
    scripted.on(b"/one.bin", [ok(b"some bytes")])
    daemon = Daemon(start_command, reactor, tmp_path / "data")
    config = tmp_path / "settings.toml"
    config.write_text(f'[ssrf]\nallow = ["127.0.0.1/32"]\nports = [{scripted.port}]\n')
    port = await daemon.start("--config", config)
    visitor = Visitor(daemon, reactor, port)
    assert daemon.token is not None
    answer = await visitor.post("/login", token=daemon.token)
    assert 303 == answer.status
    visitor.cookie = answer.headers["set-cookie"].partition(";")[0]
    for path in ("/", "/jobs", "/repositories", "/remotes", "/distributions", "/errors", "/settings", "/submit"):
        assert (path, 200) == (path, (await visitor.get(path)).status)

    answer = await visitor.post("/submit", urls="http://10.0.0.1/secret")
    assert 422 == answer.status
    answer = await visitor.post("/submit", urls=scripted.url("/one.bin"), key="k")
    assert 303 == answer.status
    job = answer.headers["location"]
    again = await visitor.post("/submit", urls=scripted.url("/one.bin"), key="k")
    assert job == again.headers["location"]
    while (state := STATE((page := await visitor.get(job)).body)) is None or state[1] != b"completed":
        assert state is not None
        assert state[1] in (b"waiting", b"running"), page.body
    assert b"<b>one.bin</b>" in page.body
    assert (tmp_path / "data" / "downloads" / "one.bin").exists()

    text = (await daemon.get(port, "/metrics")).body.decode()
    assert 'pulpdownloader_downloads_total{result="completed"} 1.0' in text
    assert 'pulpdownloader_jobs{state="completed"} 1.0' in text
    assert 'pulpdownloader_jobs_ended_total{kind="download",state="completed"} 1.0' in text
    assert 'face="dashboard",method="POST",status="303"' in text
    assert daemon.token not in text
    assert visitor.cookie.partition("=")[2] not in text + daemon.process.out.partition("ready")[2]
    assert daemon.token not in json.dumps(daemon.process.out.partition("ready")[2])
    assert 0 == await daemon.end(signal.SIGTERM)
