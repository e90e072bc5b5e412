"""Which sources are tried, and in what order."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes import Shared, done
from tests.leaks import LoggedErrors
from twisted_pulp.download import Download, Source
from twisted_pulp.errors import HookError
from twisted_pulp.settings import Remote
from twisted_pulp.transfer import Hooks, Transfer
from twisted_pulp.transfer._sources import chosen

FIRST, SECOND = Source("http://a/f", 2), Source("http://b/f", 1)
BOTH = Download([FIRST, SECOND], "f")
MIRRORED = Remote(url="http://a/", mirrors=("http://m/",))


def urls(download: Download, remote: Remote, hooks: Hooks) -> list[str]:
    """Return the URLs of the sources that are chosen."""
    return [source.url for source in done(chosen(Shared(), remote, download, hooks))]


@pytest.mark.parametrize(
    ("download", "remote", "hooks", "expected"),
    [
        (Download("http://a/f"), Remote(), Hooks(), True),
        (BOTH, Remote(), Hooks(), False),
        (Download("http://a/f"), MIRRORED, Hooks(), False),
        (Download(Source("http://a/f", 1, MIRRORED)), Remote(), Hooks(), False),
        (Download("http://a/f"), Remote(url="http://a/", mirror_list="http://a/l"), Hooks(), False),
        (Download("http://a/f"), Remote(), Hooks(sources=lambda *_: None), False),
    ],
)
def test_alone(download: Download, remote: Remote, hooks: Hooks, expected: bool) -> None:
    """Most downloads have nothing to choose from."""
    shared: Any = Shared()
    assert expected != Transfer(shared, remote, download, None, hooks)._has_choice()


def test_by_priority() -> None:
    """Sources and mirrors come in the order of priority."""
    assert ["http://b/f", "http://a/f", "http://m/f"] == urls(BOTH, MIRRORED, Hooks())


def test_once() -> None:
    """What is a source, and a mirror too, is tried once."""
    remote = Remote(url="http://a/", mirrors=("http://b/",))
    assert ["http://b/f", "http://a/f"] == urls(BOTH, remote, Hooks())


def test_policy() -> None:
    """A policy gets the sources in the order of priority, and what it returns is asked, however it orders them."""
    told: list[Any] = []

    def policy(*given: Any) -> Any:
        told.append(given)
        return reversed(given[1])

    assert ["http://a/f", "http://b/f"] == urls(BOTH, Remote(), Hooks(sources=policy))
    assert [(BOTH, (SECOND, FIRST))] == told


@pytest.mark.parametrize("decided", [None, [], ["http://a/f"], 3])
def test_bad_policy(logged_errors: LoggedErrors, decided: Any) -> None:
    """A policy that leaves no source fails the download."""
    with pytest.raises(HookError, match="sources hook"):
        urls(BOTH, Remote(), Hooks(sources=lambda *_: decided))
    logged_errors.flush()
