"""What tests run in a network of their own: downloads whose outcome is printed as JSON."""

from __future__ import annotations

import json
import random
import resource
import socket
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater, react

from tests.integration.faults.invariants import Finals, check, sha256
from tests.integration.faults.memory import peak
from tests.lag import Lag
from tests.servers.dns import SERVFAIL, NameServer, Reply
from tests.servers.scripted import Scripted, ok
from twisted_pulp import Context, Download, DownloadReport, Network, Remote, Retry, Timeouts

PORT = 8000


def body_of(number: int, size: int) -> bytes:
    """Give the bytes of file *number*."""
    return random.Random(number).randbytes(size)


def described(report: DownloadReport) -> dict[str, Any]:
    """Describe *report* for JSON."""
    return {
        "error": None if report.error is None else type(report.error).__name__,
        "retryable": getattr(report.error, "retryable", None),
        "seconds": report.finished - report.started,
        "attempts": len(report.attempts),
    }


async def _closed(servers: Sequence[Scripted], context: Context) -> None:
    await context.close()
    for server in servers:
        await server.close()


def _served(reactor: Any, addresses: Sequence[str], size: int, count: int = 1) -> list[Scripted]:
    servers = []
    for address in addresses:
        server = Scripted(reactor)
        server.listen(address, PORT)
        for number in range(count):
            server.on(b"/%d" % number, [ok(body_of(number, size))])
        servers.append(server)
    return servers


async def fetched(reactor: Any, given: dict[str, Any]) -> list[dict[str, Any]]:
    """
    Download *count* files of *size* bytes from *host*, which servers at *addresses* may be, or else from *url*.

    Other settings are *retries*, *base*, *connect*, *headers*, *idle*, *concurrency*, *connections*, *reach* (fields of
    `Network`) and *names* (a name server at 127.0.0.1 knows their addresses).

    Each report has how much *late* it may be because the machine is busy.
    """
    lag = Lag(reactor)
    lag.start()
    names = NameServer(reactor)
    if "names" in given:
        names.listen(53)
        for name, listed in given["names"].items():
            names.on(name, [Reply(*listed)])
    size, count = given.get("size", 1000), given.get("count", 1)
    servers = _served(reactor, given.get("addresses", ()), size, count)
    base = given.get("url") or f"http://{given['host']}:{PORT}"
    connections = given.get("connections", 8)
    context = Context(reactor, connections=connections, per_host=connections)
    remote = Remote(
        retry=Retry(retries=given.get("retries", 0), base=given.get("base", 0.05), cap=1),
        timeouts=Timeouts(
            connect=given.get("connect", 10), headers=given.get("headers", 20), idle=given.get("idle", 20)
        ),
        network=Network(**given.get("reach", {})),
    )
    finals, downloads = Finals(reactor), []
    with tempfile.TemporaryDirectory() as directory:
        for number in range(count):
            body, path = body_of(number, size), Path(directory, str(number))
            downloads.append(Download(f"{base}/{number}", path, digests={"sha256": sha256(body)}))
            finals.allow(path, [body])
        if "files" not in given:  # to look takes files too
            finals.start()
        results = context.downloader(remote).download_all(downloads, given.get("concurrency", 8))
        reports = [report async for report in results]
        await _closed(servers, context)
        await names.close()
        finals.stop()
        for report in reports:
            assert report.download is not None
            check(report, body_of(int(Path(report.download.path or "").name), size))
    late = lag.seconds
    lag.stop()
    return [{**described(report), "late": late} for report in reports]


async def kept(reactor: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Download *url* to *path*, expecting *sha256*; what was left there before is resumed."""
    context = Context(reactor)
    download = Download(given["url"], given["path"], digests={"sha256": given["sha256"]})
    report = await context.downloader().download(download)
    await context.close()
    return described(report)


async def large(reactor: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Download *count* files from *url*, *concurrency* at once, and tell how much memory that took."""
    connections = given["connections"]
    context = Context(reactor, connections=connections, per_host=connections)
    with tempfile.TemporaryDirectory() as directory:
        downloads = (Download(f"{given['url']}/{n}", Path(directory, str(n))) for n in range(given["count"]))
        totals = await context.downloader().download_each(downloads, lambda _: None, given["concurrency"])
        await context.close()
    return {"succeeded": totals.succeeded, "peak": peak()}


async def resolved(reactor: Any, given: dict[str, Any]) -> dict[str, Any]:
    """
    Download from a healthy host again and again, alone and while names that give trouble are asked for.

    *own* is whether the name server is asked by ourselves, and not by the system.
    """
    lag = Lag(reactor)
    lag.start()
    names = NameServer(reactor)
    names.listen(53)
    names.on("good.test", [Reply("127.0.0.1")])
    names.on("broken.test", [Reply(code=SERVFAIL)])
    names.on("silent.test", [Reply(never=True)])
    names.on("slow.test", [Reply("127.0.0.1", after=given["slow"])])
    servers = _served(reactor, ["127.0.0.1"], 1000)
    context = Context(reactor, connections=40)
    network = Network(dns_servers="127.0.0.1", dns_cache=False) if given["own"] else Network()
    remote = Remote(retry=Retry(retries=0), timeouts=Timeouts(dns=2 if given["own"] else None), network=network)
    context.pool.persistent = False  # each download resolves its name

    async def one(host: str) -> dict[str, Any]:
        download = Download(f"http://{host}:{PORT}/0", Path(directory, f"{host}-{time.monotonic_ns()}"))
        async for report in context.downloader(remote).download_all([download]):
            check(report, body_of(0, 1000))
            return described(report)
        raise AssertionError

    async def healthy(during: Callable[[], bool] = lambda: True) -> list[float]:
        times: list[float] = []
        while len(times) < given["count"] and during():
            before = lag.seconds
            outcome = await one("good.test")
            assert outcome["error"] is None, outcome
            times.append(outcome["seconds"] - (lag.seconds - before))  # others may need the processor
        return sorted(times)

    troubled = ("missing.test", "broken.test", "silent.test", *["slow.test"] * 20)
    with tempfile.TemporaryDirectory() as directory:
        alone = await healthy()
        started = [Deferred.fromCoroutine(one(host)) for host in troubled]
        await deferLater(reactor, 0.05)
        together = await healthy(lambda: sum(not d.called for d in started) >= 20)
        outcomes = [await d for d in started]
        await _closed(servers, context)
        await names.close()
    lag.stop()
    last = -1 - len(together) // 100
    troubles = dict(zip(troubled, outcomes, strict=True))
    times = {"alone": alone[len(alone) // 2], "together": together[len(together) // 2], "worst": together[last]}
    return {**times, "troubles": troubles, "tried": len(together)}


async def ordered(reactor: Any, given: dict[str, Any]) -> list[str]:
    """Tell in which order the system gives the addresses of *host*."""
    return [str(found[4][0]) for found in socket.getaddrinfo(given["host"], PORT, type=socket.SOCK_STREAM)]


async def few_files(reactor: Any, given: dict[str, Any]) -> dict[str, Any]:
    """As `fetched`, with no more than *files* open files, and the share of the time that the processor was busy."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (given["files"], given["files"]))
    started, worked = time.monotonic(), time.process_time()
    reports = await fetched(reactor, given)
    return {"reports": reports, "busy": (time.process_time() - worked) / (time.monotonic() - started)}


_ALL: dict[str, Callable[[Any, dict[str, Any]], Awaitable[Any]]] = {
    "few_files": few_files,
    "fetched": fetched,
    "kept": kept,
    "large": large,
    "ordered": ordered,
    "resolved": resolved,
}


def main() -> None:
    """Do what the first argument names, with the settings that the second holds."""

    async def run(reactor: Any) -> None:
        sys.stdout.write(json.dumps(await _ALL[sys.argv[1]](reactor, json.loads(sys.argv[2]))))

    react(lambda reactor: Deferred.fromCoroutine(run(reactor)))


if __name__ == "__main__":
    main()
