"""Tests for `tests.servers.nginx`, which serves as it should."""

from __future__ import annotations

import os
import signal

import pytest
from pytest_twisted import ensureDeferred

from tests.servers.client import Connect
from tests.servers.corpus import Corpus
from tests.servers.fixtures import StartNginx
from tests.servers.nginx import Nginx
from tests.servers.tls import Authority


@ensureDeferred
async def test_serves(nginx: Nginx, corpus: Corpus, connect: Connect) -> None:
    """Files of the corpus are served whole and in ranges, and the log tells."""
    file = corpus.file("sub/file", 10_000)
    client = await connect(nginx)
    client.get("/sub/file")
    assert file.body == await client.answer()
    client.get("/sub/file", "Range: bytes=5-9")
    assert file.body[5:10] == await client.answer()
    assert ["GET /sub/file 200 10000 -", "GET /sub/file 206 5 bytes=5-9"] == nginx.log()


@ensureDeferred
async def test_options(start_nginx: StartNginx, corpus: Corpus, connect: Connect, tls: Authority) -> None:
    """It can speak TLS, ignore ranges and take more configuration."""
    file = corpus.file("file", 100)
    lines = ["add_header X-Test yes always;"]
    server = await start_nginx(corpus.root, tls=tls.files(), ranges=False, lines=lines)
    assert server.url("/file") == f"https://127.0.0.1:{server.port}/file"
    client = await connect(server)
    client.secure(tls.ca_file.read_bytes())
    client.get("/file", "Range: bytes=5-9")
    await client.heard(1)
    assert b"\r\nX-Test: yes\r\n" in client.received
    assert file.body == await client.answer()


@ensureDeferred
async def test_stops(start_nginx: StartNginx, corpus: Corpus) -> None:
    """When it is stopped, the master and its workers are gone."""
    server = await start_nginx(corpus.root, workers=2)
    master = int((server.prefix / "nginx.pid").read_text())
    await server.stop(signal.SIGQUIT)
    with pytest.raises(ProcessLookupError):
        os.killpg(master, 0)


@ensureDeferred
async def test_wrong_configuration(start_nginx: StartNginx, corpus: Corpus) -> None:
    """When it does not start, the reason is told."""
    with pytest.raises(RuntimeError, match="no_such_thing"):
        await start_nginx(corpus.root, lines=["no_such_thing;"])
