"""aria2 through a Distribution: one file over sixteen connections."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred

from tests.integration.clients.running import Run, asked
from tests.integration.content_site import Content
from tests.servers.corpus import Corpus
from tests.servers.fixtures import StartNginx
from tests.servers.programs import require

SIZE = 24 << 20


@pytest.mark.parametrize("name", ["f.deb", "f.iso"])
@ensureDeferred
async def test_aria2(
    start_nginx: StartNginx, content: Content, run: Run, corpus: Corpus, tmp_path: Path, name: str
) -> None:
    """Sixteen connections at once get one file from one request upstream, and then from none."""
    corpus.file(name, SIZE)
    body = (corpus.root / name).read_bytes()
    server = await start_nginx(corpus.root, lines=("expires 10m;",))
    await content.distribute("d", remote_id=await content.remote(server.url("/")))
    for to in ("first", "second"):
        ended = await run(
            *(require("aria2c"), "--no-conf", "-x16", "-s16", "-k1M", "--file-allocation=none", "-d", tmp_path / to),
            f"--checksum=sha-256={hashlib.sha256(body).hexdigest()}",
            f"http://127.0.0.1:{content.port}/content/d/{name}",
        )
        assert 0 == ended.status, ended.text
        assert body == (tmp_path / to / name).read_bytes()
        assert 1 == asked(server)
