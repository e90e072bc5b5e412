"""Those who fetch the parts of a file, and whom they ask."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred

from twisted_pulp.download import Download, Source
from twisted_pulp.errors import HTTPStatusError, PulpError
from twisted_pulp.settings import Remote
from twisted_pulp.transfer._leg import Leg
from twisted_pulp.transfer._surroundings import Surroundings
from twisted_pulp.transfer._tries import Tries, asked_to_wait

__all__ = ["Crew", "Worker"]

# They say that there are too many requests, not that anything is wrong.
_TOO_MANY = frozenset({429, 503})


class Worker:
    """
    Fetches one share after another.

    :param source: that is asked next.
    :param tries: say who follows when that fails.
    :param delay: seconds to wait before.
    :ivar leg: the request under way, or None.
    :ivar piece: the number of the piece that is fetched again, or None.
    :ivar before: where the share was a second ago.
    :ivar at: where the last share ended.
    :ivar speed: bytes a second of late.
    """

    def __init__(self, source: Source, tries: Tries, delay: float) -> None:
        self.source, self.tries, self.delay = source, tries, delay
        self.leg: Leg | None = None
        self.piece: int | None = None
        self.before = self.at = 0
        self.speed = 0.0
        self.running: Deferred[None] | None = None


class Crew:
    """
    The workers of one file, and its sources.

    :param shared: what all downloads share.
    :param remote: of sources that have none of their own.
    :param first: the source of the first request.
    :param sources: of the file, in the order in which they are preferred.
    :ivar workers: at work now.
    :ivar refused: URLs of the sources that give no ranges.
    :ivar best: bytes a second that one of the workers has reached.
    """

    def __init__(
        self, shared: Surroundings, remote: Remote, download: Download, first: Source, sources: Sequence[Source]
    ) -> None:
        self.shared, self.remote, self.download, self._first = shared, remote, download, first
        self._sources = [first, *(source for source in sources if source is not first)]
        self.workers: set[Worker] = set()
        self.refused: set[str] = set()
        self.best = 0.0

    @property
    def repairers(self) -> list[Source]:
        """The sources that can be asked for a piece, which its digest will prove."""
        return [source for source in self._sources if source.url not in self.refused]

    @property
    def candidates(self) -> list[Source]:
        """The sources that can be asked for any range, those with the least to do first."""
        any_will_do = bool(self.download.digests) and self.download.size is not None
        busy = [worker.source.url for worker in self.workers]
        able = [source for source in self.repairers if any_will_do or source is self._first]
        return sorted(able, key=lambda source: busy.count(source.url))

    def first(self) -> Worker:
        """Return the worker that has the first request."""
        worker = self.worker()
        worker.source, worker.delay = self._first, 0.0
        return worker

    def worker(self) -> Worker:
        """Return a new worker; it can only repair when there are no candidates."""
        worker = Worker(
            self._first, Tries((), self.remote.retry, self.shared.reactor.seconds, self.shared.uniform), 0.0
        )
        self.elsewhere(worker)
        return worker

    def elsewhere(self, worker: Worker) -> bool:
        """Let *worker* ask one of the candidates next; return whether there are any."""
        candidates, shared = self.candidates, self.shared
        if candidates:
            worker.tries = Tries(candidates, self.remote.retry, shared.reactor.seconds, shared.uniform)
            step = worker.tries.first(shared.health.paused)
            worker.source, worker.delay = step.source, step.delay
        return bool(candidates)

    def blame(self, source: Source, error: PulpError) -> bool:
        """Let all downloads know that *source* has failed; return whether it only has too many requests."""
        health, asked = self.shared.health, asked_to_wait(error, self.shared.now())
        too_many = isinstance(error, HTTPStatusError) and error.status in _TOO_MANY
        if not too_many:
            health.failed(source, error)
        if asked:
            health.pause(source, asked)
        return too_many

    def others(self, worker: Worker) -> bool:
        """Return whether anybody but *worker* has a request under way."""
        return any(each is not worker and each.leg is not None for each in self.workers)

    def leg_of(self, share: object) -> Leg | None:
        """Return the request for *share*, if it is under way."""
        legs = (worker.leg for worker in self.workers if worker.leg is not None)
        return next((leg for leg in legs if leg.share is share), None)

    def measure(self) -> bool:
        """Look how fast each worker is, once a second; return whether all of them have a response."""
        begun = True
        for worker in self.workers:
            leg = worker.leg
            if leg is not None:
                leg.share.measured(max(0, leg.share.at - worker.before))
                worker.before, worker.speed = leg.share.at, leg.share.speed
                self.best = max(self.best, worker.speed)
            begun = begun and leg is not None and leg.response is not None
        return begun
