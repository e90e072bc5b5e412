"""What is counted while downloads run, and how it looks."""

from __future__ import annotations

import io
from collections.abc import AsyncGenerator, Generator
from typing import Any

import pytest
from rich.console import Console
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from twisted_pulp.cli._plain import Plain
from twisted_pulp.cli._progress import Progress
from twisted_pulp.cli._streams import Stream
from twisted_pulp.cli._terminal import Terminal
from twisted_pulp.cli._words import amount, duration, failure, outcome, summary
from twisted_pulp.download import Download, DownloadReport, Source, Totals
from twisted_pulp.errors import NotFound, PathError
from twisted_pulp.headers import Fields
from twisted_pulp.interfaces import Head
from twisted_pulp.lists import Refused

A = Download("http://example.org/a.bin", "a.bin", size=1000)
B = Download("http://example.org/b.bin?key=secret", "b.bin")


def head(length: int | None, offset: int = 0) -> Head:
    """Return what is known before the first byte."""
    return Head(A.url, 200, Fields(()), length, offset, Source(A.url))


def done(download: Download, size: int = 1000, *, present: bool = False) -> DownloadReport:
    """Return the report of a success."""
    return DownloadReport(url=download.url, path=download.path, size=size, present=present, download=download)


def failed(download: Download) -> DownloadReport:
    """Return the report of a failure."""
    return DownloadReport(url=download.url, error=NotFound(download.url, 404), download=download)


def begun(progress: Progress, *downloads: Download) -> None:
    """Begin *downloads*, and say that there are no more."""
    assert list(downloads) == list(progress.watched(each for each in downloads))


# Counting


def test_begun() -> None:
    """A download is on its way from when it is taken; how many there are is known at the end."""
    progress = Progress()
    watched = progress.watched(each for each in (A, B))
    next(watched)
    assert (1, None, ["a.bin"]) == (progress.begun, progress.files, [row.name for row in progress.active.values()])
    assert [B] == list(watched)
    assert (2, 2) == (progress.begun, progress.files)


def test_begun_later() -> None:
    """Downloads that come one by one are counted alike."""

    async def slowly() -> AsyncGenerator[Download]:
        yield A
        yield B

    async def taken(progress: Progress) -> list[Download]:
        return [each async for each in progress.watched(slowly())]

    progress = Progress()
    assert [A, B] == Deferred.fromCoroutine(taken(progress)).result
    assert (2, 2) == (progress.begun, progress.files)


def test_closed() -> None:
    """Who leaves early leaves no list open."""

    def endless() -> Generator[Download]:
        try:
            while True:
                yield A
        finally:
            closed.append(True)

    closed: list[bool] = []
    watched = Progress().watched(endless())
    next(watched)
    watched.close()
    assert [True] == closed


def test_closed_later() -> None:
    """Who leaves early closes what comes one by one, too."""

    async def endless() -> AsyncGenerator[Download]:
        try:
            while True:
                yield A
        finally:
            closed.append(True)

    async def one() -> None:
        watched = Progress().watched(endless())
        await anext(watched)
        await watched.aclose()

    closed: list[bool] = []
    assert Deferred.fromCoroutine(one()).called
    assert [True] == closed


def test_bytes() -> None:
    """Bytes that came are done, and came over the network."""
    progress = Progress()
    begun(progress, A)
    progress.headers(A, head(1000))
    progress.progress(A, 300, 1000)
    progress.progress(A, 500, 1000)
    assert (500, 500, 1000, 0.5) == (progress.done(), progress.network, progress.expected(), progress.fraction())


def test_resumed() -> None:
    """Bytes of an earlier run are done, but did not come over the network."""
    progress = Progress()
    begun(progress, A)
    progress.headers(A, head(1000, offset=800))
    progress.progress(A, 900, 1000)
    assert (900, 100) == (progress.done(), progress.network)


def test_from_the_start() -> None:
    """A try from byte 0 takes back what was done; what comes counts again."""
    progress = Progress()
    begun(progress, A)
    progress.progress(A, 900, 1000)
    progress.headers(A, head(1000))
    assert 0 == progress.done()
    progress.progress(A, 100, 1000)
    assert (100, 1000) == (progress.done(), progress.network)


def test_ended() -> None:
    """A file that ended is done with its size, present ones too; a failed one is done as well."""
    progress = Progress((3, 3000))
    begun(progress, A, B)
    progress.finished(done(A))
    progress.finished(done(B, 500, present=True))
    assert (2, 1500, {}) == (progress.ended, progress.done(), progress.active)
    c = Download(A.url, "c", size=1500)
    begun(progress, c)
    progress.finished(failed(c))
    assert (3000, 1.0) == (progress.done(), progress.fraction())


def test_strangers() -> None:
    """Downloads that were not watched, such as a list's own, leave no trace."""
    progress = Progress()
    progress.headers(A, head(1000))
    progress.progress(A, 10, 1000)
    assert (0, {}) == (progress.done(), progress.active)


def test_expected() -> None:
    """How much there is is unknown until the last file's length is."""
    progress = Progress()
    begun(progress, A, B)
    assert progress.expected() is None
    progress.headers(B, head(None))
    assert progress.expected() is None
    progress.headers(B, head(234))
    assert 1234 == progress.expected()


def test_fraction_of_files() -> None:
    """Where the bytes are unknown, files are counted, and those on their way by their parts."""
    progress = Progress((4, None))
    assert 0.0 == progress.fraction()
    begun(progress, A, B)
    progress.files = 4
    progress.finished(done(B))
    progress.progress(A, 500, 1000)
    assert 0.375 == progress.fraction()


def test_fraction_of_nothing() -> None:
    """Where nothing is known, or nothing is to be done, there is no fraction."""
    assert Progress().fraction() is None
    assert Progress((0, 0)).fraction() is None


def test_speed() -> None:
    """Speed is of the last seconds: a pause is forgotten."""
    progress = Progress()
    begun(progress, A)
    assert 0.0 == progress.speed(10.0)
    progress.progress(A, 500, 1000)
    assert 500.0 == progress.speed(11.0)
    for now in range(12, 20):
        speed = progress.speed(now)
    assert 0.0 == speed


def test_left() -> None:
    """The time left goes by bytes where they are known, else by files, else nobody knows."""
    assert 10.0 == Progress((1, 1000)).left(100.0, 5.0)
    assert Progress((1, 1000)).left(0.0, 5.0) is None
    progress = Progress((4, None))
    assert progress.left(100.0, 5.0) is None
    progress.ended = 1
    assert 15.0 == progress.left(100.0, 5.0)
    assert Progress().left(100.0, 5.0) is None


# Words


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (4096, "4.0 KiB"),
        (153600, "150 KiB"),
        (1 << 30, "1.0 GiB"),
        (1 << 62, "4096.0 PiB"),
    ],
)
def test_amount(size: int, words: str) -> None:
    """Sizes have three digits or so."""
    assert words == amount(size)


@pytest.mark.parametrize(("seconds", "words"), [(0.4, "0:00"), (59.6, "1:00"), (3661, "1:01:01")])
def test_duration(seconds: float, words: str) -> None:
    """Times look like a clock's."""
    assert words == duration(seconds)


def test_outcome() -> None:
    """A file that is there shows its path and size, and whether it was there already."""
    report = done(Download(A.url, "/d/a.bin"))
    assert "fetched  a.bin  1000 B" == outcome(report, "/d/")
    report.present = True
    assert "present  /d/a.bin  1000 B" == outcome(report, "/e/")


def test_failure() -> None:
    """A failure shows URL and reason, and no secret."""
    assert "failed: http://example.org/b.bin?key=***: 404 Not Found" == failure(failed(B))


@pytest.mark.parametrize(
    ("totals", "words"),
    [
        (Totals(succeeded=1, bytes=2048), "1 file; 2.0 KiB in 2.00 s (1.0 KiB/s)"),
        (Totals(succeeded=3, present=2, failed=1), "4 files, 2 present, 1 failed; 0 B in 2.00 s"),
    ],
)
def test_summary(totals: Totals, words: str) -> None:
    """The last line counts everything."""
    assert words == summary(totals, 2.0)


# Plain lines


def plain(clock: Clock, *, quiet: bool = False) -> tuple[Plain, io.StringIO, io.StringIO]:
    """Return a plain view and what it writes to."""
    out, err = io.StringIO(), io.StringIO()
    return Plain(clock, Stream(out), Stream(err), quiet), out, err


def test_plain(clock: Clock) -> None:
    """Results go to standard output, failures to standard error."""
    view, out, err = plain(clock)
    view.start()
    view.finished(done(A))
    view.finished(failed(B))
    view.refused(Refused("list:3", "not UTF-8"))
    view.stop()
    assert "fetched  a.bin  1000 B\n" == out.getvalue()
    assert ["failed: http://example.org/b.bin?key=***: 404 Not Found", "failed: list:3: not UTF-8"] == (
        err.getvalue().splitlines()
    )


def test_quiet(clock: Clock) -> None:
    """Who wants quiet hears of failures only."""
    view, out, err = plain(clock, quiet=True)
    view.finished(done(A))
    view.finished(failed(B))
    assert ("", 1) == (out.getvalue(), err.getvalue().count("\n"))


def test_held(clock: Clock) -> None:
    """Lines are written soon, many at a time, and no timer is left."""
    view, _, _ = plain(clock)
    view.finished(done(A))
    view.finished(done(A))
    assert (True, 1) == (view._out.held, len(clock.getDelayedCalls()))
    clock.advance(0.1)
    assert (False, []) == (view._out.held, clock.getDelayedCalls())
    view.finished(done(A))
    view.stop()
    assert (False, []) == (view._out.held, clock.getDelayedCalls())


def test_no_hooks(clock: Clock) -> None:
    """Plain lines cost nothing while bytes flow."""
    view, _, _ = plain(clock)
    downloads = iter([A])
    assert ({}, downloads) == (view.hooks(), view.watched(downloads))


# The picture


class Screen(io.StringIO):
    """A terminal's output."""

    def isatty(self) -> bool:
        """Say yes."""
        return True


class Gone(Screen):
    """A terminal that has gone."""

    def write(self, text: str) -> int:
        raise OSError(5, "Input/output error")


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """A screen of 80 columns and 10 lines."""
    for name, value in {"TERM": "xterm", "COLUMNS": "80", "LINES": "10"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Screen()


def seen(view: Terminal, now: float) -> list[str]:
    """Return the lines of the picture at *now*."""
    console = Console(file=io.StringIO(), width=80, height=10, legacy_windows=False)
    console.print(view.picture(now))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def test_picture(clock: Clock, screen: Screen) -> None:
    """All files, those on their way, bytes, speed and time left are seen."""
    view = Terminal(clock, Stream(screen), Stream(io.StringIO()), Progress((2, 2000)))
    begun(view.progress, A)
    view.progress.files = 2
    seen(view, 0.0)
    view.progress.progress(A, 500, 1000)
    first, second = seen(view, 1.0)
    assert first.startswith("0/2 files")
    assert first.endswith("500 B of 2.0 KiB 500 B/s 0:03")
    assert (True, True) == (second.startswith("  a.bin"), "500 B of 1000 B" in second)


def test_picture_of_little(clock: Clock, screen: Screen) -> None:
    """Files that are quick are not shown, nor is what nobody knows."""
    view = Terminal(clock, Stream(screen), Stream(io.StringIO()), Progress())
    watched = view.progress.watched(each for each in (B, A))
    next(watched)
    (line,) = seen(view, 0.0)
    assert line.startswith("0 files")
    assert line.endswith("0 B 0 B/s -:--")
    assert 1 == len(seen(view, 0.2))
    assert 2 == len(seen(view, 0.4))


def test_picture_of_many(clock: Clock, screen: Screen) -> None:
    """More files than there are lines are counted instead."""
    downloads = [Download(A.url, f"{n}.bin", size=10) for n in range(20)]
    view = Terminal(clock, Stream(screen), Stream(io.StringIO()), Progress())
    begun(view.progress, *downloads)
    seen(view, 0.0)
    lines = seen(view, 1.0)
    assert (9, "  and 13 more") == (len(lines), lines[-1])


def test_hostile_name(clock: Clock, screen: Screen) -> None:
    """A name can neither move the cursor nor be taken for markup."""
    view = Terminal(clock, Stream(screen), Stream(io.StringIO()), Progress())
    begun(view.progress, Download(A.url, "\x1b[2J[red]a", size=10))
    seen(view, 0.0)
    assert "\\x1b[2J[red]a" in seen(view, 1.0)[1]


def test_moving(clock: Clock, screen: Screen) -> None:
    """The picture is drawn again and again, and is taken away at the end, with no timer left."""
    view = Terminal(clock, Stream(screen), Stream(io.StringIO()), Progress((1, 1000)))
    view.start()
    clock.pump([0.125] * 4)
    drawn = screen.getvalue().count("0/1 files")
    view.stop()
    assert 4 == drawn
    assert [] == clock.getDelayedCalls()
    assert screen.getvalue().rstrip("\n").endswith(("\x1b[?25h", "\x1b[2K"))


def test_complaint_above(clock: Clock, screen: Screen) -> None:
    """On one terminal a failure stands above the picture; on two places each has its own."""
    view = Terminal(clock, Stream(screen), Stream(screen), Progress())
    begun(view.progress, B)
    view.finished(failed(B))
    assert "404 Not Found" in screen.getvalue()
    elsewhere = io.StringIO()
    view = Terminal(clock, Stream(Screen()), Stream(elsewhere), Progress())
    view.refused(Refused("list", "gone"))
    assert "failed: list: gone\n" == elsewhere.getvalue()


def test_success_unsaid(clock: Clock, screen: Screen) -> None:
    """A file that is there is counted, not named."""
    view = Terminal(clock, Stream(screen), Stream(screen), Progress())
    begun(view.progress, A)
    view.finished(done(A))
    assert (1, "") == (view.progress.ended, screen.getvalue())


def test_terminal_gone(clock: Clock, screen: Screen) -> None:
    """When the terminal goes away, drawing ends, and nothing is raised."""
    view = Terminal(clock, Stream(Gone()), Stream(io.StringIO()), Progress())
    view.start()
    clock.pump([0.125] * 4)
    view.say("a")
    view.stop()
    assert [] == clock.getDelayedCalls()


def test_hooks(clock: Clock, screen: Screen) -> None:
    """The picture is fed by hooks."""
    view: Any = Terminal(clock, Stream(screen), Stream(screen), Progress())
    assert {"headers": view.progress.headers, "progress": view.progress.progress} == view.hooks()


def test_own_errors() -> None:
    """An error that has no URL is shown by its reason."""
    report = DownloadReport(url=A.url, error=PathError(detail="it leaves"), download=A)
    assert "failed: http://example.org/a.bin: it leaves" == failure(report)
