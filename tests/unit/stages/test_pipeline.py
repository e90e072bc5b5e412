"""A pipeline: stages that run at once, and end together."""

from __future__ import annotations

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from twisted_pulp.stages import Pipeline, Stage


@define(eq=False)
class Numbers(Stage):
    """Put the numbers below *count*."""

    count: int

    async def run(self) -> None:
        """Put them."""
        for number in range(self.count):
            await self.put(number)


@define(eq=False)
class Collect(Stage):
    """Take everything."""

    taken: list[object] = field(factory=list)

    async def run(self) -> None:
        """Take it."""
        async for item in self.items():
            self.taken.append(item)


class Pass(Stage):
    """Put what comes, batch by batch."""

    async def run(self) -> None:
        """Put it."""
        async for batch in self.batches():
            for item in batch:
                await self.put(item)


def test_order(clock: Clock) -> None:
    """Nothing is lost, and nothing overtakes, though a channel holds only a part of it."""
    last = Collect()
    done = Deferred.fromCoroutine(Pipeline([Numbers(2000), Pass(), Pass(), last]).run(clock, capacity=7))
    assert done.called
    assert list(range(2000)) == last.taken
