"""Tests for `twisted_pulp.context`."""

from __future__ import annotations

import gc
import resource
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock

from tests.fakes import result_of
from twisted_pulp.context import Context
from twisted_pulp.errors import SettingsError
from twisted_pulp.settings import Remote


@pytest.mark.parametrize("settings", [{"connections": 0}, {"per_host": 0}, {"per_host": 1.5}])
def test_caps(settings: dict[str, Any]) -> None:
    """A cap is a whole number from 1."""
    with pytest.raises(SettingsError):
        Context(Clock(), **settings)


def test_affordable() -> None:
    """There are never more connections than the process may have files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (264, hard))
    try:
        assert 100 == Context(Clock(), connections=1000).pool.overall.limit
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_unknown_scheme() -> None:
    """A scheme that nobody has registered is an error that names those that are known."""
    agent = Context(MemoryReactorClock()).agent(Remote())
    with pytest.raises(SettingsError, match="file, http, https"):
        result_of(agent.request(b"GET", b"gopher://h/f"))


def test_agents_end_with_their_remote() -> None:
    """What was made for a Remote is made once, and does not outlive it."""
    context, remote = Context(MemoryReactorClock()), Remote()
    assert context.agent(remote) is context.agent(remote)
    assert 1 == len(context._onions)
    del remote
    gc.collect()
    assert {} == context._onions


def test_repr() -> None:
    """A context shows its counts."""
    context = Context(MemoryReactorClock())
    context.downloader()
    assert "0 busy, 0 open of 100, 0 waiting>, 0 idle" in repr(context)
    assert "1 downloaders" in repr(context)
