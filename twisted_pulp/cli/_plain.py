"""A line for each file: what a log, a pipe or a quiet terminal gets."""

from __future__ import annotations

import os
from typing import Any

from attrs import define, field

from twisted_pulp.cli._streams import Stream
from twisted_pulp.cli._words import failure, outcome
from twisted_pulp.download import DownloadReport
from twisted_pulp.lists import Refused

__all__ = ["Plain"]

#: Seconds a line may wait for others, so that thousands of small files are not thousands of writes.
_HELD = 0.1


@define(eq=False, repr=False)
class Plain:
    """
    Says what became of each file: results on standard output, failures on standard error.

    :ivar quiet: whether failures are all that is said.
    """

    _reactor: Any
    _out: Stream
    _err: Stream
    quiet: bool = False
    _here: str = field(init=False, factory=lambda: os.path.join(os.getcwd(), ""))
    _timer: Any = field(init=False, default=None)

    def watched(self, downloads: Any) -> Any:
        """Return *downloads* themselves: of a file that has not ended nothing is said."""
        return downloads

    def start(self) -> None:
        """Begin."""

    def finished(self, report: DownloadReport) -> None:
        """Say what became of a file."""
        if report.error is not None:
            self.complain(failure(report))
        elif not self.quiet:
            self.say(outcome(report, self._here))

    def refused(self, refused: Refused) -> None:
        """Say what is wrong with a line of a list."""
        self.complain(f"failed: {refused.place}: {refused.reason}")

    def say(self, text: str) -> None:
        """Write a line to standard output."""
        self._out.line(text)
        if self._timer is None and self._out.held:
            self._timer = self._reactor.callLater(_HELD, self._flush)

    def complain(self, text: str) -> None:
        """Write a line to standard error, after what was said before."""
        self._out.flush()
        self._err.line(text)
        self._err.flush()

    def _flush(self) -> None:
        self._timer = None
        self._out.flush()

    def stop(self) -> None:
        """Write what is held."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._out.flush()

    def hooks(self) -> dict[str, Any]:
        """Return the arguments of `Hooks` that it needs: none."""
        return {}

    def at_once(self) -> None:
        """Leave the terminal as it was found, from wherever the process is."""
