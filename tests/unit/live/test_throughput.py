"""How many bytes a second come is looked at, remembered and told."""

from twisted.internet.task import Clock

from twisted_pulp.live import Event, Feed, Metrics, Throughput
from twisted_pulp.live._throughput import KEPT


class World:
    """Bytes that come."""

    def __init__(self) -> None:
        self.clock, self.feed, self.metrics = Clock(), Feed(), Metrics()
        self.throughput = Throughput(self.metrics, self.feed, self.clock)
        self.throughput.start()
        self.heard: list[Event] = []

    def come(self, size: int) -> None:
        """Let so many bytes come in the next two seconds."""
        self.metrics.bytes += size
        self.clock.advance(2)


def test_samples() -> None:
    """Bytes a second are remembered for five minutes."""
    world = World()
    assert 0 == world.throughput.now
    world.come(100)
    world.come(0)
    world.come(50)
    assert [50, 0, 25] == list(world.throughput.samples)
    assert 25 == world.throughput.now
    for _ in range(KEPT):
        world.come(2)
    assert [1] * KEPT == list(world.throughput.samples)
    world.throughput.stop()


def test_before() -> None:
    """What came before it was started is not of the first two seconds."""
    world = World()
    world.throughput.stop()
    world.come(1000)
    world.throughput.start()
    world.throughput.start()
    world.come(10)
    assert [5] == list(world.throughput.samples)
    world.throughput.stop()
    world.throughput.stop()
    assert [] == world.clock.getDelayedCalls()


def test_told() -> None:
    """Who listens is told, but not again and again that nothing comes."""
    world = World()
    world.come(10)
    unsubscribe = world.feed.subscribe(world.heard.append)
    for size in (10, 0, 0, 0, 20):
        world.come(size)
    assert [5, 0, 10] == [event.data["bytes_per_second"] for event in world.heard]
    unsubscribe()
    world.come(10)
    assert 3 == len(world.feed.since(f"{world.feed.epoch}-0") or ())
    world.throughput.stop()
