"""Events are told, and kept for a while."""

import pytest

from tests.leaks import LoggedErrors
from twisted_pulp.live import Event, Feed


def numbers(events: list[Event] | None) -> list[int] | None:
    """Return the numbers of *events*."""
    return None if events is None else [event.number for event in events]


def test_publish() -> None:
    """An event is told to all who listen, with an id of its own."""
    feed, heard = Feed(epoch="e"), []
    feed.subscribe(heard.append)
    assert ["e-1", "e-2"] == [feed.publish("job", {"uid": "a\nb"}), feed.publish("health", {})]
    assert [("e-1", "job", {"uid": "a\nb"}), ("e-2", "health", {})] == [(one.id, one.name, one.data) for one in heard]
    assert b'id: e-1\nevent: job\ndata: {"uid":"a\\nb"}\n\n' == heard[0].wire


def test_epochs() -> None:
    """Two processes give no two events the same id."""
    assert Feed().publish("job", {}) != Feed().publish("job", {})


def test_unsubscribe() -> None:
    """Who has unsubscribed, even while it is told, hears no more; others do."""
    feed, heard = Feed(), []

    def once(event: Event) -> None:
        heard.append("once")
        unsubscribe()

    unsubscribe = feed.subscribe(once)
    feed.subscribe(lambda event: heard.append("always"))
    feed.publish("job", {})
    feed.publish("job", {})
    unsubscribe()
    assert ["once", "always", "always"] == heard
    assert 1 == feed.listeners


def test_failing_listener(logged_errors: LoggedErrors) -> None:
    """A listener that fails keeps nobody else from hearing."""
    feed, heard = Feed(), []

    def fail(event: Event) -> None:
        raise RuntimeError("a mistake")

    feed.subscribe(fail)
    feed.subscribe(heard.append)
    feed.publish("job", {})
    assert 1 == len(heard)
    assert 1 == len(logged_errors.flush(RuntimeError))


@pytest.mark.parametrize("number", range(4))
def test_since(number: int) -> None:
    """What happened after an event is known, however long ago that was."""
    feed = Feed(epoch="e")
    for _ in range(3):
        feed.publish("job", {})
    assert list(range(number + 1, 4)) == numbers(feed.since(f"e-{number}"))
    assert list(range(number + 1, 4))[:1] == numbers(feed.since(f"e-{number}", 1))


@pytest.mark.parametrize("last", ["", "e", "e-", "e-x", "e-4", "e--1", "e-²", "f-1", "1", "e-" + "9" * 5000])
def test_unknown(last: str) -> None:
    """It is not known what happened since an event that was not ours."""
    feed = Feed(epoch="e")
    for _ in range(3):
        feed.publish("job", {})
    assert feed.since(last) is None


def test_size() -> None:
    """So many events are kept; what happened before is not known any more."""
    feed = Feed(2, epoch="e")
    for _ in range(4):
        feed.publish("job", {})
    assert [None, None, [3, 4], [4], []] == [numbers(feed.since(f"e-{number}")) for number in range(5)]


def test_room() -> None:
    """So many bytes of events are kept, but always the last event."""
    feed = Feed(room=100, epoch="e")
    for size in (10, 50, 40, 200):
        feed.publish("job", {"x": "x" * size})
        assert feed.since(f"e-{feed._last - 1}") is not None
    assert numbers(feed.since("e-3")) == [4]
    assert feed.since("e-2") is None


@pytest.mark.parametrize("name", ["", "Job", "a b", "a\ndata: x", "ü"])
def test_names(name: str) -> None:
    """The name of an event is a plain word, and one that is not changes nothing."""
    feed = Feed()
    with pytest.raises(ValueError, match="no name"):
        feed.publish(name, {})
    assert feed.last.endswith("-0")


def test_no_size() -> None:
    """A feed keeps one event at least."""
    with pytest.raises(ValueError, match="0 events"):
        Feed(0)


def test_close() -> None:
    """Listeners are told of the end, and those who come later at once."""
    feed, ended = Feed(), []
    feed.subscribe(lambda event: None, lambda: ended.append(1))
    feed.close()
    feed.subscribe(lambda event: None, lambda: ended.append(2))()
    assert [1, 2] == ended
    assert 0 == feed.listeners


def test_repr() -> None:
    """What a feed holds can be seen."""
    feed = Feed(epoch="e")
    feed.publish("job", {})
    assert "<Feed e-1: 1 events, 0 listeners>" == repr(feed)
