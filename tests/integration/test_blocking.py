"""`twisted_pulp.blocking`, in programs of their own: the reactor of this process is not crochet's to run."""

from __future__ import annotations

import gzip
import hashlib
import json
import signal
import textwrap
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred

from tests.integration.process import Start
from tests.servers.scripted import Scripted, Send, Stall, Wait, cut, ok, ranged, status

BODY = b"a file\n" * 100
DIGEST = hashlib.sha256(BODY).hexdigest()

BEGIN = """
import sys, threading, time
from twisted_pulp import Download, Hooks, Memory, Remote
from twisted_pulp.blocking import Downloader
from twisted_pulp.errors import *
def url(path):
    return sys.argv[1] + path
"""


def program(text: str) -> str:
    """Return a program that has what all of them need."""
    return BEGIN + textwrap.dedent(text)


async def said(start: Start, scripted: Scripted, text: str) -> list[str]:
    """Run a program to its end, which is a good one and takes no time, and return the lines it wrote."""
    process = start(scripted.url(""), program=program(text))
    status = await process.ended()
    assert (0, "") == (status, process.err)
    return process.lines


# One


@ensureDeferred
async def test_download(start_command: Start, scripted: Scripted, tmp_path: Path) -> None:
    """A call returns the report when the file is there; fields may stand beside a URL."""
    scripted.on(b"/a", [ok(BODY)])
    lines = await said(
        start_command,
        scripted,
        f"""
        with Downloader(directory="files") as downloader:
            report = downloader.download(url("/a"), path="x/a", size=700, digests={{"sha256": "{DIGEST}"}})
            print(report.path, report.size, report.verified)
            other = downloader.download(Download(url("/a"), writer=Memory()))
            print(other.download.writer.content == open("files/x/a", "rb").read())
        """,
    )
    assert [f"{tmp_path}/files/x/a 700 True", "True"] == lines
    assert BODY == (tmp_path / "files/x/a").read_bytes()


@ensureDeferred
async def test_error(start_command: Start, scripted: Scripted) -> None:
    """A failure is raised in the caller's thread, with the report."""
    lines = await said(
        start_command,
        scripted,
        """
        with Downloader() as downloader:
            try:
                downloader.download(url("/none"), path="a")
            except NotFound as error:
                print(error.status, error.report.error is error, len(error.report.attempts))
        """,
    )
    assert ["404 True 1"] == lines


@ensureDeferred
async def test_mistakes(start_command: Start, scripted: Scripted) -> None:
    """A mistake is raised at once, and nothing is asked for."""
    lines = await said(
        start_command,
        scripted,
        """
        def tried(call):
            try:
                call()
            except Exception as error:
                print(type(error).__name__, error)
        with Downloader() as downloader:
            tried(lambda: downloader.download(url("/a"), size=-1))
            tried(lambda: downloader.download(Download(url("/a")), size=1))
            tried(lambda: downloader.download_all([], 0))
            tried(lambda: Downloader(connections=0))
        tried(lambda: downloader.download(url("/a")))
        tried(lambda: downloader.download_all([]))
        tried(lambda: downloader.http.get(url("/a")))
        downloader.close()
        """,
    )
    assert [
        "SettingsError size is -1, but it must be a whole number from 0, or None",
        "TypeError fields are for a URL; a Download has its own",
        "SettingsError concurrency is 0, but it must be a whole number from 1",
        "SettingsError connections is 0, but it must be a whole number from 1",
        "RuntimeError the Downloader is closed",
        "RuntimeError the Downloader is closed",
        "RuntimeError the Downloader is closed",
    ] == lines
    assert [] == scripted.requests


@ensureDeferred
async def test_head(start_command: Start, scripted: Scripted) -> None:
    """The headers can be asked for alone."""
    scripted.on(b"/a", [status(200, [(b"ETag", b'"1"')])])
    lines = await said(
        start_command,
        scripted,
        """
        with Downloader() as downloader:
            report = downloader.head(url("/a"))
            print(report.status, report.headers["etag"], report.path)
        """,
    )
    assert ['200 "1" None'] == lines
    assert [b"HEAD"] == [request.method for request in scripted.requests]


@ensureDeferred
async def test_connections_outlive_calls(start_command: Start, scripted: Scripted) -> None:
    """Calls one after another, for files and for metadata, use one connection."""
    scripted.default = lambda request: ok(BODY)
    await said(
        start_command,
        scripted,
        """
        with Downloader() as downloader:
            for number in range(5):
                downloader.download(url(f"/{number}"), path=str(number))
            downloader.http.get(url("/metadata"))
        """,
    )
    assert (6, 1) == (len(scripted.requests), scripted.accepted)


@ensureDeferred
async def test_threads(start_command: Start, scripted: Scripted, tmp_path: Path) -> None:
    """Several threads share one Downloader and its caps."""
    scripted.default = lambda request: ok(request.target * 100)
    lines = await said(
        start_command,
        scripted,
        """
        with Downloader(per_host=3, directory="files") as downloader:
            def work(name):
                for number in range(20):
                    downloader.download(url(f"/{name}-{number}"), path=f"{name}-{number}")
                downloads = [Download(url(f"/{name}+{number}"), f"{name}+{number}") for number in range(20)]
                assert 20 == sum(report.error is None for report in downloader.download_all(downloads))
            threads = [threading.Thread(target=work, args=(name,)) for name in "abcdef"]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            print("joined")
        """,
    )
    assert ["joined"] == lines
    files = {path.name: path.read_bytes() for path in (tmp_path / "files").iterdir()}
    names = [f"{name}{mark}{number}" for name in "abcdef" for mark in "-+" for number in range(20)]
    assert {name: f"/{name}".encode() * 100 for name in names} == files
    assert scripted.high_water <= 3


@ensureDeferred
async def test_hooks(start_command: Start, scripted: Scripted) -> None:
    """Hooks are called, in another thread than the caller's."""
    scripted.on(b"/a", [ok(BODY)])
    lines = await said(
        start_command,
        scripted,
        """
        here = threading.current_thread()
        hooks = Hooks(done=lambda report: print(report.size, threading.current_thread() is here))
        with Downloader(hooks=hooks) as downloader:
            downloader.download(url("/a"), path="a")
        """,
    )
    assert ["700 False"] == lines


@ensureDeferred
async def test_present(start_command: Start, scripted: Scripted) -> None:
    """A file that is present is not asked for again, unless it is forced."""
    scripted.on(b"/a", [ok(BODY)])
    lines = await said(
        start_command,
        scripted,
        f"""
        for force in (False, False, True):
            with Downloader(force=force) as downloader:
                report = downloader.download(url("/a"), path="a", digests={{"sha256": "{DIGEST}"}})
                print(report.present)
        """,
    )
    assert (["False", "True", "False"], 2) == (lines, len(scripted.requests))


@ensureDeferred
async def test_resumes(start_command: Start, scripted: Scripted, tmp_path: Path) -> None:
    """A body that breaks off is gone on with, as always."""
    body = BODY * 1000
    digest = hashlib.sha256(body).hexdigest()
    scripted.on(b"/a", [cut(ok(body, [(b"ETag", b'"1"')]), 400_000), ranged(body, etag=b'"1"')])
    await said(
        start_command,
        scripted,
        f"""
        from twisted_pulp import Retry
        with Downloader(Remote(retry=Retry(base=0))) as downloader:
            downloader.download(url("/a"), path="a", digests={{"sha256": "{digest}"}})
        """,
    )
    assert body == (tmp_path / "a").read_bytes()
    assert [None, b"bytes"] == [(r.header(b"Range") or b"").partition(b"=")[0] or None for r in scripted.requests]


# Many


@ensureDeferred
async def test_all(start_command: Start, scripted: Scripted, tmp_path: Path) -> None:
    """Reports come as an ordinary iterator gives them, in order of completion; failures are among them."""
    scripted.default = lambda request: status(404) if b"7" in request.target else ok(request.target)
    lines = await said(
        start_command,
        scripted,
        """
        with Downloader() as downloader:
            downloads = [Download(url(f"/{n}"), str(n), attachment=n) for n in range(50)]
            reports = list(downloader.download_all(downloads, 4))
            print(sorted(report.attachment for report in reports) == list(range(50)))
            print(sorted(report.attachment for report in reports if report.error is not None))
        """,
    )
    assert ["True", "[7, 17, 27, 37, 47]"] == lines
    assert 45 == len(list(tmp_path.glob("[0-9]*")))


@ensureDeferred
async def test_lazy(start_command: Start, scripted: Scripted) -> None:
    """The iterable is pulled in the caller's thread, no further than the concurrency ahead of what was taken."""
    scripted.default = lambda request: ok(BODY)
    lines = await said(
        start_command,
        scripted,
        """
        here, pulled, threads = threading.current_thread(), 0, set()
        def endless():
            global pulled
            while True:
                threads.add(threading.current_thread())
                yield Download(url("/a"), str(pulled))
                pulled += 1
        with Downloader() as downloader:
            taken = 0
            for report in downloader.download_all(endless(), 3):
                taken += 1
                assert pulled <= taken + 3, (pulled, taken)
                if taken == 40:
                    break
        print(threads == {here}, taken)
        """,
    )
    assert ["True 40"] == lines
    assert 40 <= len(scripted.requests) <= 44
    assert scripted.high_water <= 3


@ensureDeferred
async def test_slow_iterable(start_command: Start, scripted: Scripted) -> None:
    """Downloads go on while the iterable makes its caller wait."""
    scripted.default = lambda request: ok(BODY)
    lines = await said(
        start_command,
        scripted,
        """
        done = threading.Event()
        def slow():
            yield Download(url("/a"), "a")
            # Not before the first one is done; that it can be done is what this shows.
            assert done.wait(60)
            yield Download(url("/b"), "b")
        with Downloader(hooks=Hooks(done=lambda report: done.set())) as downloader:
            # With the second not yet pulled there is one place left, so the iterable is asked right away.
            print(len(list(downloader.download_all(slow(), 1))))
        """,
    )
    assert ["2"] == lines


@ensureDeferred
async def test_leaving(start_command: Start, scripted: Scripted, tmp_path: Path) -> None:
    """Leaving the loop ends what is in flight: no connection, no file and no partial file is left of it."""
    scripted.on(b"/a", [ok(BODY)])
    scripted.on(b"/b", [(*cut(ok(BODY), 100)[:-1], Stall())])
    lines = await said(
        start_command,
        scripted,
        """
        with Downloader() as downloader:
            downloads = [Download(url(path), path[1:]) for path in ("/a", "/b", "/b?")]
            for report in downloader.download_all(downloads):
                print(report.path)
                break
            while "0 busy" not in repr(downloader):
                time.sleep(0.01)
            print("left")
        """,
    )
    assert ["a", "left"] == [Path(line).name for line in lines]
    assert ["a"] == [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")]


@ensureDeferred
async def test_raising(start_command: Start, scripted: Scripted) -> None:
    """What the loop's body or the iterable raises arrives as it is, after the reports that were there before."""
    scripted.default = lambda request: ok(BODY)
    lines = await said(
        start_command,
        scripted,
        """
        def broken():
            yield Download(url("/a"), "a")
            raise KeyError("in the iterable")
        with Downloader() as downloader:
            try:
                for report in downloader.download_all(broken(), 1):
                    print(report.size)
            except KeyError as error:
                print(error)
            try:
                for report in downloader.download_all([Download(url("/a"), str(n)) for n in range(9)]):
                    raise KeyError("in the loop")
            except KeyError as error:
                print(error)
        """,
    )
    assert ["700", "'in the iterable'", "'in the loop'"] == lines


@ensureDeferred
async def test_fail_fast(start_command: Start, scripted: Scripted) -> None:
    """On request the first failure is raised, and ends the others."""
    scripted.on(b"/stalls", [(Stall(),)])
    lines = await said(
        start_command,
        scripted,
        """
        with Downloader() as downloader:
            downloads = [Download(url("/stalls"), "a"), Download(url("/none"), "b")]
            try:
                list(downloader.download_all(downloads, fail_fast=True))
            except NotFound as error:
                print(error.status)
            while "0 busy" not in repr(downloader):
                time.sleep(0.01)
        """,
    )
    assert ["404"] == lines


@ensureDeferred
async def test_close_ends_loops(start_command: Start, scripted: Scripted) -> None:
    """To close the Downloader ends what other threads wait for."""
    scripted.default = lambda request: (Stall(),)
    lines = await said(
        start_command,
        scripted,
        """
        began = threading.Barrier(3)
        class Began:
            def __iter__(self):
                began.wait()
                yield Download(url("/a"), "a")
        def one():
            began.wait()
            try:
                downloader.download(url("/b"), path="b")
            except (Cancelled, RuntimeError) as error:
                ended.append(type(error))
        def many():
            ended.extend(type(report.error) for report in downloader.download_all(Began()))
        ended = []
        with Downloader() as downloader:
            threads = [threading.Thread(target=work) for work in (one, many)]
            for thread in threads: thread.start()
            began.wait()
            while "2 busy" not in repr(downloader):
                time.sleep(0.01)
        for thread in threads: thread.join(5)
        print([each.__name__ for each in ended])
        """,
    )
    assert ["['Cancelled', 'Cancelled']"] == lines


@ensureDeferred
async def test_refused_settings(start_command: Start, scripted: Scripted) -> None:
    """A download that is refused before anything is asked for is a report like any other failure."""
    lines = await said(
        start_command,
        scripted,
        """
        with Downloader() as downloader:
            downloads = [Download(url("/a"), "a", digests={"md5": "0" * 32})]
            print([type(report.error).__name__ for report in downloader.download_all(downloads)])
            try:
                downloader.download(downloads[0])
            except SettingsError as error:
                print(error.report.path)
        """,
    )
    assert (["['SettingsError']", "None"], []) == (lines, scripted.requests)


@ensureDeferred
async def test_collected(start_command: Start, scripted: Scripted) -> None:
    """A loop that ends in the reactor's own thread, as when garbage is collected there, does not block it."""
    scripted.on(b"/a", [ok(BODY)])
    scripted.on(b"/b", [(Stall(),)])
    lines = await said(
        start_command,
        scripted,
        """
        from twisted.internet import reactor
        with Downloader() as downloader:
            reports = downloader.download_all([Download(url("/a"), "a"), Download(url("/b"), "b")])
            print(next(reports).size)
            reactor.callFromThread(reports.close)
            while "0 busy" not in repr(downloader):
                time.sleep(0.01)
        """,
    )
    assert ["700"] == lines


@ensureDeferred
async def test_slow_server(start_command: Start, scripted: Scripted) -> None:
    """A loop waits for as long as the download does."""
    scripted.on(b"/a", [(Wait(1.5), *ok(BODY))])
    lines = await said(
        start_command,
        scripted,
        """
        with Downloader() as downloader:
            print([report.size for report in downloader.download_all([Download(url("/a"), "a")])])
        """,
    )
    assert ["[700]"] == lines


@ensureDeferred
async def test_stopped(start_command: Start, scripted: Scripted) -> None:
    """When the reactor is gone, waiting ends with an error."""
    lines = await said(
        start_command,
        scripted,
        """
        import crochet
        from twisted.internet import reactor
        downloader = Downloader()
        reports = downloader.download_all([Download(url("/a"), "a")])
        reactor.callFromThread(reactor.stop)
        while reactor.running: time.sleep(0.01)
        try:
            next(reports)
        except crochet.ReactorStopped:
            print("stopped")
        downloader.close()
        """,
    )
    assert ["stopped"] == lines


@ensureDeferred
async def test_broken_downloader(start_command: Start, scripted: Scripted) -> None:
    """What fails without a report, as no download does, is raised."""
    lines = await said(
        start_command,
        scripted,
        """
        from twisted.internet.defer import fail
        with Downloader() as downloader:
            downloader._downloader.download = lambda download: fail(ZeroDivisionError())
            try:
                list(downloader.download_all([Download(url("/a"), "a")]))
            except ZeroDivisionError:
                print("raised")
        """,
    )
    assert ["raised"] == lines


@ensureDeferred
async def test_close_twice(start_command: Start, scripted: Scripted) -> None:
    """Two threads may close it at the same time."""
    lines = await said(
        start_command,
        scripted,
        """
        for _ in range(20):
            downloader, both = Downloader(), threading.Barrier(2)
            def close():
                both.wait()
                downloader.close()
            thread = threading.Thread(target=close)
            thread.start()
            close()
            thread.join()
        print(repr(downloader).startswith("<blocking Downloader, closed"))
        """,
    )
    assert ["True"] == lines


# Metadata


@ensureDeferred
async def test_http(start_command: Start, scripted: Scripted) -> None:
    """Metadata comes whole and decoded, whatever its status."""
    packed = gzip.compress(json.dumps({"name": "Käse"}).encode())
    scripted.on(b"/json", [ok(packed, [(b"Content-Encoding", b"gzip"), (b"X-One", b"1")])])
    scripted.on(b"/latin", [ok("Käse".encode("latin-1"), [(b"Content-Type", b"text/plain; charset=latin-1")])])
    scripted.on(b"/utf8", [ok("Käse".encode(), length=False)])
    lines = await said(
        start_command,
        scripted,
        """
        with Downloader() as downloader:
            response = downloader.http.get(url("/json"), params={"a": "b"})
            print(response.status, ascii(response.json()), response.headers["X-One".lower()])
            print(response.url.endswith("/json?a=b"), "content-encoding" in response.headers)
            print(ascii(downloader.http.get(url("/latin")).text()), ascii(downloader.http.get(url("/utf8")).text()))
            print(ascii(downloader.http.get(url("/utf8")).text("latin-1")))
            print(downloader.http.get(url("/none")).status)
            print(repr(response).endswith("status=200, headers=['x-one'])"))
        """,
    )
    assert [
        "200 {'name': 'K\\xe4se'} 1",
        "True False",
        "'K\\xe4se' 'K\\xe4se'",
        "'K\\xc3\\xa4se'",
        "404",
        "True",
    ] == lines


@ensureDeferred
async def test_methods(start_command: Start, scripted: Scripted) -> None:
    """Each method of the client is that of its request; JSON and other data can be sent."""
    scripted.default = lambda request: ok(b"" if request.method == b"HEAD" else request.body)
    lines = await said(
        start_command,
        scripted,
        """
        with Downloader() as downloader:
            for name in ("get", "head", "delete"):
                print(getattr(downloader.http, name)(url("/")).content())
            for name in ("post", "put", "patch"):
                print(getattr(downloader.http, name)(url("/"), json={"a": 1}).content())
        """,
    )
    assert ["b''"] * 3 + ["b'{\"a\":1}'"] * 3 == lines
    expected = [b"GET", b"HEAD", b"DELETE", b"POST", b"PUT", b"PATCH"]
    assert expected == [request.method for request in scripted.requests]


@ensureDeferred
async def test_metadata_cap(start_command: Start, scripted: Scripted) -> None:
    """Metadata larger than the Remote allows is refused, also when it becomes so by decoding."""
    scripted.on(b"/plain", [ok(bytes(2000))])
    scripted.on(b"/packed", [ok(gzip.compress(bytes(2000)), [(b"Content-Encoding", b"gzip")])])
    lines = await said(
        start_command,
        scripted,
        """
        from twisted_pulp import Limits
        with Downloader(Remote(limits=Limits(max_metadata_size=1000))) as downloader:
            for path in ("/plain", "/packed"):
                try:
                    downloader.http.get(url(path))
                except TooLarge as error:
                    print(error.limit)
        """,
    )
    assert ["1000", "1000"] == lines


# Ctrl-C


WAITS = {
    "download": 'downloader.download(url("/a"), path="a")',
    "download_all": 'list(downloader.download_all([Download(url("/a"), "a")]))',
    "http": 'downloader.http.get(url("/a"))',
    "head": 'downloader.head(url("/a"))',
}


@ensureDeferred
@pytest.mark.parametrize("call", WAITS.values(), ids=WAITS)
async def test_interrupt(start_command: Start, scripted: Scripted, tmp_path: Path, call: str) -> None:
    """Ctrl-C ends any wait, and what it waited for; the Downloader can be used after it."""
    scripted.on(b"/a", [(Send(b"HTTP/1.1 200 OK\r\n"), Stall())])
    scripted.on(b"/b", [ok(BODY)])
    process = start_command(
        scripted.url(""),
        program=program(
            f"""
            with Downloader() as downloader:
                try:
                    {call}
                except KeyboardInterrupt:
                    print("interrupted", flush=True)
                print(downloader.download(url("/b"), path="b").size)
            """
        ),
    )
    await process.until(lambda: scripted.asked(b"/a"))
    process.send(signal.SIGINT)
    assert 0 == await process.ended(30)
    assert (["interrupted", "700"], "") == (process.lines, process.err)
    assert ["b"] == [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")]


@pytest.mark.leaves_partials
@ensureDeferred
async def test_interrupt_keeps(start_command: Start, scripted: Scripted, tmp_path: Path) -> None:
    """Ctrl-C, with nobody who catches it, ends the program and keeps what the next run goes on with."""
    body = BODY * 10_000
    half = (*cut(ok(body, [(b"ETag", b'"1"')]), 4_000_000)[:-1], Stall())
    scripted.on(b"/a", [half, ranged(body, etag=b'"1"')])
    text = program('with Downloader() as downloader: downloader.download(url("/a"), path="a")')
    process = start_command(scripted.url(""), program=text)
    await process.until(lambda: any(path.stat().st_size > 1_000_000 for path in tmp_path.glob("*a*")))
    process.send(signal.SIGINT)
    assert 0 != await process.ended(30)
    assert "KeyboardInterrupt" in process.err
    assert not (tmp_path / "a").exists()
    again = start_command(scripted.url(""), program=text)
    assert (0, "") == (await again.ended(), again.err)
    assert body == (tmp_path / "a").read_bytes()
    assert scripted.requests[1].header(b"Range") is not None


@ensureDeferred
async def test_forgotten(start_command: Start, scripted: Scripted) -> None:
    """A program that ends without closing its Downloader ends, even if a thread still waits."""
    scripted.on(b"/a", [(Stall(),)])
    lines = await said(
        start_command,
        scripted,
        """
        downloader = Downloader()
        def wait():
            for report in downloader.download_all([Download(url("/a"), "a")]):
                print(type(report.error).__name__)
        threading.Thread(target=wait).start()
        while "1 busy" not in repr(downloader):
            time.sleep(0.01)
        """,
    )
    assert ["Cancelled"] == lines


# The reactor


@ensureDeferred
async def test_monotonic(start_command: Start, scripted: Scripted) -> None:
    """Timers run on the monotonic clock; to start twice changes nothing."""
    lines = await said(
        start_command,
        scripted,
        """
        with Downloader(), Downloader():
            from twisted.internet import reactor
            print(reactor.seconds is time.monotonic)
        """,
    )
    assert ["True"] == lines


@ensureDeferred
async def test_others_crochet(start_command: Start, scripted: Scripted) -> None:
    """A reactor that the program's own use of crochet has started is used as it is."""
    scripted.on(b"/a", [ok(BODY)])
    lines = await said(
        start_command,
        scripted,
        """
        import crochet
        crochet.setup()
        from twisted.internet import reactor
        while not reactor.running: time.sleep(0.01)
        with Downloader() as downloader:
            print(downloader.download(url("/a"), path="a").size)
        """,
    )
    assert ["700"] == lines


@ensureDeferred
async def test_twisted_program(start_command: Start, scripted: Scripted) -> None:
    """Threads of a Twisted program may use it; the reactor's own thread is refused rather than blocked."""
    scripted.on(b"/a", [ok(BODY)])
    lines = await said(
        start_command,
        scripted,
        """
        from twisted.internet import reactor, task
        from twisted.internet.threads import deferToThread
        def blocks():
            with Downloader() as downloader:
                return downloader.download(url("/a"), path="a").size
        async def main(reactor):
            print(await deferToThread(blocks))
            try:
                Downloader()
            except RuntimeError as error:
                print(error)
        task.react(main)
        """,
    )
    assert ["700", "a blocking call in the reactor's thread would wait for itself"] == lines
