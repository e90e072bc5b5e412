"""What is known of a broker that many processes share, as Prometheus knows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted_pulp.live._counted import PREFIX

__all__ = ["broker_gauges"]


def broker_gauges(broker: Any, depth: Any) -> Iterator[Any]:
    """Give the families of *broker*; *depth*: how many messages it has, None: that could not be looked up."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    yield GaugeMetricFamily(PREFIX + "broker_connected", "Whether messages come and go.", value=broker.connected)
    if depth is not None:
        messages = GaugeMetricFamily(PREFIX + "broker_messages", "Messages of the broker.", labels=("state",))
        for state in ("ready", "held", "dead"):
            messages.add_metric([state], getattr(depth, state))
        yield messages
    confirms = getattr(broker, "confirms", None)
    if confirms is not None:
        yield GaugeMetricFamily(PREFIX + "broker_unconfirmed", "Messages on their way.", value=confirms.in_flight)
        published = CounterMetricFamily(PREFIX + "broker_published", "Messages published.", labels=("result",))
        published.add_metric(["confirmed"], confirms.confirmed)
        published.add_metric(["refused"], confirms.refused)
        yield published
