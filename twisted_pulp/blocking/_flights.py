"""Many downloads for one loop that blocks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

import crochet
from twisted.internet.defer import Deferred, DeferredList
from twisted.python.failure import Failure
from twisted.python.threadable import isInIOThread

from twisted_pulp.blocking._reactor import call
from twisted_pulp.download import Download, DownloadReport
from twisted_pulp.interfaces import IDownloader

__all__ = ["reports"]

#: Seconds between two looks whether the reactor is still there; reports themselves are noticed at once.
_LOOK = 1.0


def reports(
    reactor: Any, downloader: IDownloader, downloads: Iterator[Download], concurrency: int, fail_fast: bool
) -> Iterator[DownloadReport]:
    """
    Give the reports of *downloads*, in order of completion.

    :param downloads: pulled in the thread that asks for reports.
    :raises PulpError: the first failure, if *fail_fast*.
    """
    flights = _Flights(reactor, downloader, downloads, concurrency)
    try:
        flights.fill()
        while flights.count:
            report = flights.landed()
            if fail_fast and report.error is not None:
                raise report.error
            # Before the report is looked at, so that the others go on meanwhile.
            flights.fill()
            yield report
            flights.check()
        flights.check()
    finally:
        flights.stop()


class _Flights:
    """
    What is in the air.

    :ivar count: downloads that were started and whose reports were not taken.
    """

    def __init__(self, reactor: Any, downloader: IDownloader, downloads: Iterator[Download], concurrency: int) -> None:
        self._reactor, self._downloader = reactor, downloader
        self._downloads, self._concurrency = downloads, concurrency
        self._landed: SimpleQueue[DownloadReport | Failure] = SimpleQueue()
        self._flying: set[Deferred[None]] = set()  # the reactor's; all else is the caller's
        self._more = True
        self._error: Exception | None = None
        self.count = 0

    def fill(self) -> None:
        """Start as many as may be."""
        batch = []
        while self._more and self.count < self._concurrency:
            try:
                batch.append(next(self._downloads))
            except StopIteration:
                self._more = False
            except Exception as error:  # raised when the caller has got what is here
                self._more, self._error = False, error
            else:
                self.count += 1
        if batch:
            self._reactor.callFromThread(self._start, batch)

    def check(self) -> None:
        """Raise what the iterable has raised."""
        if self._error is not None:
            raise self._error

    def landed(self) -> DownloadReport:
        """Wait for the next report."""
        while True:
            try:
                result = self._landed.get(timeout=_LOOK)
            except Empty:
                if not self._reactor.running:
                    raise crochet.ReactorStopped from None
                continue
            self.count -= 1
            if isinstance(result, Failure):  # no failure of a download: those have reports
                result.raiseException()
            return result

    def stop(self) -> None:
        """Cancel what is still in the air, and wait for its end."""
        if not self.count:
            return
        if isInIOThread():  # the garbage collector ends loops wherever it runs
            self._cancel()
            return
        with suppress(crochet.ReactorStopped):
            call(self._cancel)

    def _start(self, batch: list[Download]) -> None:
        for download in batch:
            d: Any = self._downloader.download(download)
            self._flying.add(d)
            d.addBoth(self._over, d)

    def _over(self, result: DownloadReport | Failure, d: Deferred[None]) -> None:
        self._flying.discard(d)
        if isinstance(result, Failure):
            result = getattr(result.value, "report", result)
        self._landed.put(result)

    def _cancel(self) -> Deferred[Any]:
        flying = list(self._flying)
        for d in flying:
            d.cancel()
        return DeferredList(flying)
