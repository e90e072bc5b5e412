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
from twisted_pulp.errors import PulpError
from twisted_pulp.transfer import Place, outlasting, writer_error

__all__ = ["grouped"]

_REMEMBERED = 10_000
_Start = Callable[[Download], "Deferred[DownloadReport]"]
_Place = Callable[[str, str], Place]


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
    context: Any,
    start: _Start,
    place: _Place,
    groups: Iterable[Group],
    concurrency: int,
    among: set[Crowd[Any, Any]],
) -> Results[Any]:
    """
    Return each group, when it is finished, with the reports of its downloads in their order.

    :param start: download -> Deferred of its report.
    :param place: (path, URL) -> the place of that path, which it keeps from others.
    """
    shared = _Shared(context, start, place)

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
            context.reactor,
            one,
            _items(groups),
            lambda done: None if done is None else give(done.finished()),
            concurrency,
            among,
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

    def __init__(self, context: Any, start: _Start, place: _Place) -> None:
        self._context, self._start, self._place = context, start, place
        self._waiting: dict[object, list[Deferred[DownloadReport]]] = {}
        self._known: OrderedDict[object, DownloadReport] = OrderedDict()

    def fetch(self, download: Download) -> Deferred[DownloadReport]:
        if download.writer is not None:
            return self._start(download)
        key = (
            tuple(source.url for source in download.sources),
            download.size,
            frozenset(download.digests.items()),
            download.compute,
            frozenset(download.headers.items()),
        )
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
        return Deferred.fromCoroutine(self._put(mine, report.path, download))

    async def _put(self, mine: DownloadReport, source: str | None, download: Download) -> DownloadReport:
        if source is None or download.path is None or mine.error is not None:
            return mine
        mine.path = None
        try:
            place = self._place(download.path, download.url)
        except PulpError as error:
            mine.error = error
            return mine
        try:
            if place.path != source:
                await outlasting(self._context.threads.lane()(_copied, source, place))
            mine.path = place.path
        except OSError as error:
            mine.error = writer_error(error, place.path)
        finally:
            place.release()
        return mine


def _copied(source: str, place: Place) -> None:
    place.unlink(place.partial)
    try:
        place.link_from(os.path.abspath(source), symbolic=False)
    except OSError:  # another file system, or one without links
        with open(source, "rb") as old:
            new = place.open(place.partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            with open(new, "wb") as copy:
                shutil.copyfileobj(old, copy)
    place.rename(place.partial)
