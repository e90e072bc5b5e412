"""Stage: one step of a sync, which runs at the same time as all others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

from attrs import frozen
from twisted.internet.interfaces import IReactorTime

from twisted_pulp.stages._batches import Batches
from twisted_pulp.stages._budget import Budget
from twisted_pulp.stages._channel import Channel

if TYPE_CHECKING:
    from twisted_pulp.stages._sync import Sync

__all__ = ["LINGER", "MINSIZE", "PATIENCE", "Stage", "Wires"]

#: A query for so many keys costs little more than one for a single key; more would only use more memory.
MINSIZE = 500
#: Seconds. Nobody notices a tenth; at full speed a batch is full before.
LINGER = 0.1
#: Seconds. Whatever a plugin asks for on its way, an answer that takes an hour will not come.
PATIENCE = 3600.0


@frozen
class Wires:
    """What ties a stage to its pipeline: the reactor, the budget, if any, and the channels before and behind it."""

    reactor: IReactorTime
    budget: Budget | None
    before: Channel
    behind: Channel | None


class Stage:
    """
    One step: takes what the stage before has put, and puts what the next one shall take.

    Subclasses have a `run`. An instance is in one pipeline at a time.

    :ivar sync: the surroundings, once it is part of a sync.
    :ivar patience: seconds for which it may be at something of its own while nothing else in the pipeline moves; then
        the pipeline fails with a `StageStuck`. Default 3600; None: for ever.
    """

    sync: Sync
    patience: float | None = PATIENCE
    _wires: Wires | None = None

    async def run(self) -> None:
        """
        Do the work; the next stage's items end when this returns.

        It returns once it has taken all items. When it raises, the whole pipeline fails with that error.
        """
        raise NotImplementedError(f"{type(self).__name__} has no run()")

    def items(self) -> AsyncIterator[Any]:
        """Give one item after the other; none to the first stage. Several coroutines of a stage may share them."""
        return self._wired().before.items()

    def batches(self, minsize: int = MINSIZE, linger: float | None = LINGER) -> AsyncIterator[list[Any]]:
        """
        Give the items in lists, in order; none to the first stage.

        A list has fewer items than *minsize* when no more will come, when somebody awaits the resolution of one of
        them, when the budget needs the room they take, and when they have waited for *linger* seconds.

        :param minsize: default 500; no more than the channel holds is waited for. A list may have more.
        :param linger: default 0.1 seconds; 0: one turn of the reactor; None: however long it takes, which may block for
            ever a stage that waits for what becomes of an item.
        :raises ValueError: when *minsize* is less than 1.
        """
        wires = self._wired()
        return Batches(wires.reactor, wires.before, wires.budget, minsize, linger).each()

    async def put(self, item: Any) -> None:
        """
        Give *item* to the next stage once there is room; what the last stage puts is dropped.

        :raises ValueError: when *item* is None.
        """
        behind = self._wired().behind
        if behind is None:
            if item is None:
                raise ValueError("None is no item")
        elif not behind.offer(item):
            await behind.put(item)

    async def put_all(self, items: Sequence[Any]) -> None:
        """Give *items*, a batch for example, to the next stage, as `put` would each of them, but for less."""
        behind = self._wired().behind
        if behind is not None:
            await behind.put_all(items)
        elif any(item is None for item in items):
            raise ValueError("None is no item")

    def _busy(self) -> bool:
        """Return whether it is at something of its own, waiting neither for items nor for room."""
        wires = self._wired()
        return not wires.before.awaited and not (wires.behind is not None and wires.behind.crowded)

    def _wired(self) -> Wires:
        if self._wires is None:
            raise RuntimeError(f"{type(self).__name__} is in no pipeline that runs")
        return self._wires
