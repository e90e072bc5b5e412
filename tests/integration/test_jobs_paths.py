"""Paths that jobs write: those of one process take turns, and so do processes."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from tests.integration.process import Start
from tests.servers.reactor import IReactor
from twisted_pulp.jobs._paths import Paths

HOLDER = """
import sys, time
from twisted_pulp.jobs._paths import Paths
paths = Paths(None, sys.argv[1])
assert paths.take("a") and paths.take("other")
paths.give("other")
print("taken", flush=True)
time.sleep(600)
"""


def taken(paths: Paths, path: str) -> Deferred[None]:
    """Wait for *path*."""
    return Deferred.fromCoroutine(paths.taken(path))


@pytest.mark.parametrize("shared", [False, True])
def test_turns(tmp_path: Path, shared: bool) -> None:
    """In one process, a path goes from one to the next in the order in which they asked; who leaves is left out."""
    paths = Paths(Clock(), str(tmp_path / "paths") if shared else None)
    assert paths.take("a")
    assert paths.take("b")
    assert not paths.take("a")
    first, gone = taken(paths, "a"), taken(paths, "a")
    gone.addErrback(lambda why: why.trap(CancelledError))
    gone.cancel()
    paths.give("b")
    with paths.unused("a") as busy, paths.unused("b") as free:
        assert (False, True) == (busy, free)
    assert paths.take("b")
    paths.give("b")
    assert not first.called
    paths.give("a")
    assert first.called
    paths.give("a")
    with paths.unused("a") as free:
        assert free


async def test_processes(tmp_path: Path, start_command: Start, reactor: IReactor) -> None:
    """What another process has is waited for, without keeping others, until that gives it back or is no more."""
    shared = str(tmp_path / "paths")
    holder = start_command(shared, program=HOLDER)
    await holder.until(lambda: holder.lines)
    paths = Paths(reactor, shared)
    assert not paths.take("a")
    with paths.unused("a") as free:
        assert not free
    assert paths.take("other")
    waiting, gone = taken(paths, "a"), taken(paths, "a")
    gone.cancel()
    with pytest.raises(CancelledError):
        await gone
    assert not waiting.called
    holder.close()
    await waiting
    paths.give("a")
    paths.give("other")
    with pytest.raises(IsADirectoryError):
        Paths(reactor, str(tmp_path)).take("a")
