"""curl through a Distribution: whole files, parts of them, and conditions, cold and kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred

from tests.integration.clients.running import Run, asked
from tests.integration.content_site import Content
from tests.servers.corpus import Corpus
from tests.servers.fixtures import StartNginx
from tests.servers.programs import require

SIZE = 3_000_000


@pytest.mark.parametrize("name", ["kept.deb", "cached.bin"])
@pytest.mark.parametrize("span", [None, "0-0", "100000-199999", "2999990-", "-500"])
@ensureDeferred
async def test_ranges(
    start_nginx: StartNginx, content: Content, run: Run, corpus: Corpus, tmp_path: Path, span: str | None, name: str
) -> None:
    """curl gets the same bytes as directly, from a file that is fetched for it and from one that is here."""
    corpus.file(name, SIZE)
    server = await start_nginx(corpus.root, lines=("expires 10m;",))
    await content.distribute("d", remote_id=await content.remote(server.url("/")))
    here = f"http://127.0.0.1:{content.port}/content/d/{name}"
    options = () if span is None else ("-r", span)
    bodies = []
    for number, url in enumerate((server.url(f"/{name}"), here, here)):
        target = tmp_path / f"got{number}"
        ended = await run(require("curl"), "-q", "-fsS", *options, "-o", target, url)
        assert 0 == ended.status, ended.text
        bodies.append(target.read_bytes())
    assert [bodies[0]] * 2 == bodies[1:]
    # One for curl itself, one for all that came through here.
    assert 2 == asked(server)


@ensureDeferred
async def test_conditions(start_nginx: StartNginx, content: Content, run: Run, corpus: Corpus, tmp_path: Path) -> None:
    """curl that has the file asks whether it has changed, by its entity tag and by its date, and is told without it."""
    corpus.file("f.bin", SIZE)
    server = await start_nginx(corpus.root, lines=("expires 10m;",))
    await content.distribute("d", remote_id=await content.remote(server.url("/")))
    here = f"http://127.0.0.1:{content.port}/content/d/f.bin"
    curl = (require("curl"), "-q", "-sS", "-R", "-w", "%{http_code}", "-o")
    tags = ("--etag-save", tmp_path / "tag", "--etag-compare", tmp_path / "tag")
    for expected in ("200", "304"):
        ended = await run(*curl, tmp_path / "got", *tags, here)
        assert (0, expected) == (ended.status, ended.text[-3:])
    assert (corpus.root / "f.bin").read_bytes() == (tmp_path / "got").read_bytes()
    ended = await run(*curl, tmp_path / "again", "-z", tmp_path / "got", here)
    assert (0, "304") == (ended.status, ended.text[-3:])
    assert 1 == asked(server)


@ensureDeferred
async def test_resumes(start_nginx: StartNginx, content: Content, run: Run, corpus: Corpus, tmp_path: Path) -> None:
    """curl goes on with what it has of a file."""
    corpus.file("f.deb", SIZE)
    server = await start_nginx(corpus.root)
    await content.distribute("d", remote_id=await content.remote(server.url("/")))
    body = (corpus.root / "f.deb").read_bytes()
    (tmp_path / "got").write_bytes(body[:1_234_567])
    here = f"http://127.0.0.1:{content.port}/content/d/f.deb"
    ended = await run(require("curl"), "-q", "-fsS", "-C", "-", "-o", tmp_path / "got", here)
    assert 0 == ended.status, ended.text
    assert body == (tmp_path / "got").read_bytes()
