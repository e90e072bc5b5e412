"""Row 91: very many small downloads through one daemon, which must be after them what it was before."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import define, field
from pytest_twisted import ensureDeferred
from twisted.internet.task import deferLater

from tests.integration.faults.program import Program, Start
from tests.servers.corpus import Corpus, CorpusFile
from tests.servers.fixtures import StartNginx
from tests.servers.reactor import IReactor
from twisted_pulp.client import Client
from twisted_pulp.context import Context
from twisted_pulp.documents import Digests, NewDownload, NewDownloads

# The command line, which says how many objects there are whenever it is asked to.
_COUNTING = """
import gc, signal, sys

def count(*_):
    gc.collect()
    print("objects", len(gc.get_objects()), file=sys.stderr, flush=True)

signal.signal(signal.SIGUSR1, count)
from twisted_pulp.cli import main
sys.argv[0] = "pulpdownloader"
sys.exit(main())
"""
# What is kept of events is kept on purpose, up to a number: so few that they are there before it is measured.
SETTINGS = """
[ssrf]
allow = ["127.0.0.0/8"]
[limits]
reserve = 0
[retention]
events = 50
"""
_BATCH = 100
#: It is looked at after each part. With so many downloads, the first half fills the pages that the catalog keeps.
_PARTS, _MANY = 4, 200_000


@define
class Sample:
    """What a process has: bytes of memory, descriptors, and objects that are looked at for garbage."""

    memory: int
    descriptors: int
    objects: int


@define(eq=False)
class Soaked:
    """A daemon that downloads."""

    _reactor: IReactor
    _program: Program
    _client: Client
    _files: list[CorpusFile]
    _url: str
    _jobs: int = field(init=False, default=0)

    async def download(self, count: int) -> None:
        """Have *count* files downloaded, each to a path of its own; two jobs at once."""
        for _ in range(0, count, 2 * _BATCH):
            jobs = [await self._client.jobs.download(self._job()) for _ in range(2)]
            for job in jobs:
                ended = await self._client.jobs.ended(job.id)
                assert (_BATCH, 0) == (ended.done, ended.failed)

    def _job(self) -> NewDownloads:
        self._jobs += 1
        return NewDownloads(
            items=[
                NewDownload(
                    url=f"{self._url}/{each.name}",
                    path=f"{self._jobs}/{each.name}",
                    size=each.size,
                    digests=Digests(sha256=each.sha256),
                )
                for each in self._files
            ]
        )

    async def sampled(self) -> Sample:
        """Return what it has when it rests."""
        await deferLater(self._reactor, 1.0)
        pid, said = self._program.popen.pid, len(self._counts())
        self._program.send(signal.SIGUSR1)
        await self._program.until(lambda: len(self._counts()) > said)
        resident = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        assert resident is not None
        return Sample(int(resident[1]) << 10, len(os.listdir(f"/proc/{pid}/fd")), self._counts()[-1])

    def _counts(self) -> list[int]:
        return [int(found) for found in re.findall(r"^objects (\d+)$", self._program.err.read_text(), re.MULTILINE)]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="what a process has is looked up as Linux shows it")
@pytest.mark.limit(3000)
@ensureDeferred
async def test_row_91_soak(
    reactor: IReactor,
    tmp_path: Path,
    start: Start,
    start_nginx: StartNginx,
    context: Context,
    campaign_count: Callable[[int, int], int],
    request: pytest.FixtureRequest,
) -> None:
    """Row 91: after very many small downloads a daemon has no more memory, descriptors and objects than before."""
    count = campaign_count(2_000, 20_000)
    (tmp_path / "site").mkdir()
    (tmp_path / "settings.toml").write_text(SETTINGS)
    files = Corpus(tmp_path / "site").files(range(1, 2 * _BATCH, 2))
    site = await start_nginx(tmp_path / "site")
    socket = f"unix:{tmp_path}/socket"
    command = "--data", tmp_path / "data", "serve", "--quiet", "--config", tmp_path / "settings.toml"
    program = start(_COUNTING, *command, "--listen", socket)
    await program.until(lambda: "ready" in program.said)
    soaked = Soaked(reactor, program, Client(context, socket), files, site.url(""))
    await soaked.download(1_000)  # threads, pools, caches and pages of the catalog are filled
    samples, began = [await soaked.sampled()], reactor.seconds()
    for _ in range(_PARTS):
        await soaked.download(count // _PARTS)
        samples.append(await soaked.sampled())
    seconds = reactor.seconds() - began
    request.node.add_report_section("call", "figures", f"{count} in {seconds:.1f} s: {samples}")
    program.send(signal.SIGTERM)
    assert 0 == await program.ended(), program.said
    before, middle, after = samples[0], samples[_PARTS // 2], samples[-1]
    # One object that stays of each download would be twice what is allowed.
    assert after.objects - before.objects <= 500 + count // 4
    assert after.descriptors - before.descriptors <= 8
    # The connections to the catalog keep 32 MiB of pages in all, in which a download has about 450 bytes; beside that
    # there may be a slope of 1 MiB for 100,000: when the pages are there, of nothing else.
    assert after.memory - before.memory <= min((4 << 20) + 512 * count, (34 << 20) + (count << 20) // 100_000)
    if count >= _MANY:
        assert after.memory - middle.memory <= (2 << 20) + (count // 2 << 20) // 100_000
        assert after.objects - middle.objects <= 500
