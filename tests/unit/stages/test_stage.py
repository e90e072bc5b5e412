"""A stage: what a plugin writer has in hand."""

from __future__ import annotations

import gc
from collections.abc import Callable, Coroutine
from itertools import chain
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import Clock, deferLater

from twisted_pulp.stages import Pipeline, Stage

Body = Callable[["Does"], Coroutine[Any, Any, None]]


@define(eq=False)
class Does(Stage):
    """Do what *body* says; keep what was *seen*."""

    body: Body
    seen: list[Any] = field(factory=list)

    async def run(self) -> None:
        """Do it."""
        await self.body(self)


async def numbers(stage: Does) -> None:
    """Put the numbers below 1200."""
    await stage.put_all(range(1200))


def outcome(clock: Clock, *bodies: Body) -> tuple[list[Does], Any]:
    """Run stages that do *bodies*, and return them and what came of the pipeline."""
    stages = [Does(body) for body in bodies]
    results: list[Any] = []
    Deferred.fromCoroutine(Pipeline(stages).run(clock)).addBoth(results.append)
    clock.pump([0.1] * 60)
    return stages, results[0]


def test_batches(clock: Clock) -> None:
    """Batches have 500 items unless said otherwise, and the last one has the rest."""

    async def take(stage: Does) -> None:
        stage.seen = [batch async for batch in stage.batches()]

    async def take_small(stage: Does) -> None:
        stage.seen = [batch async for batch in stage.batches(7)]

    (_, last), result = outcome(clock, numbers, take)
    assert (None, [500, 500, 200]) == (result, [len(batch) for batch in last.seen])
    (_, last), result = outcome(clock, numbers, take_small)
    assert (None, list(range(1200))) == (result, list(chain.from_iterable(last.seen)))
    assert all(len(batch) >= 7 for batch in last.seen[:-1])


def test_linger(clock: Clock) -> None:
    """A stage says for how long its batches may wait."""

    async def trickle(stage: Does) -> None:
        for number in range(4):
            await stage.put(number)
            await deferLater(clock, 0.2)

    async def patient(stage: Does) -> None:
        stage.seen = [batch async for batch in stage.batches(linger=0.5)]

    async def hasty(stage: Does) -> None:
        stage.seen = [batch async for batch in stage.batches()]

    assert [[0, 1, 2], [3]] == outcome(clock, trickle, patient)[0][1].seen
    assert [[0], [1], [2], [3]] == outcome(clock, trickle, hasty)[0][1].seen


def test_workers(clock: Clock) -> None:
    """Several coroutines of one stage may share its items and put at once: each item goes to one of them."""

    async def share(stage: Does) -> None:
        async def work() -> None:
            async for item in stage.items():
                await deferLater(clock, 0.001)
                await stage.put(item)

        await gatherResults([Deferred.fromCoroutine(work()) for _ in range(4)], consumeErrors=True)

    async def some(stage: Does) -> None:
        await stage.put_all(range(40))

    async def take(stage: Does) -> None:
        stage.seen = [item async for item in stage.items()]

    (_, _, last), result = outcome(clock, some, share, take)
    assert (None, list(range(40))) == (result, sorted(last.seen))


def test_failing_inside_items(clock: Clock) -> None:
    """A stage that fails over an item, or a batch, leaves nothing behind that complains later."""

    async def over_an_item(stage: Does) -> None:
        async for item in stage.items():
            raise OSError(item)

    async def over_a_batch(stage: Does) -> None:
        async for batch in stage.batches():
            raise OSError(batch[0])

    for body in (over_an_item, over_a_batch):
        _, result = outcome(clock, numbers, body)
        assert (OSError, 0) == (result.type, result.value.args[0])
        del result
        gc.collect()


def test_validation_in_the_middle(clock: Clock) -> None:
    """A stage may ask somebody about each unit, drop what is refused, and hold nobody up with it."""

    async def lint(stage: Does) -> None:
        async for number in stage.items():
            await deferLater(clock, 0.01)
            if number % 2:
                await stage.put(number)

    async def few(stage: Does) -> None:
        await stage.put_all(range(10))

    async def take(stage: Does) -> None:
        stage.seen = [item async for item in stage.items()]

    (_, _, last), result = outcome(clock, few, lint, take)
    assert (None, [1, 3, 5, 7, 9]) == (result, last.seen)
