"""The broker of one process."""

from __future__ import annotations

import pytest
from pytest_twisted import ensureDeferred

from tests.broker_contract import BrokerContract, Taker
from tests.leaks import LoggedErrors
from twisted_pulp.jobs import Delivery, Depth, LocalBroker


class TestLocalBroker(BrokerContract):
    """It keeps to what brokers keep to."""

    @pytest.fixture
    def broker(self) -> LocalBroker:
        """A broker without messages."""
        return LocalBroker()

    @ensureDeferred
    async def test_bounded(self, broker: LocalBroker) -> None:
        """Of what nobody takes, the oldest is forgotten."""
        for number in range(2_000):
            await broker.publish(str(number))
        assert Depth(ready=1_000, held=0, dead=0) == await broker.depth()
        taker = Taker()
        broker.consume(taker.take, 1)
        assert ["1000"] == taker.uids

    @ensureDeferred
    async def test_done_at_once(self, broker: LocalBroker) -> None:
        """Somebody who is done at once with all that has waited is given all of it."""
        uids = []

        def take(delivery: Delivery) -> None:
            uids.append(delivery.uid)
            delivery.done()

        for number in range(1_000):
            await broker.publish(str(number))
        broker.consume(take, 1)
        assert [str(number) for number in range(1_000)] == uids

    @ensureDeferred
    async def test_failing(self, broker: LocalBroker, logged_errors: LoggedErrors) -> None:
        """Somebody who fails keeps nothing from the others."""
        taker = Taker()

        def fail(delivery: Delivery) -> None:
            raise ValueError(delivery.uid)

        broker.consume(fail, 1)
        broker.consume(taker.take, 1)
        await broker.publish("a")
        await broker.publish("b")
        assert ["b"] == taker.uids
        assert 1 == len(logged_errors.flush(ValueError))
