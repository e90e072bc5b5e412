"""
The command line with a watch on its reactor.

A timer that is due every few milliseconds says how late it was: that is how long the reactor's turns were.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from attrs import define, field

#: Names the file that gets the longest delay, in seconds.
VARIABLE = "BENCHMARKS_BLOCKED"
_TICK = 0.002


@define(eq=False)
class Watch:
    """
    The watch.

    :ivar longest: seconds that its timer was late.
    """

    _reactor: Any
    longest: float = field(init=False, default=0.0)
    _due: float = field(init=False, default=0.0)

    def start(self) -> None:
        """Begin, in the reactor's first turn."""
        self._due = time.monotonic() + _TICK
        self._reactor.callLater(_TICK, self._tick)

    def _tick(self) -> None:
        self.longest = max(self.longest, time.monotonic() - self._due)
        self.start()


def main() -> int:
    """Run the command line and return its exit status; write the longest delay when its reactor has stopped."""
    from twisted.internet import reactor as installed

    reactor: Any = installed
    watch = Watch(reactor)
    # No timer yet: the command line sets the reactor's clock, which must come first.
    reactor.callWhenRunning(watch.start)
    path = Path(os.environ[VARIABLE])
    reactor.addSystemEventTrigger("after", "shutdown", lambda: path.write_text(str(watch.longest)))
    from twisted_pulp.cli import main as run

    return run()
