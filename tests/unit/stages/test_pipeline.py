"""A pipeline: stages that run at once, and end together."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock, deferLater

from tests.leaks import LoggedErrors
from twisted_pulp.errors import StageStuck
from twisted_pulp.stages import Budget, Content, DeclarativeArtifact, DeclarativeContent, Pipeline, Stage


def unit(*artifacts: DeclarativeArtifact) -> DeclarativeContent:
    """Return a unit with *artifacts*."""
    return DeclarativeContent(content=Content(type="test", key=("a",)), artifacts=artifacts)


@define(eq=False)
class Put(Stage):
    """Put *items*, then wait for *more*."""

    items_: Any = ()
    more: Deferred[None] | None = None

    async def run(self) -> None:
        """Put them."""
        for item in self.items_:
            await self.put(item)
        if self.more is not None:
            await self.more


@define
class Collect(Stage):
    """Take everything; let *each* see it."""

    each: Callable[[Any], object] = repr
    taken: list[Any] = field(factory=list)

    async def run(self) -> None:
        """Take it."""
        async for item in self.items():
            self.each(item)
            self.taken.append(item)


class Pass(Stage):
    """Put what comes, batch by batch."""

    async def run(self) -> None:
        """Put it."""
        async for batch in self.batches():
            await self.put_all(batch)


class Slow(Stage):
    """Take one item and never come back; when that is cancelled, tidy up for a second."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.tidied = False

    async def run(self) -> None:
        """Take it."""
        try:
            async for _ in self.items():
                await Deferred()
        finally:
            await deferLater(self.clock, 1)
            self.tidied = True


class Broken(Stage):
    """Fail at the first item, or before, or when it is cancelled."""

    def __init__(self, error: BaseException, *, late: bool = False) -> None:
        self.error, self.late = error, late

    async def run(self) -> None:
        """Fail."""
        try:
            async for _ in self.items():
                if not self.late:
                    break
        finally:
            raise self.error


@define(eq=False)
class Running:
    """A pipeline that was started, and what came of it."""

    done: Deferred[None]
    outcome: list[Any] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.done.addBoth(self.outcome.append)


def start(clock: Clock, *stages: Stage, **options: Any) -> Running:
    """Start a pipeline of *stages*."""
    return Running(Deferred.fromCoroutine(Pipeline(stages).run(clock, **options)))


# What goes through


@pytest.mark.parametrize("capacity", [1, 7, 500])
def test_order(clock: Clock, capacity: int) -> None:
    """Nothing is lost, and nothing overtakes, though a channel holds only a part of it."""
    last = Collect()
    running = start(clock, Put(range(2000)), Pass(), Pass(), last, capacity=capacity)
    assert [None] == running.outcome
    assert list(range(2000)) == last.taken


def test_nothing(clock: Clock) -> None:
    """No stages, one stage, and no items are done at once."""
    assert [None] == start(clock).outcome
    assert [None] == start(clock, Put([1, 2])).outcome
    assert [None] == start(clock, Collect()).outcome
    assert [None] == start(clock, Put(), Pass(), Collect()).outcome


def test_first_batches(clock: Clock) -> None:
    """A first stage has no batches, and what the last stage puts goes nowhere."""
    assert [None] == start(clock, Pass()).outcome
    assert [None] == start(clock, Put([1]), Pass()).outcome


def test_metadata_still_arriving(clock: Clock) -> None:
    """Units go through to the end while the first stage waits for the rest of its metadata."""
    last, more = Collect(), Deferred()  # type: ignore[var-annotated]
    running = start(clock, Put([1, 2, 3], more), Pass(), Pass(), last)
    clock.pump([0.1] * 2)
    assert ([1, 2, 3], []) == (last.taken, running.outcome)
    more.callback(None)
    assert [None] == running.outcome


def test_awaited(clock: Clock) -> None:
    """A first stage may wait for what becomes of a unit; the batches it is in do not make it wait."""

    class First(Stage):
        ids: list[int]

        async def run(self) -> None:
            self.ids = []
            for _ in range(3):
                parent = unit()
                await self.put(parent)
                self.ids.append(await parent.resolution())

    def save(item: DeclarativeContent) -> None:
        item.content_id = 41
        item.resolve()

    first = First()
    running = start(clock, first, Pass(), Pass(), Pass(), Collect(save))
    assert ([None], [41, 41, 41]) == (running.outcome, first.ids)
    assert 0 == clock.seconds()


def test_memory_is_bounded(clock: Clock) -> None:
    """A stage that does not take what comes holds all stages before it."""
    put: list[int] = []

    def numbers() -> Any:
        for number in range(10_000):
            put.append(number)
            yield number

    running = start(clock, Put(numbers()), Pass(), Pass(), Slow(clock), capacity=10)
    assert len(put) <= 3 * 2 * 10 + 2
    running.done.cancel()
    clock.pump([0, 1])
    assert [CancelledError] == [failure.type for failure in running.outcome]


# What is a mistake


def test_same_stage_twice() -> None:
    """The same stage twice is a mistake; two of the same class are none."""
    stage = Pass()
    with pytest.raises(ValueError, match="twice"):
        Pipeline([stage, Pass(), stage])
    with pytest.raises(ValueError, match="twice"):
        Pipeline([stage]).insert(stage, after=Pass)


def test_two_pipelines_at_once(clock: Clock) -> None:
    """A stage is in one pipeline that runs; after that it can be in another."""
    last, more = Collect(), Deferred()  # type: ignore[var-annotated]
    running = start(clock, Put([1], more), last)
    refused = start(clock, Put([2]), last)
    assert refused.outcome[0].check(ValueError)
    more.callback(None)
    assert [None] == running.outcome
    assert [None] == start(clock, Put([3]), last).outcome
    assert [1, 3] == last.taken


def test_put_nothing(clock: Clock) -> None:
    """None is no item, not even behind the last stage."""
    for stages in ((Put([None]), Collect()), (Put([None]),)):
        running = start(clock, *stages)
        clock.advance(0)
        assert running.outcome[0].check(ValueError)

    class All(Stage):
        async def run(self) -> None:
            await self.put_all([1, None])

    for rest in ((Collect(),), ()):
        running = start(clock, All(), *rest)
        clock.advance(0)
        assert running.outcome[0].check(ValueError)


def test_outside(clock: Clock) -> None:
    """A stage that is in no pipeline that runs has nobody to take from, or to give to."""
    with pytest.raises(RuntimeError, match="no pipeline"):
        Pass().batches()


def test_no_run(clock: Clock) -> None:
    """A stage without a run, or with one that is no coroutine, fails the pipeline, and leaves nothing behind."""

    class Wrong(Stage):
        def run(self) -> None:  # type: ignore[override]
            return None

    for stage, error in ((Stage(), NotImplementedError), (Wrong(), TypeError)):
        running = start(clock, Put([1], Deferred()), stage)
        clock.advance(0)
        assert running.outcome[0].check(error)


def test_early_return(clock: Clock) -> None:
    """A stage that returns with items left, or before the last one came, fails the pipeline: no loss is silent."""

    class One(Stage):
        async def run(self) -> None:
            async for _ in self.items():
                break

    more: Deferred[None] = Deferred()

    class Late(Stage):
        async def run(self) -> None:
            await self.put(1)
            await more
            await self.put(2)

    running = start(clock, Put([1, 2, 3]), One())
    late = start(clock, Late(), One())
    clock.advance(0)
    assert ([], True) == (late.outcome, bool(running.outcome))
    more.callback(None)
    clock.advance(0)
    for each in (running, late):
        assert each.outcome[0].check(RuntimeError)
        assert "One returned before" in str(each.outcome[0].value)


# What fails


@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_first_failure(clock: Clock, at: int) -> None:
    """The first failure cancels all other stages and waits for them; then the pipeline fails with it."""
    error, others = OSError("disk"), [Slow(clock) for _ in range(2)]
    stages: list[Stage] = [Put([1], Deferred()), Pass(), *others]
    stages.insert(at, _Trigger(trigger := Deferred(), error))
    running = start(clock, *stages)
    clock.pump([0.1] * 2)
    assert not running.outcome
    trigger.callback(None)
    clock.pump([0, 0.5])
    assert ([False, False], []) == ([other.tidied for other in others], running.outcome)
    clock.advance(0.5)
    assert ([True, True], error) == ([other.tidied for other in others], running.outcome[0].value)
    assert not clock.getDelayedCalls()


@define(eq=False)
class _Trigger(Stage):
    """Pass everything on, and fail when told."""

    told: Deferred[None]
    error: BaseException

    async def run(self) -> None:
        passing = Deferred.fromCoroutine(self._pass())
        try:
            await self.told
            raise self.error
        finally:
            passing.addErrback(lambda failure: failure.trap(CancelledError) and None)
            passing.cancel()

    async def _pass(self) -> None:
        async for item in self.items():
            await self.put(item)


def test_failure_at_the_first_item(clock: Clock) -> None:
    """A stage may fail inside the put of the one before, which is running then."""
    running = start(clock, Put(range(2000)), Pass(), Broken(OSError("disk")), Pass(), capacity=3)
    clock.advance(0)
    assert running.outcome[0].check(OSError)


def test_failure_of_the_last(clock: Clock) -> None:
    """When nobody is left to be cancelled, the failure is there at once, and no timer."""
    running = start(clock, Broken(OSError("disk")))
    assert running.outcome[0].check(OSError)
    assert not clock.getDelayedCalls()


def test_failures_after_the_first(clock: Clock, logged_errors: LoggedErrors) -> None:
    """A stage that fails while it is cancelled is heard of in the log."""
    stages = (Put([], Deferred()), Broken(KeyError("late"), late=True), _Trigger(Deferred(), OSError()))
    running = start(clock, *stages)
    stages[2].told.callback(None)
    clock.advance(0)
    assert running.outcome[0].check(OSError)
    assert 1 == len(logged_errors.flush(KeyError))


def test_swallowed_cancel(clock: Clock) -> None:
    """A stage that takes no notice of being cancelled gets no more items, and can put none."""

    class Stubborn(Stage):
        async def run(self) -> None:
            while True:
                try:
                    async for item in self.items():
                        await self.put(item)
                except CancelledError:
                    await self.put(1)

    running = start(clock, Put([1], Deferred()), Stubborn(), Collect())
    running.done.cancel()
    clock.advance(0)
    assert running.outcome[0].check(CancelledError)


# What is stuck


@define(eq=False)
class Stuck(Stage):
    """Take one item, and wait for what never comes, however often that is cancelled."""

    patience: float | None = 100.0
    ends: int = 1
    cancelled: int = field(default=0, init=False)

    async def run(self) -> None:
        """Wait."""
        async for _ in self.items():
            while self.cancelled < self.ends:
                try:
                    await Deferred()
                except CancelledError:
                    self.cancelled += 1
            raise CancelledError


@pytest.mark.parametrize("more", [0, 2000])
def test_stuck(clock: Clock, more: int) -> None:
    """A stage that waits while nothing moves fails the pipeline when its patience ends, and not before."""
    running = start(clock, Put(range(1 + more)), Pass(), stuck := Stuck(), Collect())
    clock.pump([1] * 100)
    assert [] == running.outcome
    clock.pump([1] * 20)
    error = running.outcome[0].value
    assert (StageStuck, ("Stuck",), 100) == (type(error), error.stages, error.seconds)
    assert "Stuck went on for 100 s while nothing moved" == str(error)
    assert 1 == stuck.cancelled
    assert not clock.getDelayedCalls()


def test_stuck_together(clock: Clock) -> None:
    """Who waits for a unit that a stuck stage has is named as well, once its own patience has ended."""

    class First(Stage):
        patience = 50.0

        async def run(self) -> None:
            parent = unit()
            await self.put(parent)
            await parent.resolution()

    running = start(clock, First(), Stuck(55.0))
    clock.pump([1] * 55)
    assert ("First",) == running.outcome[0].value.stages
    running = start(clock, First(), Stuck(50.0))
    clock.pump([1] * 60)
    assert "First and Stuck went" in str(running.outcome[0].value)


def test_not_stuck(clock: Clock) -> None:
    """Nobody is stuck while an item moves, a sign changes, or one is busy whose patience does not end."""

    class Lingering(Stage):
        async def run(self) -> None:
            async for item in self.items():
                await deferLater(self._wired().reactor, 90)
                await self.put(item)

    slow = start(clock, Put(range(3)), Lingering(), Stuck(1000.0))
    telling = start(clock, Put([1]), Stuck(), signs=clock.seconds)
    first = Put([1], Deferred())
    first.patience = 100
    patient = start(clock, first, Stuck(None))
    clock.pump([1] * 900)
    for running in (slow, telling, patient):
        assert [] == running.outcome
        running.done.cancel()
        clock.advance(0)
        assert running.outcome[0].check(CancelledError)
    assert not clock.getDelayedCalls()


def test_process_slept(clock: Clock) -> None:
    """A clock that leaps, since the process slept, makes nobody stuck."""
    running = start(clock, Put([1]), Stuck())
    clock.pump([1] * 50)
    clock.advance(10_000)
    assert [] == running.outcome
    clock.pump([1] * 100)
    assert running.outcome[0].check(StageStuck)


@pytest.mark.parametrize(("ends", "seconds"), [(1, 0), (2, 60), (3, 120)])
def test_slow_to_end(clock: Clock, logged_errors: LoggedErrors, ends: int, seconds: int) -> None:
    """A stage that does not end is cancelled once more after a minute, and left behind after another, which is said."""
    running = start(clock, Put([1]), stuck := Stuck(ends=ends), Collect())
    running.done.cancel()
    clock.pump([0, *[1] * seconds][:-1])
    assert seconds == 0 or [] == running.outcome
    clock.pump([0, 1])
    assert [CancelledError] == [failure.type for failure in running.outcome]
    assert min(ends, 2) == stuck.cancelled
    assert not clock.getDelayedCalls()


def test_no_patience(clock: Clock) -> None:
    """A stage without any patience is a mistake."""
    assert start(clock, Put([1]), Stuck(0.0)).outcome[0].check(ValueError)


# What is cancelled


@pytest.mark.parametrize("capacity", [1, 500])
@pytest.mark.parametrize("count", [0, 1, 10_000])
@pytest.mark.parametrize("ended", [True, False])
def test_cancel(clock: Clock, capacity: int, count: int, ended: bool) -> None:
    """The whole can be cancelled while channels are empty, full, or closed; all stages have come to their end then."""
    slow = Slow(clock)
    more: Deferred[None] | None = None if ended else Deferred()
    running = start(clock, Put(range(count), more), Pass(), slow, Pass(), Collect(), capacity=capacity)
    clock.pump([0.1] * 3)
    if ended and not count:
        clock.advance(1)
        assert [None] == running.outcome
        return
    running.done.cancel()
    clock.pump([0, 1])
    assert ([CancelledError], True) == ([failure.type for failure in running.outcome], slow.tidied)
    assert not clock.getDelayedCalls()


def test_cancel_again(clock: Clock) -> None:
    """Cancelling again, while stages tidy up, hurries nobody."""
    slow = Slow(clock)
    running = start(clock, Put([1]), slow)
    for _ in range(3):
        running.done.cancel()
        clock.advance(0)
    assert ([], False) == (running.outcome, slow.tidied)
    clock.advance(1)
    assert ([CancelledError], True) == ([failure.type for failure in running.outcome], slow.tidied)


def test_cancel_from_inside(clock: Clock) -> None:
    """A stage may cancel the pipeline it is in."""
    more: Deferred[None] = Deferred()
    last = Collect(lambda item: running.done.cancel() if item == 2 else None)
    running = start(clock, Put([1], more), _Then(2), last)
    more.callback(None)
    clock.advance(0)
    assert running.outcome[0].check(CancelledError)


@define(eq=False)
class _Then(Stage):
    """Pass everything on, and then *last*."""

    last: object

    async def run(self) -> None:
        async for item in self.items():
            await self.put(item)
        await self.put(self.last)
        await Deferred()


def test_what_is_left(clock: Clock) -> None:
    """Units that nobody takes any more give their places in the budget back, and nobody waits for them any more."""
    budget, units = Budget(items=6), [unit(DeclarativeArtifact(sources=(), relative_path="a")) for _ in range(6)]
    for each in units:
        each.artifacts[0].admission = budget.admit(None).result
    running = start(clock, Put(units), Slow(clock), capacity=2, budget=budget)
    failed: list[Any] = []
    units[2].resolution().addErrback(failed.append)
    running.done.cancel()
    clock.pump([0, 1])
    assert running.outcome[0].check(CancelledError)
    assert failed[0].check(CancelledError)
    # The first was taken, and it is the stage's to give back; the last two were never put.
    assert [1, 0, 0, 0, 1, 1] == [int(each.artifacts[0].admission is not None) for each in units]
    assert 3 == budget.used_items


# What is changed


class A(Pass):
    """One of a row."""


class B(Pass):
    """One of a row."""


class C(Pass):
    """One of a row."""


def kinds(pipeline: Pipeline) -> str:
    """Name the classes of the stages of *pipeline*."""
    return "".join(type(stage).__name__ for stage in pipeline.stages)


def test_change() -> None:
    """Stages are inserted, replaced and removed by their class, in a new pipeline."""
    pipeline = Pipeline([A(), B()])
    assert "ACB" == kinds(pipeline.insert(C(), before=B))
    assert "ABC" == kinds(pipeline.insert(C(), after=B))
    assert "CB" == kinds(pipeline.replace(A, C()))
    assert "A" == kinds(pipeline.remove(B))
    assert "AB" == kinds(pipeline)


@pytest.mark.parametrize(
    "change",
    [
        lambda pipeline: pipeline.insert(Pass()),
        lambda pipeline: pipeline.insert(Pass(), before=A, after=A),
        lambda pipeline: pipeline.insert(Pass(), before=C),
        lambda pipeline: pipeline.replace(Pass, C()),
        lambda pipeline: pipeline.remove(C),
    ],
)
def test_wrong_change(change: Callable[[Pipeline], Pipeline]) -> None:
    """Where a stage goes must be said once, and by the class of exactly one stage."""
    with pytest.raises(ValueError, match="stage"):
        change(Pipeline([A(), B()]))


# Anything


class Erratic(Stage):
    """Pass everything on with random waits, batched or not, and perhaps fail."""

    def __init__(self, clock: Clock, rng: random.Random, failing: float) -> None:
        self.clock, self.rng, self.failing = clock, rng, failing
        self.ended = False

    async def run(self) -> None:
        """Pass it on."""
        try:
            if self.rng.random() < 0.5:
                async for batch in self.batches(self.rng.randint(1, 9)):
                    await self._pause()
                    await self.put_all(batch)
            else:
                async for item in self.items():
                    await self._pause()
                    await self.put(item)
        finally:
            try:
                if self.rng.random() < 0.3:
                    await deferLater(self.clock, self.rng.random())
            finally:
                self.ended = True

    async def _pause(self) -> None:
        if self.rng.random() < self.failing:
            raise OSError("at random")
        if self.rng.random() < 0.4:
            await deferLater(self.clock, self.rng.random())


def test_any_schedule(
    rng: random.Random, campaign_count: Callable[[int, int], int], logged_errors: LoggedErrors
) -> None:
    """Whatever happens when: all goes through in order, or all has come to an end and nothing is left."""
    for _ in range(campaign_count(80, 20_000)):
        clock, failing = Clock(), rng.choice([0, 0, 0.01])
        stages = [Erratic(clock, rng, failing) for _ in range(rng.randint(1, 5))]
        last = Collect()
        running = start(clock, Put(range(60)), *stages, last, capacity=rng.randint(1, 9))
        cancelled_at = rng.choice([10**9, rng.randint(0, 300)])
        for step in range(3000):
            if running.outcome:
                break
            if step == cancelled_at:
                running.done.cancel()
            clock.advance(0.05)
        assert all(stage.ended for stage in stages)
        assert not clock.getDelayedCalls()
        assert last.taken == list(range(len(last.taken)))
        if running.outcome == [None]:
            assert 60 == len(last.taken)
        else:
            assert running.outcome[0].check(OSError if failing else CancelledError, CancelledError)
            logged_errors.flush(OSError)  # two of them may fail in the same turn
