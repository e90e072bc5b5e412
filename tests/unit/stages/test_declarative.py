"""Declared content: values, and what becomes of them."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError

from twisted_pulp import Source
from twisted_pulp.errors import SettingsError
from twisted_pulp.stages import Budget, Content, DeclarativeArtifact, DeclarativeContent

CONTENT = Content(type="file", key=("a.bin", "00" * 32))


@pytest.fixture
def unit() -> DeclarativeContent:
    """Return a unit that somebody may wait for."""
    return DeclarativeContent(content=CONTENT)


def test_content() -> None:
    """Content is a value: its type, its key, and what may be left out."""
    assert CONTENT == Content(type="file", key=("a.bin", "00" * 32), data={}, place=None)
    assert CONTENT != Content(type="file", key=("b.bin", "00" * 32))


@pytest.mark.parametrize("given", ["http://a.test/x", Source("http://a.test/x"), ["http://a.test/x"]])
def test_sources(given: Any) -> None:
    """Sources are given as a URL, a Source, or several."""
    artifact = DeclarativeArtifact(sources=given, relative_path="x")
    assert (Source("http://a.test/x"),) == artifact.sources


def test_digests() -> None:
    """Digests are checked where they are declared, and are in lower case then."""
    artifact = DeclarativeArtifact(sources=(), relative_path="x", digests={"SHA256": "AB" * 32})
    assert {"sha256": "ab" * 32} == artifact.digests
    with pytest.raises(SettingsError, match=r"digests\.sha256"):
        DeclarativeArtifact(sources=(), relative_path="x", digests={"sha256": "ab"})


def test_defaults(unit: DeclarativeContent) -> None:
    """Nothing is known of an artifact but what was said, and a unit may have none."""
    artifact = DeclarativeArtifact(sources=(), relative_path="x")
    found = (artifact.size, artifact.digests, artifact.deferred, artifact.artifact_id, artifact.path, artifact.report)
    assert (None, {}, None, None, None, None) == found
    assert ((), None, None, False) == (unit.artifacts, unit.attachment, unit.content_id, unit.awaited)


def test_release() -> None:
    """A unit gives the places of its artifacts in the budget back, once."""
    budget = Budget()
    artifacts = [DeclarativeArtifact(sources=(), relative_path=name) for name in "abc"]
    for artifact in artifacts[:2]:
        artifact.admission = budget.admit(3).result
    unit = DeclarativeContent(content=CONTENT, artifacts=artifacts)
    assert (2, 6) == (budget.used_items, budget.used_bytes)
    unit.release()
    unit.release()
    assert (0, 0) == (budget.used_items, budget.used_bytes)


def test_resolution(unit: DeclarativeContent) -> None:
    """All who wait are told the id, and whoever asks afterwards, too."""
    told: list[int] = []
    for _ in range(2):
        unit.resolution().addCallback(told.append)
    assert unit.awaited is True
    unit.content_id = 41
    unit.resolve()
    unit.resolution().addCallback(told.append)
    assert [41, 41, 41] == told
    unit.resolve()


def test_not_saved(unit: DeclarativeContent) -> None:
    """A unit that has no id is not saved."""
    waiting = unit.resolution()
    with pytest.raises(ValueError, match=r"a\.bin"):
        unit.resolve()
    assert not waiting.called


def test_give_up(unit: DeclarativeContent) -> None:
    """All who wait for a unit that is given up are told why, and whoever asks afterwards, too."""
    failed: list[Any] = []
    unit.resolution().addErrback(failed.append)
    error = OSError("gone")
    unit.give_up(error)
    unit.resolution().addErrback(failed.append)
    assert [error, error] == [failure.value for failure in failed]


def test_cancel(unit: DeclarativeContent) -> None:
    """Who waits no more keeps it from nobody else."""
    told, failed = [], []  # type: ignore[var-annotated]
    first, second = unit.resolution(), unit.resolution()
    first.addErrback(failed.append)
    second.addCallback(told.append)
    first.cancel()
    unit.content_id = 41
    unit.resolve()
    assert ([CancelledError], [41]) == ([failure.type for failure in failed], told)


def test_thaw(unit: DeclarativeContent) -> None:
    """Whoever holds a unit back is told when somebody waits for it, but not when there is nothing to wait for."""
    thawed: list[int] = []
    unit.thaw = lambda: thawed.append(1)
    waiting = unit.resolution()
    assert [1] == thawed
    unit.content_id = 41
    unit.resolve()
    unit.resolution()
    assert ([1], True) == (thawed, waiting.called)
