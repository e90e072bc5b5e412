"""Events reach clients as server-sent events, however slow those are."""

from typing import Any

from twisted.internet.defer import Deferred

from tests.leaks import LoggedErrors
from tests.unit.live.asking import Asking
from twisted_pulp.errors import CatalogError
from twisted_pulp.live import Event, EventStreams, Feed


class World:
    """A feed, and a client who listens to it."""

    def __init__(self, most: int = 100, wanted: Any = None, lasts: Any = None) -> None:
        self.feed = Feed(200, epoch="e")
        self.client = Asking(self.answer)
        self.streams = EventStreams(self.feed, self.client.clock, most=most)
        self.given = {} if wanted is None else {"wanted": wanted}
        self.given |= {} if lasts is None else {"lasts": lasts}

    def answer(self, request: Any) -> None:
        self.streams.serve(request, **self.given)

    def publish(self, count: int = 1) -> None:
        """Let something happen, and wait until it is told."""
        for _ in range(count):
            self.feed.publish("job", {"n": self.feed._last + 1})
        self.client.clock.advance(0.05)

    @property
    def heard(self) -> list[str]:
        """The ids of the events that the client has heard of, with the names of those that are special."""
        found = []
        for block in self.client.body.split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
            if fields.get("event") is not None:
                found.append(fields["id"] if fields["event"] == "job" else f"{fields['event']} {fields['id']}")
        return found

    def end(self) -> None:
        """Leave, and see that nothing is left."""
        self.client.leave()
        assert (0, 0) == (self.streams.count, self.feed.listeners)
        assert [] == self.client.clock.getDelayedCalls()


def test_new() -> None:
    """A client hears of what happens from now on."""
    world = World()
    world.publish()
    world.client.ask()
    assert "Content-Type: text/event-stream" in world.client.head
    assert "Cache-Control: no-store" in world.client.head
    world.publish(2)
    assert ["e-2", "e-3"] == world.heard
    world.end()


def test_resumed() -> None:
    """A client that comes back hears of what it has missed, once."""
    world = World()
    world.publish(3)
    world.client.ask(Last_Event_ID="e-1")
    assert ["e-2", "e-3"] == world.heard
    world.publish()
    assert ["e-2", "e-3", "e-4"] == world.heard
    world.end()


def test_reset() -> None:
    """A client whose last event is not known is told to begin again, and hears of what happens then."""
    world = World()
    world.publish(3)
    world.client.ask(Last_Event_ID="other-1")
    world.publish()
    assert ["reset e-3", "e-4"] == world.heard
    world.end()


def test_burst() -> None:
    """Events that come together are told together."""
    world = World()
    world.client.ask()
    before = len(world.client.transport.io.getvalue())
    for _ in range(10):
        world.feed.publish("job", {})
    assert before == len(world.client.transport.io.getvalue())
    world.client.clock.advance(0.05)
    assert 10 == len(world.heard)
    world.end()


def test_wanted() -> None:
    """A client hears only of what it wants, and is not told again what it did not."""
    world = World(wanted=lambda event: event.number % 2 == 0)
    world.client.ask()
    world.publish(4)
    world.publish(2)
    assert ["e-2", "e-4", "e-6"] == world.heard
    world.end()


def test_heartbeat() -> None:
    """A client to whom nothing is told for a while is told that."""
    world = World()
    world.client.ask()
    assert ": still here" not in world.client.body
    for _ in range(2):
        world.client.clock.advance(15)
    assert 2 == world.client.body.count(": still here\n\n")
    world.end()


def test_slow() -> None:
    """Nothing is kept for a client that takes nothing; when it does again, it hears of all."""
    world = World()
    world.client.ask()
    producer = world.client.transport.producer
    producer.pauseProducing()
    before = len(world.client.transport.value())
    world.publish(100)
    assert before == len(world.client.transport.value())
    producer.resumeProducing()
    assert [f"e-{number}" for number in range(1, 101)] == world.heard
    world.end()


def test_too_slow() -> None:
    """A client that has missed more than is kept is told to begin again."""
    world = World()
    world.client.ask()
    producer = world.client.transport.producer
    producer.pauseProducing()
    world.publish(300)
    producer.resumeProducing()
    world.publish()
    assert ["reset e-300", "e-301"] == world.heard
    world.end()


def test_filling() -> None:
    """What is written stops where the client stops taking it, in the middle of what it has missed."""
    world = World()
    world.publish(150)
    transport, written = world.client.transport, world.client.transport.writeSequence

    def write(data: list[bytes]) -> None:
        written(data)
        if b"e-64\n" in b"".join(data):
            transport.producer.pauseProducing()

    transport.writeSequence = write  # type: ignore[method-assign, assignment]
    world.client.ask(Last_Event_ID="e-0")
    assert 64 == len(world.heard)
    transport.producer.resumeProducing()
    assert 150 == len(world.heard)
    world.end()


def test_stalled() -> None:
    """A client that takes nothing for a minute is cut off."""
    world = World()
    world.client.ask()
    world.client.transport.producer.pauseProducing()
    world.client.clock.advance(59)
    assert not world.client.transport.aborted
    world.client.clock.advance(1)
    assert world.client.transport.aborted
    world.end()


def test_crowded() -> None:
    """When too many listen, one more is told to come again later."""
    world = World(most=0)
    world.client.ask()
    assert "503" in world.client.head.splitlines()[0]
    assert "Retry-After: 10" in world.client.head
    world.client.leave()


def test_head() -> None:
    """Who asks for the head only is answered at once."""
    world = World()
    world.client.ask(b"HEAD")
    assert "text/event-stream" in world.client.head
    world.end()


def test_ended() -> None:
    """When there will be no more events, the response ends."""
    world = World()
    world.client.ask()
    world.publish()
    world.feed.publish("job", {})
    world.feed.close()
    assert world.client.transport.value().endswith(b"0\r\n\r\n")
    assert 0 == world.streams.count
    world.client.leave()


def test_no_longer() -> None:
    """Who may not listen any more is told no more, at the next look; while nobody can look, who listens may."""
    answers: list[Any] = [True, CatalogError("away"), False]

    async def lasts() -> bool:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return bool(found)

    world = World(lasts=lasts)
    world.client.ask()
    for _ in range(2):
        world.client.clock.advance(15)
    world.publish()
    assert (["e-1"], 1, 1) == (world.heard, world.streams.count, len(answers))
    world.client.clock.advance(15)
    assert (0, 0, []) == (world.streams.count, world.feed.listeners, answers)
    assert world.client.transport.value().endswith(b"\r\n0\r\n\r\n")
    world.client.leave()
    assert [] == world.client.clock.getDelayedCalls()


def test_left_meanwhile() -> None:
    """Who leaves while it is looked whether they may listen is not asked for again."""
    asked: list[Deferred[bool]] = []

    def lasts() -> Deferred[bool]:
        asked.append(Deferred())
        return asked[-1]

    for answer in (True, False):
        world = World(lasts=lasts)
        world.client.ask()
        world.client.clock.advance(15)
        world.end()
        asked.pop().callback(answer)
        assert [] == world.client.clock.getDelayedCalls()


def test_unasked(logged_errors: LoggedErrors) -> None:
    """A mistake of who is asked is logged."""

    async def lasts() -> bool:
        raise RuntimeError

    world = World(lasts=lasts)
    world.client.ask()
    world.client.clock.advance(15)
    assert 1 == len(logged_errors.flush(RuntimeError))
    world.end()


def test_repr() -> None:
    """How many listen can be seen."""
    world = World()
    world.client.ask()
    assert "<EventStreams 1 open>" == repr(world.streams)
    world.end()


def test_late_end() -> None:
    """The end of the feed means nothing to a client who has left."""
    world = World()
    world.client.ask()
    world.client.leave()
    world.feed.publish("job", {})
    world.feed.close()
    assert [] == world.client.clock.getDelayedCalls()


def test_event() -> None:
    """An event can be told from its parts."""
    assert {"a": 1} == Event.of("e", 1, "job", {"a": 1}).data
