"""Coverage of tests that pytest-twisted runs beside the reactor, which has a greenlet of its own."""

from __future__ import annotations

import sys
import threading
from typing import Any
from weakref import WeakKeyDictionary

import greenlet

__all__ = ["trace_greenlets_apart"]


def trace_greenlets_apart() -> None:
    """
    Give each greenlet a trace function of its own, as coverage gives one to each thread.

    What traces keeps a stack of the calls, and there is one stack in each greenlet. Coverage can ask at each call and
    return which greenlet it is in, ``concurrency = greenlet``; that takes ten times as long as to look when it changes.
    """
    begin, found = threading.gettrace(), WeakKeyDictionary[Any, Any]()

    def switched(event: str, greenlets: tuple[Any, Any]) -> None:
        tracing, (before, now) = sys.gettrace(), greenlets
        if tracing is not None:
            found[before] = tracing
            sys.settrace(found.get(now, begin))

    greenlet.settrace(switched)
