"""How far the downloads are: counted while they run, looked at a few times a second."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, closing
from typing import Any, TypeVar, overload

from twisted_pulp.download import Download, DownloadReport
from twisted_pulp.errors import shown

__all__ = ["Progress", "Row"]

D = TypeVar("D", bound=Download)
#: Seconds over which speed is measured.
_WINDOW = 5.0


class Row:
    """
    A file on its way.

    :ivar name: its path, or its URL.
    :ivar received: bytes of it that are here.
    :ivar total: bytes of the whole file, or None.
    :ivar since: when it was begun, on the clock of the one who looks; None until then.
    """

    __slots__ = ("download", "name", "received", "since", "total")

    def __init__(self, download: Download) -> None:
        # Held, so that no other Download can get its id while this one runs.
        self.download = download
        self.name = download.path or shown(download.url)
        self.received = 0
        self.total = download.size
        self.since: float | None = None


class Progress:
    """
    Counts what is going on.

    :param expected: how many files there will be and their bytes, each None where nobody knows yet.
    :ivar active: the files on their way, by the id of their Download, oldest first.
    :ivar begun: files begun so far.
    :ivar ended: files that ended, well or not.
    :ivar network: bytes that came since the start.
    """

    def __init__(self, expected: tuple[int | None, int | None] = (None, None)) -> None:
        self.files, self.bytes = expected
        self.active: dict[int, Row] = {}
        self.begun = self.ended = self.network = 0
        self._ended_bytes = 0
        self._samples: deque[tuple[float, int]] = deque()

    @overload
    def watched(self, downloads: Generator[D]) -> Generator[D]: ...
    @overload
    def watched(self, downloads: AsyncGenerator[D]) -> AsyncGenerator[D]: ...
    def watched(self, downloads: Any) -> Any:
        """Return *downloads*, each of which is counted when it is taken."""
        return self._later(downloads) if isinstance(downloads, AsyncGenerator) else self._now(downloads)

    def _now(self, downloads: Generator[D]) -> Generator[D]:
        with closing(downloads):
            for download in downloads:
                self._begin(download)
                yield download
        self.files = self.begun

    async def _later(self, downloads: AsyncGenerator[D]) -> AsyncGenerator[D]:
        async with aclosing(downloads):
            async for download in downloads:
                self._begin(download)
                yield download
        self.files = self.begun

    def _begin(self, download: Download) -> None:
        self.active[id(download)] = Row(download)
        self.begun += 1

    def headers(self, download: Download, head: Any) -> None:
        """Take note of where the bytes to come begin; those before it are from an earlier try or run."""
        row = self.active.get(id(download))
        if row is not None:
            row.received = head.offset
            if head.length is not None:
                row.total = head.length

    def progress(self, download: Download, received: int, total: int | None) -> None:
        """Take note of bytes that came."""
        row = self.active.get(id(download))
        if row is not None:
            self.network += received - row.received if received > row.received else 0
            row.received = received
            if total is not None:
                row.total = total

    def finished(self, report: DownloadReport) -> None:
        """Take note of a file's end."""
        self.ended += 1
        row = self.active.pop(id(report.download), None)
        expected = None if row is None else row.total
        self._ended_bytes += (report.size if report.error is None else expected) or 0

    def speed(self, now: float) -> float:
        """Return bytes a second of late, and take the sample that the next call compares with."""
        samples = self._samples
        samples.append((now, self.network))
        while len(samples) > 2 and now - samples[0][0] > _WINDOW:
            samples.popleft()
        (then, before), (now, after) = samples[0], samples[-1]
        return (after - before) / (now - then) if now > then else 0.0

    def done(self) -> int:
        """Return the bytes of all files that ended, as far as they were begun."""
        return self._ended_bytes + sum(row.received for row in self.active.values())

    def expected(self) -> int | None:
        """Return the bytes of all files; None while nobody knows."""
        if self.bytes is not None:
            return self.bytes
        if self.files is None or self.begun < self.files:
            return None
        totals = [row.total for row in self.active.values()]
        known = [total for total in totals if total is not None]
        return self._ended_bytes + sum(known) if len(known) == len(totals) else None

    def left(self, speed: float, elapsed: float) -> float | None:
        """Return the seconds that the rest will take, by bytes if their number is known, else by files; or None."""
        expected = self.expected()
        if expected is not None:
            return max(0, expected - self.done()) / speed if speed > 0 else None
        if self.files is not None and self.ended:
            return (self.files - self.ended) * elapsed / self.ended
        return None

    def fraction(self) -> float | None:
        """Return how much of everything is done, from 0 to 1; None while nobody knows how much there is."""
        expected = self.expected()
        if expected:
            return min(1.0, self.done() / expected)
        if not self.files:
            return None
        parts = sum(min(1.0, row.received / row.total) for row in self.active.values() if row.total)
        return min(1.0, (self.ended + parts) / self.files)
