"""
One file in several requests: ranges side by side, and pieces that are fetched again.

The first stream is an ordinary request. What it will bring last is given to others, as long as more of them help; who
is done takes half of the largest rest. A stream ends where the next range begins. One who fails is followed by the next
source, or tries again later, while the others go on. When nobody is left who goes on, the whole attempt has failed, and
what comes next is decided as for any other.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater

from twisted_pulp.download import Source
from twisted_pulp.errors import (
    DigestMismatch,
    HookError,
    PathError,
    PulpError,
    ResumeRefused,
    SettingsError,
    TotalTimeout,
    WriterError,
)
from twisted_pulp.transfer._attempt import AttemptRun
from twisted_pulp.transfer._crew import Crew, Worker
from twisted_pulp.transfer._filling import BadPiece
from twisted_pulp.transfer._hooks import Hooks
from twisted_pulp.transfer._leg import Leg, Parts
from twisted_pulp.transfer._repairs import Repairs, one
from twisted_pulp.transfer._shares import Growth, Share, Shares
from twisted_pulp.transfer._strand import Strands
from twisted_pulp.transfer._tries import backoff

__all__ = ["Segments"]

# Nothing about a source: no other would help.
_OURS = (WriterError, HookError, PathError, TotalTimeout, SettingsError)
_SECOND = 1.0


class Segments:
    """
    Fetch a file in several requests.

    :param crew: who fetches them.
    :param run: of the first request.
    :param most: requests at once.
    :param repairs: of the file's pieces, or None.
    """

    def __init__(
        self, crew: Crew, hooks: Hooks, run: AttemptRun, target: Any, most: int, repairs: Repairs | None
    ) -> None:
        self._crew, self._shared, self._remote = crew, crew.shared, crew.remote
        self._run, self._target = run, target
        self._workers, download = crew.workers, crew.download
        length = self._length = run.head.length or 0
        partial = target.fill(length, download.pieces)
        hook = hooks.progress
        progress = None if hook is None else lambda size: hook(download, size, length)
        strands = self._strands = Strands(target, partial, crew.shared.threads, self._bad, self._stopped, progress)
        strands.received = target.spans.total
        self._parts = Parts(download, target, strands, length, {run.source.url: run.version.validator})  # type: ignore[union-attr]
        self._shares = Shares(length, target.spans, run.remote.limits.segment_size)
        self._growth = Growth(most)
        self._repairs = repairs
        self._legs: list[Leg] = []
        self._failure: BaseException | None = None
        self._over = False
        self._wake: Deferred[None] | None = None
        self._timer: Any = None
        self._received = 0

    async def run(self, response: Any) -> None:
        """
        Fetch the file, *response* being the first part of it or all.

        :raises PulpError: when it does not get there.
        """
        run, start = self._run, self._run.head.offset
        share = self._shares.open(start, run.until or self._length)
        self._received = self._strands.received
        self._timer = self._shared.reactor.callLater(_SECOND, self._measure)
        try:
            self._start(self._crew.first(), share, response)
            self._strands.catch_up()
            await self._until_done()
        except CancelledError:
            await self._close(False)
            raise
        except BaseException:
            await self._close(True)
            raise
        await self._close(True)

    async def _until_done(self) -> None:
        while True:
            self._fill()
            if self._failure is None and not self._workers:
                await self._strands.settled()  # a bad piece may turn up
                if not self._workers and not self._repairs and not self._shares.left:
                    return
                continue
            if self._failure is not None:
                raise self._failure
            self._wake = Deferred()
            await self._wake

    async def _close(self, hashed: bool) -> None:
        """End everything, and bring the target up to date; its digests too, if they are to be *hashed*."""
        self._over = True
        self._timer.cancel()
        for worker in list(self._workers):
            if worker.running is not None:
                worker.running.cancel()
        self._strands.close(hashed)
        self._run.attempts = tuple(leg.attempt for leg in self._legs)
        try:
            if hashed:
                await self._strands.settled()
        finally:
            self._target.size = self._target.spans.reach(0)

    # workers
    def _fill(self) -> None:
        """Let there be as many workers as there may be and as there is work for."""
        while not self._over and self._failure is None and len(self._workers) < self._growth.level:
            if not self._crew.candidates and not self._repairs:
                if not self._workers and self._shares.gaps:
                    self._fail(ResumeRefused(self._run.source.url, "no source gives ranges"), self._run.source)
                return
            worker = self._crew.worker()
            share = self._next(worker)
            if share is None:
                return
            self._start(worker, share, None)

    def _start(self, worker: Worker, share: Share, response: Any) -> None:
        self._workers.add(worker)
        worker.running = d = Deferred.fromCoroutine(self._work(worker, share, response))
        d.addBoth(self._ended, worker)

    def _ended(self, result: Any, worker: Worker) -> None:
        self._workers.discard(worker)
        value = getattr(result, "value", None)
        if value is not None and not self._over:
            self._fail(value, worker.source)
        self._wake_up()

    def _wake_up(self) -> None:
        wake, self._wake = self._wake, None
        if wake is not None and not wake.called:
            wake.callback(None)

    def _fail(self, error: BaseException, source: Source) -> None:
        """Let all of it fail with *error*, of *source*."""
        if self._failure is None:
            self._failure, self._run.blamed = error, source
        self._wake_up()

    def _stopped(self) -> None:
        self._fail(self._target.error, self._run.source)

    async def _work(self, worker: Worker, share: Share | None, response: Any) -> None:
        while share is not None:
            error = await self._bring(worker, share, response)
            response = None
            if error is not None and not await self._goes_on(worker, error):
                return
            share = self._next(worker)

    async def _bring(self, worker: Worker, share: Share, response: Any) -> PulpError | None:
        shared, source = self._shared, worker.source
        try:
            if worker.delay:
                await deferLater(shared.reactor, worker.delay)
            worker.before, worker.delay = share.at, 0.0
            agent = shared.agent(source.remote or self._remote)
            leg = worker.leg = Leg(self._parts, agent, source, share, shared.now(), response)
            self._legs.append(leg)
            await leg.run()
        except CancelledError:
            raise
        except PulpError as error:
            return error
        finally:
            worker.leg, worker.at = None, share.at
            self._shares.drop(share)
            if self._repairs is not None:
                self._repairs.came(share.start, share.at, worker.source)
        return None

    def _next(self, worker: Worker) -> Share | None:
        """Return what *worker* is to do now, or None."""
        repaired, worker.piece = worker.piece is not None, None
        if self._over or self._failure is not None:
            return None
        if self._repairs:
            return self._repair(worker, self._repairs)
        if repaired:  # its source may be good for that only
            return None
        if len(self._workers - {worker}) >= self._growth.level or worker.source.url in self._crew.refused:
            return None
        found = self._shares.take(worker.speed or self._crew.best)
        share, robbed = found or (None, None)
        leg = None if robbed is None else self._crew.leg_of(robbed)
        if leg is not None:
            leg.stop()
        return share

    def _repair(self, worker: Worker, repairs: Repairs) -> Share | None:
        try:
            worker.piece, start, worker.source = repairs.take(self._crew.repairers)
        except DigestMismatch as error:
            error.url = self._run.source.url
            self._fail(error, self._run.source)
            return None
        worker.delay = 0.0
        return self._shares.lend(start, repairs.span(worker.piece)[1])

    # failures
    async def _goes_on(self, worker: Worker, error: PulpError) -> bool:
        """Decide what follows when *worker* has failed with *error*; return whether it goes on."""
        source, shared = worker.source, self._shared
        if isinstance(error, _OURS):
            self._fail(error, source)
            return False
        refused = isinstance(error, ResumeRefused)
        if refused:
            self._crew.refused.add(source.url)
        others = self._crew.others(worker)
        if self._repairs is not None and worker.piece is not None:
            return await self._repair_failed(self._repairs, worker, error, others)
        self._growth.stop(len(self._workers))
        if refused:
            return self._elsewhere(worker, error, others)
        if not others:
            self._fail(error, source)
            return False
        too_many = self._crew.blame(source, error)
        step = worker.tries.after(source, error, False, shared.health.paused, shared.now())
        if step is None or (too_many and step.source is source):
            self._growth.stop(len(self._workers) - 1)
            return False
        worker.source = step.source
        if step.delay:
            await deferLater(shared.reactor, step.delay)
        return True

    async def _repair_failed(self, repairs: Repairs, worker: Worker, error: PulpError, others: bool) -> bool:
        """Decide what follows when the repair of a piece has failed."""
        assert worker.piece is not None
        again = getattr(error, "retryable", False) and not isinstance(error, ResumeRefused)
        repairs.failed(worker.piece, worker.at, worker.source if again else None)
        if not again:
            return True
        retry = self._remote.retry
        if not others or repairs.failures > retry.retries:
            self._fail(error, worker.source)
            return False
        await deferLater(self._shared.reactor, backoff(retry, repairs.failures, self._shared.uniform))
        return True

    def _elsewhere(self, worker: Worker, error: PulpError, others: bool) -> bool:
        """Let *worker* ask who gives ranges, if anybody does."""
        if self._crew.elsewhere(worker):
            return True
        self._growth.stop(1)
        if not others:
            self._fail(error, worker.source)
        return False

    # pieces and speed
    def _bad(self, piece: BadPiece) -> None:
        """Have a piece fetched again."""
        repairs = self._repairs
        assert repairs is not None
        start, end = repairs.add(piece)
        self._target.spans.remove(start, end)
        self._strands.received -= end - start
        source = one(repairs.culprits(piece[0]))
        if source is not None:
            self._shared.health.failed(source, repairs.mismatch(*piece))
        self._fill()
        self._wake_up()

    def _measure(self) -> None:
        self._timer = self._shared.reactor.callLater(_SECOND, self._measure)
        begun = self._crew.measure()
        received, self._received = self._received, self._strands.received
        if begun and len(self._workers) >= self._growth.level:
            self._growth.judge(self._received - received)
        self._fill()
