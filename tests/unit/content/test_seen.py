"""Whether a sync has anything to do."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from msgspec.structs import replace

from twisted_pulp.content._seen import Circumstances, Seen, conditions, kept_url, obstacle, unchanged, worth_waiting

OLD, NEW = "ab" * 32, "cd" * 32
LAST = Seen(url="http://a/PULP_MANIFEST", remote=1, version=3, policy="immediate", mirror=False, sha256=OLD, size=100)
NOW = Circumstances(url="http://a/PULP_MANIFEST", remote=1, version=3, policy="immediate", mirror=False, missing=False)


def skips(last: Seen, now: Circumstances, sha256: str = OLD) -> bool:
    """Return whether a sync is skipped whose metadata has the digest *sha256*."""
    return obstacle(last, now) is None and unchanged(last, sha256)


@pytest.mark.parametrize(
    ("last", "now", "sha256", "skipped"),
    [
        pytest.param({}, {}, OLD, True, id="nothing changed"),
        pytest.param({}, {}, NEW, False, id="the manifest changed"),
        pytest.param({}, {"url": "http://b/PULP_MANIFEST"}, OLD, False, id="the URL changed"),
        pytest.param({}, {"remote": 2}, OLD, False, id="another remote"),
        pytest.param({}, {"version": 4}, OLD, False, id="a version was made by other means"),
        pytest.param({"policy": "on_demand"}, {"missing": True}, OLD, False, id="on_demand to immediate"),
        pytest.param({}, {"policy": "on_demand"}, OLD, True, id="immediate to on_demand"),
        pytest.param({}, {"mirror": True}, OLD, False, id="mirror turned on"),
        pytest.param({"mirror": True}, {}, OLD, True, id="mirror turned off"),
        pytest.param({}, {"missing": True}, OLD, False, id="immediate with missing artifacts"),
        pytest.param({"policy": "on_demand"}, {"policy": "on_demand", "missing": True}, OLD, True, id="on_demand so"),
        pytest.param({}, {"force": True}, OLD, False, id="force"),
        # Beyond the twelve:
        pytest.param({"policy": "on_demand"}, {}, OLD, False, id="on_demand to immediate with all files there"),
        pytest.param({"policy": "on_demand"}, {"policy": "streamed", "missing": True}, OLD, True, id="to streamed"),
        pytest.param({"policy": "streamed"}, {"missing": True}, OLD, False, id="streamed to immediate"),
        pytest.param({"mirror": True}, {"mirror": True}, OLD, True, id="a mirror as before"),
        pytest.param({"complete": False}, {}, OLD, False, id="units failed"),
        pytest.param({"remote": None}, {"remote": None}, OLD, True, id="no remote has a row"),
        pytest.param({}, {"version": None}, OLD, False, id="the versions were deleted"),
    ],
)
def test_skips(last: dict[str, Any], now: dict[str, Any], sha256: str, skipped: bool) -> None:
    """A sync is skipped when the metadata is the same, and what is wanted of it was done before."""
    assert skipped == skips(replace(LAST, **last), evolve(NOW, **now), sha256)


def test_first() -> None:
    """Where nothing was synced before, there is something to do."""
    assert "nothing is known of a sync before" == obstacle(None, NOW)


def test_row() -> None:
    """What is kept is plain, and found again."""
    assert LAST == Seen.of(LAST.row())
    assert {"url", "sha256", "etag"} < LAST.row().keys()


@pytest.mark.parametrize("synced", [None, {}, {"revision": 4}, LAST.row() | {"size": "100"}, {"url": "http://a/"}])
def test_others(synced: dict[str, Any] | None) -> None:
    """What another content type, or nobody, has kept says nothing."""
    assert Seen.of(synced) is None


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({"etag": 'W/"1"', "last_modified": "Sat, 01 Jan 2000 00:00:00 GMT"}, {"If-None-Match": 'W/"1"'}),
        (
            {"last_modified": "Sat, 01 Jan 2000 00:00:00 GMT"},
            {"If-Modified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"},
        ),
        ({}, {}),
    ],
)
def test_conditions(fields: dict[str, str], headers: dict[str, str]) -> None:
    """The better validator is used, and only what the server gave."""
    assert headers == conditions(replace(LAST, **fields))


@pytest.mark.parametrize(("length", "waits"), [(100, True), (None, True), (99, False), (0, False)])
def test_worth_waiting(length: int | None, waits: bool) -> None:
    """Only metadata that may be the same as before is awaited before its units go on."""
    assert waits == worth_waiting(LAST, length)


def test_kept_url() -> None:
    """A URL is kept without the values in its query; that they are others is seen all the same."""
    url = "http://a/PULP_MANIFEST?key=S3CR3T"
    kept = kept_url(url)
    assert kept.startswith("http://a/PULP_MANIFEST?key=***#")
    assert 4 == len(kept.partition("#")[2])
    assert "http://a/PULP_MANIFEST" == kept_url("http://a/PULP_MANIFEST")
    assert skips(replace(LAST, url=kept), evolve(NOW, url=url))
    assert not skips(replace(LAST, url=kept), evolve(NOW, url=url + "2"))
