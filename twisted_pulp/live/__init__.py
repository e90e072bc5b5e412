"""What a daemon is doing right now: events, numbers, health."""

from twisted_pulp.live._event import Event
from twisted_pulp.live._feed import Feed
from twisted_pulp.live._health import Health
from twisted_pulp.live._metrics import Metrics
from twisted_pulp.live._observed import Observed
from twisted_pulp.live._resource import MetricsResource
from twisted_pulp.live._running import Running
from twisted_pulp.live._streams import EventStreams
from twisted_pulp.live._throughput import Throughput
from twisted_pulp.live._troubles import Trouble, Troubles

__all__ = [
    "Event",
    "EventStreams",
    "Feed",
    "Health",
    "Metrics",
    "MetricsResource",
    "Observed",
    "Running",
    "Throughput",
    "Trouble",
    "Troubles",
]
