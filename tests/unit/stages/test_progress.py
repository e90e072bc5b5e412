"""Progress: told to observers twice a second at most, and when something begins or ends."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from attrs import define, field
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock

from tests.leaks import LoggedErrors
from twisted_pulp.stages import Progress, ProgressReport


@define(eq=False)
class Told:
    """What an observer is told, and when."""

    clock: Clock
    heard: list[tuple[float, list[tuple[str, str, int]]]] = field(factory=list)

    def __call__(self, reports: tuple[ProgressReport, ...]) -> None:
        """Hear of *reports*."""
        self.heard.append((self.clock.seconds(), [(each.code, each.state, each.done) for each in reports]))


@pytest.fixture
def progress(clock: Clock) -> Progress:
    """Reports of a run that has not begun."""
    return Progress(clock)


@pytest.fixture
def told(clock: Clock, progress: Progress) -> Told:
    """Somebody who observes *progress*."""
    observer = Told(clock)
    progress.observe(observer)
    return observer


def test_report(progress: Progress) -> None:
    """There is one report for a code; it waits, and its total is not known."""
    report = progress.report("sync.parsing.metadata", "Parsing metadata")
    assert report is progress.report("sync.parsing.metadata", "Something else", 3)
    found = (report.code, report.message, report.total, report.done, report.bytes, report.suffix, report.state)
    assert ("sync.parsing.metadata", "Parsing metadata", None, 0, 0, None, "waiting") == found
    other = progress.report("associating.content", "Associating content", 0)
    assert 0 == other.total
    assert (report, other) == progress.reports


def test_counting(progress: Progress) -> None:
    """A report counts items and bytes, and learns how many there are."""
    report = progress.report("a", "A")
    report.advance()
    report.advance(2, bytes=10)
    report.expect_more()
    report.expect_more(4)
    report.mention("Packages.gz")
    assert (3, 10, 5, "Packages.gz") == (report.done, report.bytes, report.total, report.suffix)
    report.expect(None)
    assert report.total is None


def test_twice_a_second(clock: Clock, progress: Progress, told: Told) -> None:
    """However often a report changes, observers hear of it twice a second."""
    report = progress.report("a", "A")
    for _ in range(64):
        clock.advance(1 / 32)
        report.advance()
    assert [(1 / 32, [("a", "waiting", 0)])] == told.heard[:1]
    assert [0.5] * (len(told.heard) - 1) == [
        after[0] - before[0] for before, after in zip(told.heard, told.heard[1:], strict=False)
    ]
    assert 4 == len(told.heard)


def test_nothing_to_tell(clock: Clock, progress: Progress, told: Told) -> None:
    """Observers hear of what has changed only, and of nothing when nothing has."""
    first, second = progress.report("a", "A"), progress.report("b", "B")
    clock.advance(0)
    assert [(0, [("a", "waiting", 0), ("b", "waiting", 0)])] == told.heard
    second.advance()
    clock.advance(0.5)
    assert (0.5, [("b", "waiting", 1)]) == told.heard[-1]
    assert not clock.getDelayedCalls()
    clock.advance(10)
    first.advance()
    clock.advance(0)
    assert (10.5, [("a", "waiting", 1)]) == told.heard[-1]
    assert 3 == len(told.heard)


def test_state(clock: Clock, progress: Progress, told: Told) -> None:
    """A change of the state is told at once, with all else that has changed; then the half second begins anew."""
    first, second = progress.report("a", "A"), progress.report("b", "B")
    clock.advance(0)
    first.advance()
    clock.advance(0.25)
    second.enter("running")
    second.enter("running")
    assert [(0.25, [("a", "waiting", 1), ("b", "running", 0)])] == told.heard[1:]
    first.advance()
    clock.advance(0.25)
    assert 2 == len(told.heard)
    clock.advance(0.25)
    assert [(0.75, [("a", "waiting", 2)])] == told.heard[2:]


def test_unknown_state(progress: Progress) -> None:
    """A state there is not is a mistake."""
    with pytest.raises(ValueError, match="cancelled"):
        progress.report("a", "A").enter("cancelled")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "state"),
    [(None, "completed"), (OSError(), "failed"), (CancelledError(), "canceled"), (GeneratorExit(), "canceled")],
)
def test_context(clock: Clock, progress: Progress, told: Told, error: BaseException | None, state: str) -> None:
    """A report is running inside its context, and then what became of it."""
    with nullcontext() if error is None else pytest.raises(type(error)), progress.report("a", "A") as report:
        report.advance()
        if error is not None:
            raise error
    assert ["running", state] == [heard[1][0][1] for heard in told.heard]
    assert not clock.getDelayedCalls()


def test_skipped(progress: Progress) -> None:
    """What was skipped inside its context stays so."""
    with progress.report("a", "A") as report:
        report.enter("skipped")
    assert "skipped" == report.state


def test_copies(clock: Clock, progress: Progress) -> None:
    """Observers get copies, which stay as they are and tell nobody."""
    got: list[ProgressReport] = []
    progress.observe(got.extend)
    report = progress.report("a", "A")
    report.enter("running")
    report.advance()
    clock.advance(0.5)
    assert [0, 1] == [each.done for each in got]
    got[0].advance(7)
    assert (1, []) == (report.done, clock.getDelayedCalls())


def test_stop_observing(clock: Clock, progress: Progress, told: Told) -> None:
    """Who observes no more hears nothing more; others still do."""
    other = Told(clock)
    stop = progress.observe(other)
    progress.report("a", "A").enter("running")
    stop()
    progress.report("a", "A").enter("completed")
    assert (2, 1) == (len(told.heard), len(other.heard))


def test_observer_fails(clock: Clock, logged_errors: LoggedErrors) -> None:
    """An observer that fails is heard of in the log, and keeps nothing from the others, nor from the run."""
    progress, told = Progress(clock), Told(clock)
    progress.observe(lambda _: 1 / 0)
    progress.observe(told)
    progress.report("a", "A").enter("running")
    assert 1 == len(told.heard)
    assert 1 == len(logged_errors.flush(ZeroDivisionError))


def test_close(clock: Clock, progress: Progress, told: Told) -> None:
    """In the end observers hear of the last changes, and nothing is left in the reactor."""
    report = progress.report("a", "A")
    clock.advance(0)
    report.advance()
    progress.close()
    assert ([("a", "waiting", 1)], []) == (told.heard[-1][1], clock.getDelayedCalls())
    report.advance()
    report.enter("completed")
    progress.close()
    assert (2, []) == (len(told.heard), clock.getDelayedCalls())


def test_alone() -> None:
    """A report that belongs to no run can be counted with all the same."""
    report = ProgressReport(code="a", message="A")
    report.advance()
    assert 1 == report.done
