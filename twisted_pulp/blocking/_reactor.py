"""The reactor in a thread of its own, and calls into it that block."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import Any

import crochet
from twisted.python.threadable import isInIOThread

from twisted_pulp.clock import use_monotonic_clock

__all__ = ["call", "started"]

#: Seconds that what was cancelled may take to end; a second Ctrl-C does not wait for it.
_PATIENCE = 5.0

_starting = Lock()


def started() -> Any:
    """Return the reactor of this process, which crochet runs in a thread unless somebody runs it already."""
    from twisted.internet import reactor as installed  # not before somebody could install another

    reactor: Any = installed
    with _starting:
        if reactor.running:
            # Either crochet runs it, or a Twisted program that calls us from a thread. Its clock stays as it is.
            with suppress(RuntimeError):
                crochet.no_setup()
        else:
            use_monotonic_clock(reactor)
            crochet.setup()
    return reactor


def call(function: Callable[..., Any], *args: Any) -> Any:
    """
    Call *function* in the reactor's thread, and return what it, or its Deferred, has as result.

    Whatever interrupts the wait, Ctrl-C above all, cancels the Deferred and is raised when that has ended.

    :raises RuntimeError: in the reactor's own thread, which must not wait.
    """
    if isInIOThread():
        raise RuntimeError("a blocking call in the reactor's thread would wait for itself")
    running: Any = crochet.run_in_reactor(function)(*args)
    try:
        return running.wait(None)
    except BaseException:
        # To cancel what has ended changes nothing.
        running.cancel()
        with suppress(Exception):
            running.wait(_PATIENCE)
        raise
