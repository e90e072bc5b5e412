"""Numbers and times are told as people read them."""

import pytest

from tests.unit.dashboard.jobs import Job
from twisted_pulp.dashboard._words import ago, count, duration, moment, size, subject


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "–"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (1024 * 1024 - 1, "1.0 MiB"),
        (5 * 1024**3, "5.0 GiB"),
        (3 * 1024**6, "3072.0 PiB"),
    ],
)
def test_sizes(value: int | None, words: str) -> None:
    """Bytes are told in the unit that suits them."""
    assert words == size(value)


def test_counts() -> None:
    """Thousands are set apart."""
    assert ["–", "0", "999", "1\u202f000", "12\u202f345\u202f678"] == [
        count(value) for value in (None, 0, 999, 1000, 12345678)
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"),
        (-5, "0 s"),
        (0, "0 s"),
        (0.25, "250 ms"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3661, "1 h 1 min"),
        (3601, "1 h"),
        (90_061, "1 d 1 h"),
    ],
)
def test_durations(seconds: float | None, words: str) -> None:
    """How long something took is told in its two largest units."""
    assert words == duration(seconds)


@pytest.mark.parametrize(
    ("then", "words"),
    [(None, "–"), (998, "just now"), (1000.5, "just now"), (940, "1 min ago"), (995, "5 s ago"), (1060, "in 1 min")],
)
def test_ago(then: float | None, words: str) -> None:
    """When something was is told from now."""
    assert words == ago(then, 1000)


def test_moments() -> None:
    """When something was is told exactly, too, whatever the number is."""
    assert ["", "2001-09-09 01:46:40 UTC", "1e+300"] == [moment(each) for each in (None, 1e9, 1e300)]


@pytest.mark.parametrize(
    ("job", "words"),
    [
        (Job(uid="a", total=1), "1 file"),
        (Job(uid="a", total=1200, remote="debian"), "1\u202f200 files from debian"),
        (Job(uid="a", kind="sync", payload={"repository": "r"}), "r"),
        (Job(uid="a", kind="sync", payload={}), ""),
        (Job(uid="a", kind="verify", payload={"repair": True}), "all stored files, with repair"),
        (Job(uid="a", kind="verify"), "all stored files"),
        (Job(uid="a", kind="cleanup"), "what nothing refers to"),
        (Job(uid="a", kind="other"), ""),
    ],
)
def test_subjects(job: Job, words: str) -> None:
    """What a job is about is told."""
    assert words == subject(job)
