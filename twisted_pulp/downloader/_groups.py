"""Files that belong together, and URLs that several groups want."""

from __future__ import annotations

import os
import shutil
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from attrs import define, evolve, field
from twisted.internet.defer import Deferred

from twisted_pulp.download import Download, DownloadReport, Group
from twisted_pulp.downloader._crowd import Crowd, Results
from twisted_pulp.transfer import Place, WriterThreads, writer_error

__all__ = ["grouped"]

_REMEMBERED = 10_000
_Start = Callable[[Download], "Deferred[DownloadReport]"]


@define(eq=False)
class _Progress:
    group: Group
    reports: list[DownloadReport | None] = field(factory=list)
    left: int = 1  # one for the iterable itself

    @property
    def done(self) -> bool:
        return self.left == 0

    def finished(self) -> tuple[Group, list[DownloadReport]]:
        return self.group, [report for report in self.reports if report is not None]


_Item = tuple[_Progress, int, Download | None]


def grouped(
    clock: Any,
    threads: WriterThreads,
    start: _Start,
    groups: Iterable[Group],
    concurrency: int,
    among: set[Crowd[Any, Any]],
) -> Results[Any]:
    """
    Return each group, when it is finished, with the reports of its downloads in their order.

    :param start: download -> Deferred of its report.
    """
    shared = _Shared(start, threads)

    def begin(give: Callable[[Any], Deferred[None]]) -> Crowd[_Item, _Progress | None]:
        def one(item: _Item) -> Deferred[_Progress | None]:
            progress, index, download = item
            d: Deferred[Any] = Deferred()
            if download is None:
                d.callback(None)
            else:
                d = shared.fetch(download)

            def done(report: DownloadReport | None) -> _Progress | None:
                if report is not None:
                    progress.reports[index] = report
                progress.left -= 1
                return progress if progress.done else None

            return d.addCallback(done)

        return Crowd(
            clock, one, _items(groups), lambda done: None if done is None else give(done.finished()), concurrency, among
        )

    return Results(begin)


def _items(groups: Iterable[Group]) -> Iterator[_Item]:
    for group in groups:
        progress = _Progress(group)
        for download in group.downloads:
            progress.left += 1
            progress.reports.append(None)
            yield progress, len(progress.reports) - 1, download
        yield progress, -1, None


class _Shared:
    """Fetch what several want once."""

    def __init__(self, start: _Start, threads: WriterThreads) -> None:
        self._start, self._threads = start, threads
        self._waiting: dict[object, list[Deferred[DownloadReport]]] = {}
        self._known: OrderedDict[object, DownloadReport] = OrderedDict()

    def fetch(self, download: Download) -> Deferred[DownloadReport]:
        if download.writer is not None:
            return self._start(download)
        key = tuple(source.url for source in download.sources), frozenset(download.digests.items())
        known = self._known.get(key)
        if known is not None:
            return self._theirs(known, download)
        waiting = self._waiting.get(key)
        if waiting is not None:
            d: Deferred[DownloadReport] = Deferred(waiting.remove)
            waiting.append(d)
            return d.addCallback(self._theirs, download)
        self._waiting[key] = []
        return self._start(download).addCallback(self._fetched, key)

    def _fetched(self, report: DownloadReport, key: object) -> DownloadReport:
        if report.error is None:
            self._known[key] = report
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        for d in self._waiting.pop(key):
            d.callback(report)
        return report

    def _theirs(self, report: DownloadReport, download: Download) -> Deferred[DownloadReport]:
        """Return *report* as that of *download*, with the file where it wants it."""
        mine = evolve(report, attachment=download.attachment, download=download)
        d: Deferred[Any] = Deferred()
        d.callback(None)
        if (
            report.error is None
            and download.path is not None
            and download.path != report.path
            and report.path is not None
        ):
            mine.path = download.path
            d = self._threads.lane()(_copied, report.path, download.path)

            def failed(why: Any) -> None:
                mine.path, mine.error = None, writer_error(why.value, str(download.path))

            d.addErrback(failed)
        return d.addCallback(lambda _: mine)


def _copied(source: str, target: str) -> None:
    place = Place.at(target)
    place.unlink(place.partial)
    try:
        place.link_from(os.path.abspath(source), symbolic=False)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, place.beside(place.partial))
    place.rename(place.partial)
