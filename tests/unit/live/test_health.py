"""Health is told in a word, and its changes to whoever wants to know."""

from twisted_pulp.live import Feed, Health


def test_states() -> None:
    """A daemon starts, is ready, is not well, is well again, and stops."""
    health = Health()
    states = [health.state]
    health.ready = True
    states.append(health.state)
    health.degrade("storage", "the disk is full")
    states.append(health.state)
    assert health.ready
    assert {"storage": "the disk is full"} == health.degraded
    health.recover("storage")
    states.append(health.state)
    health.stop()
    states.append(health.state)
    assert ["starting", "ready", "degraded", "ready", "stopping"] == states
    assert not health.ready


def test_stopped() -> None:
    """What stops is not ready again."""
    health = Health()
    health.stop()
    health.ready = True
    assert not health.ready
    assert "<Health stopping>" == repr(health)


def test_told() -> None:
    """Changes are told, each once."""
    feed, heard = Feed(), []
    feed.subscribe(heard.append)
    health = Health(feed.publish)
    for _ in range(2):
        health.ready = True
        health.degrade("catalog", "locked")
    health.degrade("catalog", "gone")
    for _ in range(2):
        health.recover("catalog")
        health.stop()
    assert [
        {"state": "ready", "ready": True, "degraded": {}},
        {"state": "degraded", "ready": False, "degraded": {"catalog": "locked"}},
        {"state": "degraded", "ready": False, "degraded": {"catalog": "gone"}},
        {"state": "ready", "ready": True, "degraded": {}},
        {"state": "stopping", "ready": False, "degraded": {}},
    ] == [event.data for event in heard]
