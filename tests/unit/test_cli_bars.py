"""How a sync's progress looks: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from twisted.internet.task import Clock

from twisted_pulp.cli._bars import Bars
from twisted_pulp.cli._lines import Lines, line
from twisted_pulp.cli._streams import Stream
from twisted_pulp.stages import ProgressReport


def parsing(done: int = 3, total: int | None = None) -> ProgressReport:
    """Return the report of metadata that is read."""
    return ProgressReport(
        code="sync.parsing.metadata", message="Parsing metadata", done=done, total=total, state="running"
    )


def downloading(done: int = 40, state: str = "running") -> ProgressReport:
    """Return the report of files that are downloaded."""
    report = ProgressReport(code="sync.downloading.artifacts", message="Downloading artifacts", total=100)
    report.advance(done, done * 1024)
    report.enter(state)  # type: ignore[arg-type]
    return report


class Screen(io.StringIO):
    """A terminal's output."""

    def isatty(self) -> bool:
        """Say yes."""
        return True


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """A screen of 80 columns and 10 lines."""
    for name, value in {"TERM": "xterm", "COLUMNS": "80", "LINES": "10"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Screen()


def seen(view: Bars, width: int = 80) -> list[str]:
    """Return the lines of the picture."""
    console = Console(file=io.StringIO(), width=width, height=10, legacy_windows=False)
    console.print(view.picture(0.0))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def test_picture(clock: Clock, screen: Screen) -> None:
    """Each part has its words, a bar, how much is done of how much, and bytes if there are any."""
    first, second = seen(Bars(clock, Stream(screen), Stream(screen), lambda: [parsing(), downloading()]))
    assert (True, True, True, True) == (
        first.startswith("Parsing metadata "),
        first.endswith(" 3"),
        second.startswith("Downloading artifacts "),
        second.endswith(" 40/100 40.0 KiB"),
    )


def test_suffix(clock: Clock, screen: Screen) -> None:
    """What a part is at stands behind its words, and cannot move the cursor."""
    report = parsing()
    report.suffix = "\x1b[2Ja"
    (only,) = seen(Bars(clock, Stream(screen), Stream(screen), lambda: [report]))
    assert only.startswith("Parsing metadata: \\x1b[2Ja ")


def test_drawn(clock: Clock, screen: Screen) -> None:
    """The picture is drawn again and again, and is taken away at the end, with no timer left."""
    view = Bars(clock, Stream(screen), Stream(screen), lambda: [downloading()])
    view.start()
    clock.pump([0.125] * 3)
    view.say("above")
    view.complain("red")
    drawn = screen.getvalue().count("Downloading artifacts")
    view.stop()
    assert (True, []) == (drawn >= 3, clock.getDelayedCalls())
    assert (True, True) == tuple(words in screen.getvalue() for words in ("above", "red"))


# Lines


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (parsing(), "Parsing metadata: 3"),
        (parsing(3, 5), "Parsing metadata: 3 of 5"),
        (downloading(), "Downloading artifacts: 40 of 100, 40.0 KiB"),
        (downloading(1, "failed"), "Downloading artifacts: 1 of 100, 1.0 KiB (failed)"),
    ],
)
def test_line(report: ProgressReport, words: str) -> None:
    """A line has the same as a bar."""
    assert words == line(report)


def test_lines(clock: Clock) -> None:
    """A part is said when it is over, once, and every ten seconds while it goes on."""
    out = io.StringIO()
    reports = {"a": downloading()}
    view = Lines(clock, Stream(out), Stream(io.StringIO()), reports.values, quiet=False)
    view.start()
    clock.pump([0.5] * 19)
    assert "" == out.getvalue()
    clock.pump([0.5] * 2)
    assert "Downloading artifacts: 40 of 100, 40.0 KiB\n" == out.getvalue()
    clock.pump([0.5] * 30)
    reports["a"] = downloading(100, "completed")
    clock.pump([0.5] * 2)
    view.stop()
    assert ("Downloading artifacts: 100 of 100, 100 KiB", 2) == (
        out.getvalue().splitlines()[-1],
        out.getvalue().count("\n"),
    )
    assert [] == clock.getDelayedCalls()


def test_lines_at_the_end(clock: Clock) -> None:
    """What is over before anybody looked is said in the end."""
    out = io.StringIO()
    view = Lines(clock, Stream(out), Stream(io.StringIO()), lambda: [downloading(100, "completed")], quiet=False)
    view.start()
    view.stop()
    view.stop()
    assert 1 == out.getvalue().count("\n")


def test_quiet_lines(clock: Clock) -> None:
    """Who wants quiet hears of failures only."""
    out, err = io.StringIO(), io.StringIO()
    view = Lines(clock, Stream(out), Stream(err), lambda: [downloading(100, "completed")], quiet=True)
    view.start()
    view.complain("failed: a")
    view.stop()
    assert ("", "failed: a\n", []) == (out.getvalue(), err.getvalue(), clock.getDelayedCalls())
