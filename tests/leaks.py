"""What a test may leave behind: nothing."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable
from pathlib import Path

from attrs import define, field, frozen
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import ILogObserver, LogEvent, LogPublisher, formatEvent
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.servers.reactor import IReactor
from twisted_pulp.names import JOURNAL, PARTIAL

_FDS = Path("/proc/self/fd")
_NOT_OURS = "anon_inode:[eventpoll]"  # opened when a selector is first used, kept by the interpreter


@frozen(kw_only=True)
class Holdings:
    """What this process holds at one moment; compared by identity, so that one in and one out is a leak."""

    calls: tuple[IDelayedCall, ...]
    selectables: tuple[object, ...]
    descriptors: dict[int, str]
    threads: tuple[threading.Thread, ...]
    files: frozenset[str]

    @classmethod
    def taken(cls, reactor: IReactor, directory: Path) -> Holdings:
        """Take stock of *reactor*, the process and the temporary *directory*."""
        pooled = reactor.getThreadPool().threads  # they stay until the reactor stops
        return cls(
            calls=tuple(reactor.getDelayedCalls()),
            selectables=tuple({*reactor.getReaders(), *reactor.getWriters()}),
            descriptors=_descriptors(),
            threads=tuple(thread for thread in threading.enumerate() if thread not in pooled),
            files=frozenset(os.listdir(directory)),
        )

    def beyond(self, before: Holdings) -> list[str]:
        """Describe everything here that was not there *before*."""
        found = [f"delayed call: {call}" for call in self.calls if call not in before.calls]
        found += [f"in the reactor: {one}" for one in self.selectables if one not in before.selectables]
        found += [
            f"open file: {fd} {target}"
            for fd, target in self.descriptors.items()
            if before.descriptors.get(fd) != target
        ]
        found += [f"thread: {thread}" for thread in self.threads if thread not in before.threads]
        found += [f"temporary file: {name}" for name in sorted(self.files - before.files)]
        return found

    def cancel_beyond(self, before: Holdings) -> None:
        """Cancel leaked delayed calls, which would else disturb later tests."""
        for call in self.calls:
            if call not in before.calls and call.active():
                call.cancel()


def settled(stock: Callable[[], Holdings], before: Holdings, spin: Callable[[], None], tries: int = 150) -> Holdings:
    """Take stock again and again, with a *spin* of the reactor between, until nothing is left or *tries* are over."""
    after = stock()
    for _ in range(tries):
        if not after.beyond(before):
            break
        spin()
        gc.collect()
        after = stock()
    return after


def partials(directory: Path) -> list[str]:
    """Describe the partial and temporary files under *directory*."""
    walked = ((place, name) for place, _, names in os.walk(directory) for name in names)
    return [f"partial file: {place}/{name}" for place, name in walked if name.endswith((PARTIAL, JOURNAL))]


def _descriptors() -> dict[int, str]:
    found: dict[int, str] = {}
    try:
        names = os.listdir(_FDS)
    except OSError:
        return found  # not Linux: sockets still show as selectables
    for name in names:
        try:
            target = os.readlink(_FDS / name)
        except OSError:
            continue  # the one that listed the directory
        if target != _NOT_OURS:
            found[int(name)] = target
    return found


@implementer(ILogObserver)
@define(eq=False)
class LoggedErrors:
    """Collects failures that reach the log; what a test does not `flush` fails it."""

    _publisher: LogPublisher
    _events: list[LogEvent] = field(init=False, factory=list)

    def start(self) -> None:
        """Begin to collect."""
        self._publisher.addObserver(self)

    def stop(self) -> None:
        """Stop collecting."""
        self._publisher.removeObserver(self)

    def flush(self, *kinds: type[BaseException]) -> list[Failure]:
        """
        Give and forget the failures logged so far, of these *kinds* or of all.

        Unhandled errors in Deferreds are logged when the Deferred is collected, so garbage is collected first.
        Errors logged without a failure are forgotten when no kind is named.
        """
        gc.collect()
        taken, kept = [], []
        for event in self._events:
            failure = event.get("log_failure")
            if kinds and (failure is None or not failure.check(*kinds)):
                kept.append(event)
            elif failure is not None:
                taken.append(failure)
        self._events[:] = kept
        return taken

    def left(self) -> list[str]:
        """Describe what nobody flushed."""
        found = []
        for event in self._events:
            failure = event.get("log_failure")
            trace = "" if failure is None else failure.getTraceback()
            found.append(f"logged error: {formatEvent(event)}\n{trace}".rstrip())
        return found

    def __call__(self, event: LogEvent) -> None:
        if event.get("log_failure") is not None:
            self._events.append(event)
        elif event.get("isError") and event.get("log_format") != "Unhandled error in Deferred:":
            self._events.append(event)  # that one only announces the failure which follows
