"""How far a sync is, where nothing can move: a line now and then."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.task import LoopingCall

from twisted_pulp.cli._plain import Plain
from twisted_pulp.cli._streams import Stream
from twisted_pulp.cli._words import amount

__all__ = ["Lines", "line"]

#: Seconds between two looks, and how many of them a part that goes on may be silent.
_INTERVAL, _SILENT = 0.5, 20
_OVER = frozenset({"completed", "failed", "canceled", "skipped"})


class Lines(Plain):
    """
    Says of each part when it is over, and how far it is every ten seconds.

    :param reports: called for those that there are.
    :param quiet: whether failures are all that is said.
    """

    def __init__(
        self, reactor: Any, out: Stream, err: Stream, reports: Callable[[], Iterable[Any]], quiet: bool
    ) -> None:
        super().__init__(reactor, out, err, quiet)
        self._reports = reports
        self._said: dict[str, str] = {}
        self._looks = 0
        self._loop = LoopingCall(self._look)
        self._loop.clock = reactor

    def start(self) -> None:
        """Begin."""
        if not self.quiet:
            self._loop.start(_INTERVAL, now=False)

    def stop(self) -> None:
        """Say what was not said yet of the parts that are over."""
        if self._loop.running:
            self._loop.stop()
            self._say_all(over=True)
        super().stop()

    def _look(self) -> None:
        self._looks += 1
        self._say_all(over=self._looks % _SILENT != 0)

    def _say_all(self, over: bool) -> None:
        for report in self._reports():
            text = line(report)
            if self._said.get(report.code) != text and (report.state in _OVER or not over):
                self._said[report.code] = text
                self.say(text)


def line(report: Any) -> str:
    """Return a line about a report."""
    count = f"{report.done}" if report.total is None else f"{report.done} of {report.total}"
    size = f", {amount(report.bytes)}" if report.bytes else ""
    state = "" if report.state in ("completed", "running") else f" ({report.state})"
    return f"{report.message}: {count}{size}{state}"
