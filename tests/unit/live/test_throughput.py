"""How many bytes a second come is looked at, remembered and told."""

from collections.abc import Awaitable, Callable

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.leaks import LoggedErrors
from twisted_pulp.live import Event, Feed, Metrics, Throughput
from twisted_pulp.live._tally import add
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


def asked(world: World) -> tuple[list[Deferred[tuple[int, int]]], Callable[[], Awaitable[tuple[int, int]]]]:
    """Return what is asked how much comes in all, and what was asked so far."""
    waiting: list[Deferred[tuple[int, int]]] = []

    def all_of_them() -> Awaitable[tuple[int, int]]:
        waiting.append(Deferred())
        return waiting[-1]

    return waiting, all_of_them


def test_all() -> None:
    """Where there are other processes, what comes to all is remembered and told, as soon as it is known."""
    world = World()
    waiting, world.throughput.all = asked(world)
    world.feed.subscribe(world.heard.append)
    world.come(10)
    assert ([], 5) == (list(world.throughput.samples), world.throughput.own)
    waiting[0].callback((105, 3))
    assert [105] == list(world.throughput.samples)
    assert [{"bytes_per_second": 105, "downloads": 3}] == [event.data for event in world.heard]
    world.come(0)
    waiting[1].callback((0, 0))
    world.come(0)
    waiting[2].callback((0, 0))
    assert [105, 0] == [event.data["bytes_per_second"] for event in world.heard]
    assert [105, 0, 0] == list(world.throughput.samples)
    world.throughput.stop()


def test_all_slowly(logged_errors: LoggedErrors) -> None:
    """Nothing is asked while it is still asked, which ends with the looks; a mistake is logged, and asked again."""
    world = World()
    waiting, world.throughput.all = asked(world)
    for _ in range(3):
        world.come(10)
    assert 1 == len(waiting)
    waiting[0].errback(RuntimeError())
    assert 1 == len(logged_errors.flush(RuntimeError))
    world.come(10)
    assert (2, []) == (len(waiting), list(world.throughput.samples))
    world.throughput.stop()
    assert waiting[1].called
    assert [] == world.clock.getDelayedCalls()


def test_counted_for_others() -> None:
    """What other processes have told of is not what comes here: they tell it themselves."""
    world = World()
    add(world.metrics, {"bytes": 1000})
    world.come(10)
    assert (5, 1010) == (world.throughput.own, world.metrics.received)
    world.throughput.stop()
