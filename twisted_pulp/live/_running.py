"""The parts of a daemon that runs."""

from __future__ import annotations

from typing import Any

from attrs import define, field

from twisted_pulp.live._feed import Feed
from twisted_pulp.live._health import Health
from twisted_pulp.live._metrics import Metrics
from twisted_pulp.live._throughput import Throughput
from twisted_pulp.live._tracing import wanted_tracing
from twisted_pulp.live._troubles import Troubles

__all__ = ["Running"]


@define(eq=False, kw_only=True)
class Running:
    """
    The parts of a daemon that runs, for whoever shows or uses them.

    :ivar reactor: that runs.
    :ivar settings: those in force; replaced when they are read anew.
    :ivar data: the `DataDirectory`.
    :ivar context: what all downloads share.
    :ivar jobs: the durable work.
    :ivar nodes: the processes that share the catalog; None where nobody asked.
    :ivar claims: what each of them fetches; None where there can be only one.
    :ivar worker: does it; None where the daemon has no such role.
    :ivar scheduler: begins work again and again; None where the daemon has no such role.
    :ivar streamer: serves content; None where the daemon has no such role.
    :ivar feed: what happens.
    :ivar metrics: how much.
    :ivar health: whether it goes well.
    :ivar started: when it was, in seconds since the epoch.
    :ivar version: of this package.
    :ivar tracing: tells OpenTelemetry what is done; None where nobody wants that.
    :ivar throughput: of downloads of late; to be started and stopped.
    :ivar troubles: what went wrong with downloads of late.
    """

    reactor: Any = field(repr=False)
    settings: Any = field(repr=False)
    data: Any
    context: Any
    jobs: Any = None
    nodes: Any = None
    claims: Any = None
    worker: Any = None
    scheduler: Any = None
    streamer: Any = None
    feed: Feed
    metrics: Metrics
    health: Health
    started: float = 0.0
    version: str = ""
    tracing: Any = field(repr=False, factory=wanted_tracing)
    throughput: Throughput = field(init=False, repr=False)
    troubles: Troubles = field(init=False, repr=False, factory=Troubles)

    def __attrs_post_init__(self) -> None:
        told = () if self.tracing is None else (self.tracing.note,)
        self.metrics.watch(self.context, self.troubles.note, *told)
        if self.tracing is not None and self.jobs is not None:
            self.jobs.carried = self.tracing.carried
        self.throughput = Throughput(self.metrics, self.feed, self.reactor)
