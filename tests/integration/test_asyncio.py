"""Downloads from `async def` code of asyncio's, on the loop that Twisted's reactor runs on."""

from __future__ import annotations

import importlib.util
import textwrap
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred

from tests.integration.process import Start
from tests.servers.scripted import Scripted, Stall, ok, status

BODY = b"a file\n" * 100

# The adapter is the one of docs/asyncio.md.
PROGRAM = """
import asyncio, sys, time
{loop}
from twisted.internet import asyncioreactor
asyncioreactor.install(loop)
from twisted.internet import reactor, task
from twisted.internet.defer import Deferred
from twisted_pulp import Context, Download, Memory, use_monotonic_clock
from twisted_pulp.errors import *

use_monotonic_clock(reactor)

def url(path):
    return sys.argv[1] + path

async def each(reports):
    try:
        while True:
            try:
                report = await Deferred.fromCoroutine(anext(reports)).asFuture(loop)
            except StopAsyncIteration:
                return
            yield report
    finally:
        await Deferred.fromCoroutine(reports.aclose()).asFuture(loop)

async def main(context):
    downloader = context.downloader()
{body}

async def closing():
    context = Context(reactor)
    try:
        await main(context)
    finally:
        await context.close().asFuture(loop)
    print(context.pool)

task.react(lambda reactor: Deferred.fromFuture(loop.create_task(closing())))
"""
LOOPS = {
    "asyncio": "loop = asyncio.new_event_loop()",
    "uvloop": "import uvloop\nloop = uvloop.new_event_loop()",
}


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> str:
    """Each event loop that is there: lines that make one."""
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    return LOOPS[request.param]


async def said(start: Start, scripted: Scripted, loop: str, body: str) -> list[str]:
    """Run a program whose `main` is *body* to its end, check that nothing is left, and return what it wrote."""
    text = PROGRAM.format(loop=loop, body=textwrap.indent(textwrap.dedent(body), "    "))
    process = start(scripted.url(""), program=text)
    assert (0, "") == (await process.ended(), process.err)
    *lines, pool = process.lines
    assert "0 busy, 0 open" in pool
    return lines


@ensureDeferred
async def test_download(start_command: Start, scripted: Scripted, tmp_path: Path, loop: str) -> None:
    """A download is awaited as a future, beside other things that asyncio does."""
    scripted.on(b"/a", [ok(BODY)])
    lines = await said(
        start_command,
        scripted,
        loop,
        """
        download = downloader.download(url("/a"), path="a").asFuture(loop)
        report, slept = await asyncio.gather(download, asyncio.sleep(0.01, "slept"))
        print(report.size, slept)
        print(loop.time() > 0, reactor.seconds is time.monotonic)
        """,
    )
    assert ["700 slept", "True True"] == lines
    assert BODY == (tmp_path / "a").read_bytes()


@ensureDeferred
async def test_large(start_command: Start, scripted: Scripted, tmp_path: Path, loop: str) -> None:
    """A file that goes through the writer threads arrives as well."""
    body = BODY * 10_000
    scripted.on(b"/a", [ok(body)])
    await said(start_command, scripted, loop, 'await downloader.download(url("/a"), path="a").asFuture(loop)')
    assert body == (tmp_path / "a").read_bytes()


@ensureDeferred
async def test_error(start_command: Start, scripted: Scripted, loop: str) -> None:
    """A failure is raised where the future is awaited."""
    lines = await said(
        start_command,
        scripted,
        loop,
        """
        try:
            await downloader.download(url("/none"), path="a").asFuture(loop)
        except NotFound as error:
            print(error.report.status)
        """,
    )
    assert ["404"] == lines


@ensureDeferred
async def test_all(start_command: Start, scripted: Scripted, loop: str) -> None:
    """Reports are iterated over with `async for`, through the adapter of the documentation."""
    scripted.default = lambda request: status(404) if request.target == b"/3" else ok(BODY)
    lines = await said(
        start_command,
        scripted,
        loop,
        """
        downloads = (Download(url(f"/{number}"), writer=Memory(), attachment=number) for number in range(20))
        failed = []
        numbers = set()
        async for report in each(downloader.download_all(downloads)):
            numbers.add(report.attachment)
            if report.error is not None:
                failed.append(report.attachment)
        print(numbers == set(range(20)), failed)
        """,
    )
    assert ["True [3]"] == lines


@ensureDeferred
async def test_leaving(start_command: Start, scripted: Scripted, loop: str) -> None:
    """To close the adapter ends what is in flight."""
    scripted.on(b"/a", [ok(BODY)])
    scripted.on(b"/b", [(Stall(),)])
    lines = await said(
        start_command,
        scripted,
        loop,
        """
        from contextlib import aclosing
        downloads = [Download(url(path), writer=Memory()) for path in ("/a", "/b")]
        async with aclosing(each(downloader.download_all(downloads))) as reports:
            async for report in reports:
                print(report.size)
                break
        while "0 busy" not in repr(context.pool):
            await asyncio.sleep(0.01)
        print("left")
        """,
    )
    assert ["700", "left"] == lines


@ensureDeferred
async def test_callback(start_command: Start, scripted: Scripted, loop: str) -> None:
    """With a callback no adapter is needed."""
    scripted.default = lambda request: ok(BODY)
    lines = await said(
        start_command,
        scripted,
        loop,
        """
        downloads = (Download(url(f"/{number}"), writer=Memory()) for number in range(20))
        totals = await downloader.download_each(downloads, lambda report: None).asFuture(loop)
        print(totals.succeeded, totals.bytes)
        """,
    )
    assert ["20 14000"] == lines


@ensureDeferred
async def test_cancel(start_command: Start, scripted: Scripted, loop: str) -> None:
    """To cancel the task, here by asyncio's own timeout, cancels the download."""
    scripted.on(b"/a", [(Stall(),)])
    lines = await said(
        start_command,
        scripted,
        loop,
        """
        try:
            await asyncio.wait_for(downloader.download(url("/a"), path="a").asFuture(loop), 0.2)
        except TimeoutError:
            print("timeout")
        while "0 busy" not in repr(context.pool):
            await asyncio.sleep(0.01)
        """,
    )
    assert ["timeout"] == lines
    assert 1 == len(scripted.requests)


@ensureDeferred
async def test_metadata(start_command: Start, scripted: Scripted, loop: str) -> None:
    """Metadata is asked for in the same way."""
    scripted.on(b"/json", [ok(b'{"a": 1}')])
    lines = await said(
        start_command,
        scripted,
        loop,
        """
        response = await downloader.http.get(url("/json")).asFuture(loop)
        print(await response.json().asFuture(loop))
        """,
    )
    assert ["{'a': 1}"] == lines


THREADS = """
import asyncio, sys
from twisted_pulp import Download, Memory
from twisted_pulp.blocking import Downloader

async def main():
    with Downloader() as downloader:
        urls = [f"{sys.argv[1]}/{number}" for number in range(8)]
        calls = (asyncio.to_thread(downloader.download, url, writer=Memory()) for url in urls)
        print(sum(report.size for report in await asyncio.gather(*calls)))

asyncio.run(main())
"""


@ensureDeferred
async def test_somebody_elses_loop(start_command: Start, scripted: Scripted) -> None:
    """On a loop that is not Twisted's, the blocking Downloader is called in threads."""
    scripted.default = lambda request: ok(BODY)
    process = start_command(scripted.url(""), program=THREADS)
    assert (0, "", ["5600"]) == (await process.ended(), process.err, process.lines)
