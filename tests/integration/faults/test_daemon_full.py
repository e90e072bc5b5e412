"""Rows 59 and 60 for the daemon: a disk that is full while it downloads, of bytes or of files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field
from pytest_twisted import ensureDeferred
from twisted.internet.task import deferLater

from tests.integration.cold_site import Got
from tests.integration.faults.ledger import finals, temporaries
from tests.integration.faults.program import CLI, Program, Start
from tests.integration.faults.rights import MOUNT, tmpfs
from tests.servers.client import Socket
from tests.servers.corpus import Corpus, CorpusFile
from tests.servers.fixtures import StartNginx
from tests.servers.reactor import IReactor

SETTINGS = """
[ssrf]
allow = ["127.0.0.0/8"]
[limits]
reserve = 0
"""
_COUNT = 100
_PATIENCE = 90.0


@define(eq=False)
class Tight:
    """A daemon on a disk of its own, which the test can see, and fill."""

    _reactor: IReactor
    _program: Program
    _disk: Path
    _files: list[CorpusFile]
    _port: int = field(init=False, default=0)
    _token: str = field(init=False, default="")
    statuses: list[int] = field(init=False, factory=list)
    refused: int = field(init=False, default=0)

    @property
    def disk(self) -> Path:
        """The disk, as the daemon sees it."""
        return Path(f"/proc/{self._program.popen.pid}/root{self._disk}")

    @property
    def downloads(self) -> Path:
        """Where files appear."""
        return self.disk / "data" / "downloads"

    async def ready(self) -> None:
        """Wait for it."""
        await self._program.until(lambda: "ready" in self._program.said)
        port = re.search(r"serving at http://127\.0\.0\.1:(\d+)/", self._program.said)
        token = re.search(r"API token: ([\w-]+)", self._program.said)
        assert port is not None
        assert token is not None
        self._port, self._token = int(port[1]), token[1]

    async def ask(self, path: str, document: Any = None, key: str = "") -> Any:
        """Ask the API; it answers, and says nothing but that it is done, or that there is no room."""
        client = await Socket.to(self._reactor, self._port)
        body = b"" if document is None else json.dumps(document).encode()
        lines = [
            f"{'GET' if document is None else 'POST'} /api/v1{path} HTTP/1.1",
            "Host: 127.0.0.1",
            "Connection: close",
            f"Authorization: Bearer {self._token}",
            f"Content-Length: {len(body)}",
            *([] if document is None else ["Content-Type: application/json", f"Idempotency-Key: {key}"]),
        ]
        client.transport.write("\r\n".join([*lines, "", ""]).encode() + body)
        got = Got.of(await client.heard_all())
        self.statuses.append(got.status)
        assert got.status in ((200,) if document is None else (202, 507)), (path, got, self._program.said)
        return json.loads(got.body)

    async def hand_in(self, key: str, files: list[CorpusFile], url: str) -> str:
        """Hand in downloads, again and again while there is no room; return the job's id."""
        items = [{"url": f"{url}/{each.name}", "path": f"{key}/{each.name}"} for each in files]
        for item, each in zip(items, files, strict=True):
            item |= {"digests": {"sha256": each.sha256}}
        while True:
            answer = await self.ask("/downloads", {"items": items}, key)
            if self.statuses[-1] == 202:
                return str(answer["id"])
            self.refused += 1
            await deferLater(self._reactor, 0.5)

    async def until(self, condition: Callable[[], Any], seconds: float = _PATIENCE) -> None:
        """Wait until what *condition* awaits holds; meanwhile only whole files show."""
        deadline = self._reactor.seconds() + seconds
        while not await condition():
            assert self._reactor.seconds() < deadline, self._program.said
            self.look()
            await deferLater(self._reactor, 0.2)

    def look(self) -> int:
        """Look at the files that show, and return how many they are."""
        sizes = {each.name: each.size for each in self._files}
        found = list(finals(self.downloads))
        for path in found:
            assert sizes[path.name] == path.stat().st_size
        return len(found)


def fill_bytes(directory: Path) -> None:
    """Leave no byte."""
    with (directory / "filler").open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


def fill_files(directory: Path) -> None:
    """Leave no file to be made."""
    filler = directory / "filler"
    filler.mkdir()
    try:
        for number in range(100_000):
            (filler / str(number)).touch()
    except OSError:
        return
    raise AssertionError("any number of files can be made")


def free(directory: Path) -> None:
    """Take away what was filled."""
    filler = directory / "filler"
    if filler.is_dir():
        for path in filler.iterdir():
            path.unlink()
        filler.rmdir()
    else:
        filler.unlink()


@tmpfs
@pytest.mark.limit(400)
@pytest.mark.leaves_partials
@pytest.mark.parametrize(
    ("options", "fill"),
    [
        pytest.param("size=64m", fill_bytes, id="row-59"),
        pytest.param("size=64m,nr_inodes=3000", fill_files, id="row-60"),
    ],
)
@ensureDeferred
async def test_row_59_and_60_full(
    reactor: IReactor,
    tmp_path: Path,
    start: Start,
    start_nginx: StartNginx,
    options: str,
    fill: Callable[[Path], None],
) -> None:
    """Rows 59 and 60: on a full disk the API answers and nothing else is begun; with room all completes by itself."""
    disk = tmp_path / "disk"
    for each in (disk, tmp_path / "site"):
        each.mkdir()
    (tmp_path / "settings.toml").write_text(SETTINGS)
    files = Corpus(tmp_path / "site").files([150_000, 300_000, 300_000, 400_000] * (_COUNT // 4))
    site = await start_nginx(tmp_path / "site", lines=("limit_rate 300k;",))
    command = "--data", disk / "data", "serve", "--quiet", "--config", tmp_path / "settings.toml"
    before = ("unshare", "-rm", "sh", "-c", MOUNT, "sh", options, str(disk))
    program = start(CLI, *command, "--listen", "tcp:0:interface=127.0.0.1", before=before)
    tight = Tight(reactor, program, disk, files)
    await tight.ready()
    jobs = [await tight.hand_in("one", files[:50], site.url(""))]

    async def some() -> bool:
        return tight.look() >= 5

    async def paused() -> bool:
        return "storage" in (await tight.ask("/status"))["degraded"]

    async def completed() -> bool:
        states = [(await tight.ask(f"/jobs/{job}"))["state"] for job in jobs]
        assert set(states) <= {"waiting", "running", "completed"}
        return {"completed"} == set(states)

    await tight.until(some)
    fill(tight.disk)
    await tight.until(paused)
    assert "nothing is begun" in program.said
    there = tight.look()
    answer = await tight.ask("/downloads", {"items": [{"url": site.url("/file-0")}]}, "none")
    assert ("urn:pulpdownloader:storage_full", 507) == (answer["type"], tight.statuses[-1])
    for _ in range(10):
        assert not await completed()
        await deferLater(reactor, 0.2)
    assert there == tight.look()
    free(tight.disk)
    jobs.append(await tight.hand_in("two", files[50:], site.url("")))
    await tight.until(completed)
    assert _COUNT == tight.look()
    assert [] == list(temporaries(tight.downloads))
    assert {} == (await tight.ask("/status"))["degraded"]
    assert 0 < tight.statuses.count(507)
