"""What is known about a partial file, across runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twisted_pulp.transfer import Journal, Place
from twisted_pulp.transfer._range import Version

pytestmark = pytest.mark.leaves_partials


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """The place of a file in an empty directory."""
    return Place.at(str(tmp_path / "file"))


def raw(place: Place) -> Path:
    """Return the journal's path."""
    return Path(place.beside(place.journal))


def test_round_trip(place: Place) -> None:
    """What is written is read."""
    journal = Journal.of(Version("http://h/f?token=s3cret#part", '"a"', 10), 5)
    journal.write(place)
    assert journal == Journal.read(place)
    assert ("http://h/f", '"a"', 10, 5, 0) == (
        journal.url,
        journal.validator,
        journal.length,
        journal.done,
        journal.modified,
    )
    assert b"s3cret" not in raw(place).read_bytes()
    assert 0o600 == raw(place).stat().st_mode & 0o777


def test_nothing_done(place: Place) -> None:
    """A journal may say that nothing is there yet, and when a finished file was written."""
    Journal.of(Version("http://h/f", None, None), 0, 7).write(place)
    journal = Journal.read(place)
    assert journal is not None
    assert (None, None, 0, 7) == (journal.validator, journal.length, journal.done, journal.modified)


def test_gap(place: Place) -> None:
    """Only what is there from the start on can be added to."""
    assert 0 == Journal(1, "http://h/f", None, None, [(5, 9)]).done


def test_none(place: Place) -> None:
    """Without a journal nothing is known."""
    assert None is Journal.read(place)


GOOD = {"version": 1, "url": "http://h/f", "validator": None, "length": None, "ranges": [[0, 5]], "modified": 0}


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"version": "1"},
        {"url": None},
        {"ranges": [[5, 5]]},
        {"ranges": [[5, 4]]},
        {"ranges": [[-1, 4]]},
        {"ranges": [[0]]},
        {"ranges": 5},
        {"length": "10"},
        {"validator": 1},
    ],
)
def test_not_ours(place: Place, change: dict[str, Any]) -> None:
    """What cannot be understood is not believed."""
    raw(place).write_text(json.dumps(GOOD))
    assert None is not Journal.read(place)
    raw(place).write_text(json.dumps({**GOOD, **change}))
    assert None is Journal.read(place)


def test_large(place: Place) -> None:
    """A file that is far too large is no journal."""
    raw(place).write_text(json.dumps({**GOOD, "url": "x" * 100_000}))
    assert None is Journal.read(place)


def test_link(place: Place, tmp_path: Path) -> None:
    """A link is no journal, wherever it leads."""
    other = tmp_path / "other"
    other.write_text(json.dumps(GOOD))
    raw(place).symlink_to(other)
    assert None is Journal.read(place)


@given(
    st.binary()
    | st.text().map(str.encode)
    | st.dictionaries(
        st.sampled_from(list(GOOD)),
        st.none() | st.integers() | st.text() | st.lists(st.lists(st.integers(), max_size=3), max_size=3),
    ).map(lambda change: json.dumps({**GOOD, **change}).encode())
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes(place: Place, data: bytes) -> None:
    """Whatever stands in a journal's place, it is understood or not believed."""
    raw(place).write_bytes(data)
    journal = Journal.read(place)
    assert journal is None or (journal.done >= 0 and journal.version == 1)
