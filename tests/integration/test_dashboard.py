"""The dashboard in a real browser: nothing of an upstream's runs, and everything can be used."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import Connection
from twisted.internet.defer import maybeDeferred
from twisted.internet.task import LoopingCall
from twisted.internet.utils import getProcessOutputAndValue
from twisted.web.server import Site

from tests.forked import ROOT, environment
from tests.integration.hostile_strings import STRINGS
from tests.servers.programs import require
from tests.servers.reactor import IReactor
from tests.unit.dashboard.jobs import Item, Job
from tests.unit.dashboard.world import World
from twisted_pulp.catalog import contents, distributions, remotes, repositories, versions
from twisted_pulp.catalog.contents import NewContent
from twisted_pulp.download import Attempt, DownloadReport, Source
from twisted_pulp.errors import DownloadError
from twisted_pulp.settings import Remote

PATHS = ["/", "/jobs", "/repositories", "/remotes", "/distributions", "/errors", "/submit", "/settings", "/nothing"]
CHANGES = 0.3


class Served(World):
    """A dashboard at a port."""

    def __init__(self, reactor: IReactor) -> None:
        super().__init__(clock=reactor)
        site = Site(self.dashboard.resource(), reactor=reactor)
        self.port: Any = reactor.listenTCP(0, site, interface="127.0.0.1")
        self.base = f"http://127.0.0.1:{self.port.getHost().port}"
        self.running.throughput.start()
        self._rounds = 0
        self._changing = LoopingCall(self._change)

    def start(self) -> None:
        """Let something happen a few times a second."""
        self._changing.start(CHANGES)

    def _change(self) -> None:
        self._rounds += 1
        self.running.metrics.bytes += 100_000
        for uid, job in list(self.jobs.all.items()):
            if job.state == "running":
                self.jobs.change(uid, done=self._rounds, bytes=self._rounds * 1000)
        if self._rounds == 10 and "run" in self.jobs.all:
            self.jobs.add(Job(uid="late", created=time.time()))
            self.jobs.change("late", state="waiting")

    async def close(self) -> None:
        """Give everything back."""
        self._changing.stop()
        self.running.throughput.stop()
        self.running.feed.close()
        await maybeDeferred(self.port.stopListening)


def hostile(connection: Connection) -> None:
    """Call everything in the catalog by strings that want to be run."""
    unit = repositories.create(connection, "units", "file", 1.0)
    for number, text in enumerate(STRINGS):
        row = remotes.create(connection, f"{text} {number}", Remote(url=f"http://h.test/{quote(text)}"), 1.0)
        repositories.create(connection, text, text[:30], 1.0, description=text, remote_id=row.id)
        distributions.create(connection, text, f"d/{number}", 1.0, remote_id=row.id, policy="streamed")
    draft = versions.begin(connection, unit.id, 1.0)
    new = [NewContent("file", json.dumps([text]), text if n % 2 else None, {}) for n, text in enumerate(STRINGS)]
    versions.add(connection, draft, list(contents.save(connection, new, 1.0).values()))
    versions.finish(connection, draft, 1.0, None)


def hostile_jobs(world: World) -> None:
    """Let jobs, their files and what went wrong with them say strings that want to be run."""
    items = [
        Item(number=n, url=f"http://h.test/{text}", path=text, state="failed", error=f"the header X-A is {text}")
        for n, text in enumerate(STRINGS)
    ]
    count = len(items)
    world.jobs.add(Job(uid="items", state="failed", total=count, failed=count, remote=STRINGS[0]), items)
    for number, text in enumerate(STRINGS):
        job = Job(uid=f"e{number}", kind="sync", state="failed", payload={"repository": text}, error=text)
        world.jobs.add(job)
        error = DownloadError("http://h.test/", text)
        attempt = Attempt(Source("http://h.test/"), 0.0, None, 0, error)
        world.running.troubles.note(DownloadReport(url=text, attempts=(attempt,), error=error))
        world.running.health.degrade(text, text)
    named = {text: text for text in STRINGS[:5]}
    world.jobs.add(Job(uid="result", kind=STRINGS[1], state="completed", result=named, schedule=STRINGS[2]))
    world.jobs.add(Job(uid='"]<script>window.struck=1</script>', state="running", total=10**6, error=STRINGS[0]))


def at_work(world: World) -> None:
    """Let a job run, and some other be there."""
    world.jobs.add(Job(uid="done", state="completed", total=2, done=2))
    world.jobs.add(Job(uid="run", state="running", total=10**6))


@pytest.mark.limit(300)
async def test_browser(reactor: IReactor, tmp_path: Path) -> None:
    """
    In Chromium 200 hostile strings are text wherever they appear, and nothing else happens.

    The dashboard can be used by keys, on a phone's screen, and without scripts; changes show as they happen.
    """
    chromium = require("chromium")
    bad, good = Served(reactor), Served(reactor)
    bad.catalog.do(hostile)
    hostile_jobs(bad)
    at_work(good)
    paths = [*PATHS, "/jobs/items", "/jobs/result", "/repositories/units/versions/1"]
    paths += [f"/repositories/{quote(text, safe='')}" for text in STRINGS[:4]]
    given = {
        "chromium": chromium,
        "strings": {"base": bad.base, "token": bad.tokens["admin"], "paths": paths, "strings": STRINGS},
        "use": {"base": good.base, "token": good.tokens["admin"], "paths": [*PATHS, "/jobs/run"]},
    }
    (tmp_path / "given.json").write_text(json.dumps(given))
    for each in (bad, good):
        each.start()
    try:
        command = ["-m", "tests.integration.browser", str(tmp_path / "given.json")]
        out, err, status = await getProcessOutputAndValue(sys.executable, command, environment(), str(ROOT))
    finally:
        for each in (bad, good):
            await each.close()
    assert (0, b"") == (status, err), err.decode()
    found = json.loads(out)
    assert ([], []) == (found["strings"]["wrong"], found["strings"]["unseen"])
    assert 200 == len(set(STRINGS))
    use = found["use"]
    assert ([], []) == (use["wrong"], use["wide"])
    assert ("Skip to content", "#main", True) == (use["first"], use["skipped"], use["same"])
    assert ("urls", "paused") == (use["focus"], use["paused"])
    assert "handed in" in use["notice"]
    assert "cancelled" in use["plain"]
    assert use["colours"]["light"] != use["colours"]["dark"]
    submitted = next(each for each in good.jobs.asked if each[0] == "submit")
    assert ["http://h.test/one", "http://h.test/two"] == [item.url for item in submitted[3]]
    assert ("pause", "cancel") == tuple(each[0] for each in good.jobs.asked if each[0] != "submit")
