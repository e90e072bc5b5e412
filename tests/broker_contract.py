"""What every broker keeps to, as a mixin for the tests of each."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import define, field
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from twisted_pulp.errors import BrokerUnavailable
from twisted_pulp.jobs import DeadLetter, Delivery, Depth, IBroker

__all__ = ["BrokerContract", "Taker"]

#: Times that a message is given out again before it is put aside.
DELIVERIES = 5


@define(eq=False)
class Taker:
    """
    A worker that only holds what it is given.

    :ivar held: what it was given, in order.
    """

    held: list[Delivery] = field(init=False, factory=list)
    _waiting: list[tuple[int, Deferred[None]]] = field(init=False, factory=list)

    def take(self, delivery: Delivery) -> None:
        """Hold it."""
        self.held.append(delivery)
        for each in [each for each in self._waiting if each[0] <= len(self.held)]:
            self._waiting.remove(each)
            each[1].callback(None)

    async def has(self, count: int) -> list[str]:
        """Wait until it was given so many, and return their uids."""
        if len(self.held) < count:
            waiting: Deferred[None] = Deferred()
            self._waiting.append((count, waiting))
            await waiting
        return [each.uid for each in self.held]

    @property
    def uids(self) -> list[str]:
        """What it was given."""
        return [each.uid for each in self.held]


class BrokerContract:
    """The laws of `IBroker`; the fixture `broker` of a test class gives a connected one without messages."""

    def test_interface(self, broker: Any) -> None:
        """A broker is an `IBroker`."""
        assert verifyObject(IBroker, broker)
        assert broker.connected
        assert isinstance(broker.shared, bool)

    @ensureDeferred
    async def test_delivered(self, broker: Any) -> None:
        """What was published before and after somebody consumes is given out once, in order, for the first time."""
        taker = Taker()
        await broker.publish("a")
        broker.consume(taker.take, 10)
        await broker.publish("b")
        assert ["a", "b"] == await taker.has(2)
        assert [0, 0] == [each.count for each in taker.held]

    @ensureDeferred
    async def test_done(self, broker: Any) -> None:
        """What is done is not given out again, to nobody."""
        taker, other = Taker(), Taker()
        stop = broker.consume(taker.take, 10)
        await broker.publish("a")
        await taker.has(1)
        taker.held[0].done()
        taker.held[0].again()  # too late
        await stop()
        broker.consume(other.take, 10)
        await broker.publish("b")
        assert ["b"] == await other.has(1)

    @ensureDeferred
    async def test_prefetch(self, broker: Any) -> None:
        """Nobody is given more than it asked for until it has done something."""
        taker = Taker()
        broker.consume(taker.take, 2)
        for uid in "abc":
            await broker.publish(uid)
        await taker.has(2)
        assert ["a", "b"] == taker.uids
        taker.held[0].done()
        assert ["a", "b", "c"] == await taker.has(3)

    @ensureDeferred
    async def test_two(self, broker: Any) -> None:
        """Of several who consume, each has its turn."""
        one, two = Taker(), Taker()
        broker.consume(one.take, 1)
        broker.consume(two.take, 1)
        for uid in "ab":
            await broker.publish(uid)
        await one.has(1)
        await two.has(1)
        assert {"a", "b"} == {*one.uids, *two.uids}

    @ensureDeferred
    async def test_again(self, broker: Any) -> None:
        """What is given back is given out again, and says how often it was."""
        taker = Taker()
        broker.consume(taker.take, 1)
        await broker.publish("a")
        await taker.has(1)
        taker.held[0].again()
        assert ["a", "a"] == await taker.has(2)
        assert [0, 1] == [each.count for each in taker.held]

    @ensureDeferred
    async def test_parked(self, broker: Any) -> None:
        """What is given back again and again is put aside, without keeping back the rest."""
        await self._parked(broker, "bad")
        (dead,) = await broker.dead(10)
        assert DeadLetter("bad", dead.count) == dead
        assert DELIVERIES <= dead.count
        for _ in range(2000):  # to look at it is to have it for a moment
            if (await broker.depth()).dead:
                break
        assert 1 == (await broker.depth()).dead

    @ensureDeferred
    async def test_given_up(self, broker: Any) -> None:
        """A message can be put aside at once, for a job that was given up."""
        await broker.park("bad")
        assert [DeadLetter("bad", 0)] == await broker.dead(10)
        assert await broker.replay("bad")
        taker = Taker()
        broker.consume(taker.take, 1)
        assert ["bad"] == await taker.has(1)

    async def _parked(self, broker: Any, uid: str) -> None:
        """Let a message be put aside."""
        taker = Taker()
        stop = broker.consume(taker.take, 1)
        await broker.publish(uid)
        for count in range(DELIVERIES + 1):
            await taker.has(count + 1)
            taker.held[-1].again()
        await broker.publish("end")
        assert "end" == (await taker.has(DELIVERIES + 2))[-1]
        assert list(range(DELIVERIES + 1)) == [each.count for each in taker.held[:-1]]
        taker.held[-1].done()
        await stop()

    @ensureDeferred
    async def test_replayed(self, broker: Any) -> None:
        """What was put aside can be published again, as if it were new, and is not there any more."""
        await self._parked(broker, "bad")
        assert await broker.replay("bad")
        assert [] == await broker.dead(10)
        assert not await broker.replay("bad")
        taker = Taker()
        broker.consume(taker.take, 1)
        assert ["bad"] == await taker.has(1)
        assert 0 == taker.held[0].count

    @ensureDeferred
    async def test_buried(self, broker: Any) -> None:
        """What was put aside can be forgotten; the rest stays, the oldest first."""
        for uid in ("one", "two", "three"):
            await self._parked(broker, uid)
        assert await broker.bury("two")
        assert not await broker.bury("two")
        assert ["one", "three"] == [each.uid for each in await broker.dead(10)]
        assert 1 == len(await broker.dead(1))

    @ensureDeferred
    async def test_depth(self, broker: Any) -> None:
        """It says how many messages wait, and how many are in the hands of whom it gave them."""
        taker = Taker()
        for uid in "abc":
            await broker.publish(uid)
        assert Depth(ready=3, held=0, dead=0) == await broker.depth()
        broker.consume(taker.take, 1)
        await taker.has(1)
        assert Depth(ready=2, held=1, dead=0) == await broker.depth()

    @ensureDeferred
    async def test_closed(self, broker: Any) -> None:
        """A broker that is closed takes nothing and gives nothing out."""
        taker = Taker()
        broker.consume(taker.take, 1)
        await broker.close()
        assert not broker.connected
        with pytest.raises(BrokerUnavailable):
            await broker.publish("a")
        assert [] == taker.uids

    @pytest.mark.parametrize("uid", ["", "not a job", "\N{SNOWMAN}" * 100], ids=["empty", "words", "snow"])
    @ensureDeferred
    async def test_any_uid(self, broker: Any, uid: str) -> None:
        """What a message says comes as it is."""
        taker = Taker()
        broker.consume(taker.take, 1)
        await broker.publish(uid)
        assert [uid] == await taker.has(1)
