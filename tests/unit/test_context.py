"""Tests for `twisted_pulp.context`."""

from __future__ import annotations

import gc
import resource
from collections.abc import Iterator
from pathlib import Path
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
    with pytest.raises(SettingsError, match="file, ftp, ftps, http, https"):
        result_of(agent.request(b"GET", b"gopher://h/f"))


def test_agents_end_with_their_remote() -> None:
    """What was made for a Remote is made once, and does not outlive it."""
    context, remote = Context(MemoryReactorClock()), Remote()
    assert context.agent(remote) is context.agent(remote)
    assert 1 == len(context._onions)
    del remote
    gc.collect()
    assert {} == context._onions


@pytest.mark.parametrize(
    ("expected", "settings"),
    [
        ([], {}),
        ([], {"token": "t", "headers": {"X": "y"}}),
        (["TokenAgent"], {"username": "joe"}),
        (["TokenAgent"], {"auth": "token"}),
        (["TokenAgent"], {"netrc": True}),
        (["DigestAgent"], {"auth": "digest"}),
        (["CookieAgent"], {"cookies": True}),
        (["TokenAgent", "DigestAgent", "CookieAgent"], {"username": "joe", "auth": "digest", "cookies": True}),
    ],
)
def test_credentials(
    expected: list[str], settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Remote has the agents that it needs, and no others; those for files and for metadata share them."""
    monkeypatch.delenv("NETRC", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    context, remote = Context(MemoryReactorClock()), Remote(**settings)
    own = context._onion(remote).own
    assert expected == [name for name in ("TokenAgent", "DigestAgent", "CookieAgent") if name in repr(own)]
    assert (own is context._onion(remote).elsewhere) == (not expected)
    for agent in (context.agent(remote), context.metadata_agent(remote)):
        assert any(each is own for each in layers(agent))
    assert any(each is own for each in layers(context.limited_agent(remote)))


def layers(agent: Any) -> Iterator[Any]:
    """Give *agent* and those inside it."""
    while agent is not None:
        yield agent
        agent = getattr(agent, "_agent", None)


def test_bad_netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A .netrc file that cannot be used is said when the Remote is first used, each time."""
    path = tmp_path / "netrc"
    path.touch(0o644)
    monkeypatch.setenv("NETRC", str(path))
    context, remote = Context(MemoryReactorClock()), Remote(netrc=True)
    for _ in range(2):
        with pytest.raises(SettingsError, match="chmod 600"):
            context.agent(remote)
    path.chmod(0o600)
    assert context.agent(remote) is context.agent(remote)


def test_repr() -> None:
    """A context shows its counts."""
    context = Context(MemoryReactorClock())
    context.downloader()
    assert "0 busy, 0 open of 100, 0 waiting>, 0 idle" in repr(context)
    assert "1 downloaders" in repr(context)
