"""Row 73 for the daemon: jobs that are cancelled, paused, resumed and tried again at any moment."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import define, field
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from tests.integration.daemon import Daemon
from tests.integration.faults.ledger import ENDED, finals
from tests.integration.process import Start
from tests.servers.corpus import Corpus, CorpusFile
from tests.servers.fixtures import StartNginx
from tests.servers.reactor import IReactor
from twisted_pulp.client import Client, ServerError
from twisted_pulp.context import Context
from twisted_pulp.documents import Digests, Job, NewDownload, NewDownloads

SETTINGS = """
[ssrf]
allow = ["127.0.0.0/8"]
[limits]
reserve = 0
"""
_STORIES = (
    ("cancel",),
    ("cancel", "retry"),
    ("cancel", "retry", "cancel"),
    ("pause", "resume"),
    ("pause", "cancel"),
    ("pause", "resume", "pause", "resume", "cancel", "retry"),
)
_AGAIN = "resume", "retry"


@define(eq=False)
class User:
    """Somebody who cannot make up their mind."""

    _reactor: IReactor
    _rng: random.Random
    _client: Client
    _files: list[CorpusFile]
    _url: str
    longest: float = field(init=False, default=0.0)

    async def hand_in(self, name: str) -> Job:
        """Hand in a job, of files at paths of its own."""
        wanted = [
            NewDownload(url=f"{self._url}/{each.name}", path=f"{name}/{each.name}", digests=Digests(sha256=each.sha256))
            for each in self._files
        ]
        return await self._client.jobs.download(NewDownloads(items=wanted))

    async def story(self, name: str) -> str:
        """Hand in a job, do with it what nobody would, and return the state that it ends in."""
        uid = (await self.hand_in(name)).id
        verbs = self._rng.choice(_STORIES)
        for verb in verbs:
            await deferLater(self._reactor, self._rng.choice([0.0, self._rng.uniform(0, 0.3), self._rng.uniform(0, 2)]))
            began = self._reactor.seconds()
            try:
                job = await getattr(self._client.jobs, verb)(uid)
            except ServerError as error:
                if error.status != 409:  # it has ended meanwhile
                    raise
                job = await self._client.jobs.get(uid)
                assert "completed" == job.state
            self.longest = max(self.longest, self._reactor.seconds() - began)
        while (job := await self._client.jobs.get(uid)).state not in ENDED:
            await deferLater(self._reactor, 0.1)
        assert job.state in ("completed", "cancelled" if verbs[-1] == "cancel" else "completed")
        items = [item async for item in self._client.jobs.items(uid)]
        assert job.done == sum(item.state == "completed" for item in items)
        assert {item.state for item in items} <= {"completed", job.state}
        return str(job.state)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="what a process has is looked up as Linux shows it")
@pytest.mark.limit(1000)
@pytest.mark.leaves_partials
@ensureDeferred
async def test_row_73_jobs(
    reactor: IReactor,
    tmp_path: Path,
    start_command: Start,
    start_nginx: StartNginx,
    context: Context,
    rng: random.Random,
    campaign_count: Callable[[int, int], int],
    request: pytest.FixtureRequest,
) -> None:
    """Row 73: whenever jobs are broken off, each ends once, as it was told to, and gives everything back."""
    count = campaign_count(48, 1_000)
    (tmp_path / "site").mkdir()
    (tmp_path / "settings.toml").write_text(SETTINGS)
    files = Corpus(tmp_path / "site").files([1, 1_000, 100_000, 300_000, 1_000_000])
    sizes = {each.name: each.size for each in files}
    site = await start_nginx(tmp_path / "site", lines=("limit_rate 2m;",))
    client = Client(context, f"unix:{tmp_path}/socket")
    daemon = Daemon(start_command, reactor, tmp_path / "data")
    await daemon.start("--quiet", "--config", tmp_path / "settings.toml", listen=(f"unix:{tmp_path}/socket",))
    user = User(reactor, rng, client, files, site.url(""))
    await client.jobs.ended((await user.hand_in("first")).id)
    descriptors = f"/proc/{daemon.process.popen.pid}/fd"
    before = len(os.listdir(descriptors))
    states: list[str] = []

    async def some(numbers: range) -> None:
        for number in numbers:
            state = await user.story(str(number))
            states.append(state)

    await gatherResults([Deferred.fromCoroutine(some(range(each, count, 8))) for each in range(8)], consumeErrors=True)
    request.node.add_report_section("call", "figures", f"{states}; answered in {user.longest:.2f} s at most")
    assert count == len(states)
    # What they had taken is free again: the same paths can be written.
    for number in range(0, count, 5):
        await client.jobs.ended((await user.hand_in(str(number))).id)
    for path in finals(daemon.data / "downloads"):
        assert sizes[path.name] == path.stat().st_size
    # Idle connections of ours and of the database; one that stayed of each transfer broken off would be far more.
    assert len(os.listdir(descriptors)) <= before + 24
    assert 0 == await daemon.end(signal.SIGTERM)
    for word in ("Traceback", "Unhandled", "warning", "error:"):
        assert word not in daemon.process.out, daemon.process.out
