"""`python -m benchmarks.dispatch --broker URL`: messages a second that a RabbitMQ dispatches, each confirmed."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.task import deferLater, react

from twisted_pulp.jobs import AMQPBroker, Delivery

#: Messages a second, published with confirms, given out, and acknowledged, that are wanted on one machine of 2 cores.
GOAL = 2_000
#: Messages on their way at once, and held at once.
_WINDOW, _PREFETCH = 1_000, 256


@define(eq=False)
class Taker:
    """Takes messages, and is done with each at once."""

    wanted: set[str]
    done: Deferred[None] = field(init=False, factory=Deferred)

    def take(self, delivery: Delivery) -> None:
        """Take one."""
        delivery.done()
        self.wanted.discard(delivery.uid)
        if not self.wanted and not self.done.called:
            self.done.callback(None)


async def _dispatched(reactor: Any, url: str, count: int) -> float:
    """Return the seconds until each of *count* messages was confirmed and taken."""
    publisher, consumer = AMQPBroker(reactor, url), AMQPBroker(reactor, url)
    for broker in (publisher, consumer):
        await broker.start()
        if not broker.connected:
            raise SystemExit(f"no connection to the broker: {url.rpartition('@')[2]}")
    uids = [f"{number:022}" for number in range(count)]
    taker = Taker(set(uids))
    stop = consumer.consume(taker.take, _PREFETCH)
    window = DeferredSemaphore(_WINDOW)
    began = time.monotonic()
    for uid in uids:
        await window.acquire()
        publisher.publish(uid).addBoth(lambda _: window.release())
    await taker.done
    while publisher.confirms.in_flight:
        await deferLater(reactor, 0)
    seconds = time.monotonic() - began
    assert publisher.confirms.refused == 0
    await stop()
    for broker in (publisher, consumer):
        await broker.close()
    return seconds


def main() -> None:
    """Run it, and say whether the goal was met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dispatch", description=__doc__)
    parser.add_argument("--broker", required=True, metavar="URL", help="of a RabbitMQ whose queues are empty")
    parser.add_argument("--jobs", type=int, default=20_000, help="messages; default 20000")
    arguments = parser.parse_args()

    async def run(reactor: Any) -> None:
        seconds = await _dispatched(reactor, arguments.broker, arguments.jobs)
        rate = arguments.jobs / seconds
        said = f"{arguments.jobs} messages in {seconds:.2f} s: {rate:.0f} a second; the goal is {GOAL}: "
        sys.stdout.write(said + ("met\n" if rate >= GOAL else "not met\n"))
        if rate < GOAL:
            raise SystemExit(1)

    react(lambda reactor: Deferred.fromCoroutine(run(reactor)))


if __name__ == "__main__":
    main()
