"""What a Distribution says about how long files are kept."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_pulp.errors import SettingsError
from twisted_pulp.streamer._caching import DEFAULT, Caching, caching_of


def test_default() -> None:
    """What says nothing is as usual."""
    assert DEFAULT == caching_of({})
    assert DEFAULT is DEFAULT.of("any/path")


def test_said() -> None:
    """What is said holds, the rest is as usual."""
    said: dict[str, Any] = {
        "max_age": 60,
        "heuristic": 0.5,
        "heuristic_max": 0,
        "stale_if_error": 1.5,
        "stale_while_revalidate": 10,
        "negative": 0,
        "largest": 1 << 20,
        "store_private": True,
    }
    assert Caching(**said) == caching_of(said)
    assert Caching(max_age=None) == caching_of({"max_age": None})


def test_overrides() -> None:
    """For paths that fit a pattern the first one says what is different; ``*`` matches slashes, too."""
    overrides = {"*/InRelease": {"max_age": 5}, "dists/*": {"max_age": 60, "negative": 0}}
    caching = caching_of({"stale_if_error": 7, "overrides": overrides})
    assert (5, 60.0, 7) == _some(caching, "dists/stable/InRelease")
    assert (60, 0, 7) == _some(caching, "dists/stable/main/binary-amd64/Packages")
    assert (None, 60.0, 7) == _some(caching, "pool/dists/x")
    assert (None, 60.0, 7) == _some(caching, "DISTS/x")


def _some(caching: Caching, path: str) -> tuple[float | None, float, float]:
    found = caching.of(path)
    return found.max_age, found.negative, found.stale_if_error


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ([], "cache is"),
        ("no-store", "cache is"),
        ({"maxage": 1}, r"cache\.maxage"),
        ({"_overrides": ()}, r"cache\._overrides"),
        ({"max_age": -1}, r"cache\.max_age"),
        ({"max_age": "60"}, r"cache\.max_age"),
        ({"negative": None}, r"cache\.negative"),
        ({"negative": True}, r"cache\.negative"),
        ({"stale_if_error": float("inf")}, r"cache\.stale_if_error"),
        ({"stale_if_error": float("nan")}, r"cache\.stale_if_error"),
        ({"heuristic": 1.1}, r"cache\.heuristic"),
        ({"largest": 1.5}, r"cache\.largest"),
        ({"largest": -1}, r"cache\.largest"),
        ({"store_private": 1}, r"cache\.store_private"),
        ({"overrides": []}, r"cache\.overrides"),
        ({"overrides": {"*.xml": 60}}, r"cache\.overrides\.\*\.xml"),
        ({"overrides": {"*": {"overrides": {}}}}, r"cache\.overrides\.\*\.overrides"),
    ],
)
def test_refused(settings: Any, named: str) -> None:
    """What cannot be meant is refused, by its name."""
    with pytest.raises(SettingsError, match=named):
        caching_of(settings)
