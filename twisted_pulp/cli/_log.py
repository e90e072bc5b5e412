"""What the library and Twisted log, as far as somebody at a command line must see it."""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogBeginner
from twisted.python.failure import Failure
from zope.interface import implementer

__all__ = ["begin_logging"]


def begin_logging(complain: Callable[[str], object]) -> None:
    """
    Give each warning and error that is logged to *complain*, as one line and its traceback's.

    Anything less is dropped, and so are warnings of others than this package.
    """

    @implementer(ILogObserver)
    def observe(event: LogEvent) -> None:
        level = event.get("log_level")
        ours = str(event.get("log_namespace", "")).startswith("twisted_pulp.")
        if level is None or level < (LogLevel.warn if ours else LogLevel.error):
            return
        complain(f"{'warning' if level == LogLevel.warn else 'error'}: {formatEvent(event)}")
        failure = event.get("log_failure")
        if isinstance(failure, Failure):
            for line in failure.getTraceback().splitlines():
                complain(line)

    globalLogBeginner.beginLoggingTo([observe], discardBuffer=True, redirectStandardIO=False)
