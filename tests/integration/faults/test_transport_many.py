"""Rows 21 to 23, and R2 and R3 of the threats: many downloads, and never too many connections."""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Callable

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from tests.integration.faults.conftest import Fetchers
from tests.integration.faults.inside import body_of
from tests.integration.faults.invariants import quick
from tests.integration.faults.program import INSIDE, Start
from tests.integration.faults.sockets import Counting
from tests.lag import Lag
from tests.servers.corpus import Corpus
from tests.servers.faulty import Faulty
from tests.servers.fixtures import StartNginx, StartScripted
from tests.servers.reactor import IReactor
from tests.servers.scripted import Request, Scripted, Steps, ok, ranged, status
from twisted_pulp import Download, DownloadReport, Hooks, Limits, Retry, Validator
from twisted_pulp.transfer import DigestOnly

linux = pytest.mark.skipif(sys.platform != "linux", reason="connections are counted in /proc/net/tcp")


@ensureDeferred
async def test_row_21_network_down(
    fetchers: Fetchers,
    scripted: Scripted,
    faulty: Faulty,
    reactor: IReactor,
    rng: random.Random,
    request: pytest.FixtureRequest,
) -> None:
    """Row 21: 100 downloads whose network goes down and comes back all finish, by resuming."""
    seconds = 20 if request.config.getoption("--campaign") else 1.0
    bodies = {b"/%d" % n: rng.randbytes(300_000) for n in range(100)}
    scripted.default = lambda asked: ranged(bodies[asked.path], delay=0.05)(asked)
    fetcher = fetchers(connections=100, per_host=100)
    wanted = [fetcher.wanted(faulty.url(path.decode()), body, path.decode()[1:]) for path, body in bodies.items()]
    remote = quick(retry=Retry(retries=1000, base=0.1, cap=0.5))

    async def outage() -> float:
        await deferLater(reactor, 0.5)
        assert faulty.live == 100
        await faulty.down()
        await deferLater(reactor, seconds)
        faulty.up()
        return reactor.seconds()

    going = Deferred.fromCoroutine(fetcher.many(wanted, remote=remote, concurrency=100))
    up = await outage()
    reports = await going
    assert [None] * 100 == [report.error for report in reports]
    assert reactor.seconds() - up < 60
    assert any(asked.header(b"Range") for asked in scripted.requests)


@linux
@ensureDeferred
async def test_row_22_one_host(
    start_nginx: StartNginx,
    corpus: Corpus,
    reactor: IReactor,
    fetchers: Fetchers,
    campaign_count: Callable[[int, int], int],
) -> None:
    """Row 22: 5,000 downloads with a cap of 8 never have more than 8 established connections, and all succeed."""
    count = campaign_count(5000, 10_000)
    file = corpus.file("file", 4096)
    nginx = await start_nginx(corpus.root, lines=("keepalive_requests 50;",))  # so that connections come and go
    downloader = fetchers(connections=8).context.downloader(quick())
    downloads = (
        Download(nginx.url(f"/file?{n}"), writer=DigestOnly(), digests={"sha256": file.sha256}) for n in range(count)
    )
    before = len(os.listdir("/proc/self/fd"))
    most = 0
    with Counting(reactor, {nginx.port}) as counting:

        def finished(report: DownloadReport) -> None:
            nonlocal most
            assert report.error is None
            counting.now() if report.started % 0.01 < 0.001 else None
            most = max(most, len(os.listdir("/proc/self/fd")))

        totals = await downloader.download_each(downloads, finished, concurrency=64)
    assert (count, 0) == (totals.succeeded, totals.failed)
    assert 1 <= counting.most <= 8
    assert counting.looks > 10
    assert most - before <= 8 + 64


@linux
@ensureDeferred
async def test_row_22_many_hosts(
    start_scripted: StartScripted, reactor: IReactor, fetchers: Fetchers, campaign_count: Callable[[int, int], int]
) -> None:
    """Row 22: over many hosts the overall cap and that of each host hold at every moment, and all succeed."""
    hosts = [await start_scripted() for _ in range(campaign_count(20, 100))]
    for host in hosts:
        host.default = lambda asked: ok(asked.path * 10)
    downloader = fetchers(connections=10, per_host=2).context.downloader(quick())
    paths = [f"/{n}" for n in range(campaign_count(20, 100))]
    downloads = (Download(host.url(path), writer=DigestOnly(), size=10 * len(path)) for path in paths for host in hosts)
    with Counting(reactor, {host.port for host in hosts}) as counting:
        totals = await downloader.download_each(downloads, counting.now, concurrency=50)
    assert (len(hosts) * len(paths), 0) == (totals.succeeded, totals.failed)
    assert 1 <= counting.most <= 10
    assert max(host.high_water for host in hosts) <= 2 + 1  # a server sees an end a little late


@linux
@ensureDeferred
async def test_r3_three_downloaders(start_scripted: StartScripted, reactor: IReactor, fetchers: Fetchers) -> None:
    """Three Downloaders of different Remotes share an overall cap of 10, and never have more connections."""
    hosts = [await start_scripted() for _ in range(3)]

    def slow(asked: Request) -> Steps:
        return ranged(asked.path * 8000, delay=0.001)(asked)

    for host in hosts:
        host.default = slow
    context = fetchers(connections=10).context
    remotes = [quick(), quick(user_agent="another"), quick(limits=Limits(connections=6))]
    ports = {host.port for host in hosts}
    with Counting(reactor, ports) as counting:
        going = []
        for remote, host in zip(remotes, hosts, strict=True):
            downloads = (Download(host.url(f"/{n}"), writer=DigestOnly()) for n in range(60))
            going.append(context.downloader(remote).download_each(downloads, counting.now, concurrency=20))
        totals = await gatherResults(going)
    assert [60] * 3 == [each.succeeded for each in totals]
    assert 10 == counting.most


@linux
@ensureDeferred
async def test_row_23_few_files(start: Start, scripted: Scripted, campaign_count: Callable[[int, int], int]) -> None:
    """Row 23, R2: with 128 open files allowed and 1,000 downloads queued all finish, and no time is wasted spinning."""
    count, size = campaign_count(200, 1000), 300_000
    scripted.default = lambda asked: ranged(body_of(int(asked.path[1:]), size), delay=0.01)(asked)
    given = {"files": 128, "count": count, "size": size, "concurrency": count, "connections": 100, "retries": 1000}
    program = start(INSIDE, "few_files", json.dumps(given | {"url": scripted.url("")}))
    assert 0 == await program.ended(100), program.said
    found = program.result
    assert {None} == {report["error"] for report in found["reports"]}
    assert count == len(found["reports"])


@ensureDeferred
async def test_row_22_no_connection_for_those_who_wait(scripted: Scripted, fetchers: Fetchers, lag: Lag) -> None:
    """Row 22: a download that waits to try again holds no connection: the next one uses it meanwhile."""
    scripted.on(b"/busy", [status(503, [(b"Retry-After", b"1")]), ok(b"busy")])
    scripted.on(b"/file", [ok(b"file")])
    fetcher = fetchers(connections=1)
    # Another name for the host: the pause that was asked for is that host's only.
    url = scripted.url("/file", host="localhost")
    wanted = [fetcher.wanted(scripted.url("/busy"), b"busy", "busy"), fetcher.wanted(url, b"file", "file")]
    busy, other = await fetcher.many(wanted, concurrency=2)
    assert [None, None] == [busy.error, other.error]
    assert 1 <= busy.finished - busy.started
    assert other.finished - other.started < 0.9 + lag.seconds
    assert 1 == scripted.high_water


@ensureDeferred
async def test_no_connection_for_those_who_verify(scripted: Scripted, fetchers: Fetchers) -> None:
    """A file that is being looked at holds no connection: the next download uses it meanwhile."""
    scripted.on(b"/first", [ok(b"first")])
    scripted.on(b"/second", [ok(b"second")])
    looked: Deferred[None] = Deferred()

    def look(report: DownloadReport) -> Deferred[None] | None:
        if report.url.partition("?")[0] == scripted.url("/first"):
            return looked
        looked.callback(None)
        return None

    fetcher = fetchers(connections=1)
    wanted = [fetcher.wanted(scripted.url(f"/{name}"), name.encode(), name) for name in ("first", "second")]
    reports = await fetcher.many(wanted, concurrency=2, hooks=Hooks(validators=[Validator(look)]))
    assert [None, None] == [report.error for report in reports]
    assert 1 == scripted.high_water
