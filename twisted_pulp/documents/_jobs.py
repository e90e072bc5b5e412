"""Jobs, and the files of those that download."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from attrs import frozen
from msgspec import Meta

__all__ = ["Item", "ItemState", "Job", "JobState", "Priority"]

JobState = Literal["waiting", "running", "paused", "completed", "failed", "cancelled"]
ItemState = Literal["waiting", "completed", "failed", "cancelled"]


@frozen(kw_only=True)
class Job:
    """
    A job.

    Moments are in seconds since the epoch.

    :ivar id: its own, which nobody can guess.
    :ivar kind: what it does: `download`, `sync`, `verify` or `cleanup`.
    :ivar priority: jobs with more are begun first.
    :ivar remote: name of the remote whose turns it takes; null: none.
    :ivar repository: name of the repository that it syncs; null: none.
    :ivar schedule: name of the schedule that made it; null: none.
    :ivar created: when it was made.
    :ivar started: when it was begun for the last time; null: not yet.
    :ivar finished: when it ended; null: not yet.
    :ivar attempts: how often it was begun.
    :ivar total: parts that it has, as files; null: nobody knows yet.
    :ivar done: those that are done.
    :ivar failed: those that failed.
    :ivar bytes: that were done.
    :ivar result: what came of it.
    :ivar error: why it failed.
    :ivar parked: whether it failed so often that it is not tried again by itself.
    """

    id: str
    kind: str
    state: JobState
    priority: int
    remote: str | None
    repository: str | None
    schedule: str | None
    created: float
    started: float | None
    finished: float | None
    attempts: int
    total: int | None
    done: int
    failed: int
    bytes: int
    result: Mapping[str, Any] | None
    error: str | None
    parked: bool


@frozen(kw_only=True)
class Item:
    """
    A file of a download job.

    :ivar number: its place in the job, from 0.
    :ivar url: where it is, without user name, password and values of the query.
    :ivar path: where it appears below the directory of downloads.
    :ivar size: bytes that it must have; null: any number.
    :ivar digests: what it must have, by algorithm.
    :ivar bytes: that it has.
    :ivar sha256: what it has.
    :ivar attempts: how often it was tried.
    :ivar error: why it failed.
    :ivar finished: when it ended, in seconds since the epoch; null: not yet.
    """

    number: int
    url: str
    path: str
    size: int | None
    digests: Mapping[str, str]
    state: ItemState
    bytes: int | None
    sha256: str | None
    attempts: int
    error: str | None
    finished: float | None


@frozen(kw_only=True)
class Priority:
    """
    A job's place among those that wait.

    :ivar priority: jobs with more are begun first.
    """

    priority: Annotated[int, Meta(ge=-1000, le=1000)]
