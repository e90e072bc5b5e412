"""What is asked of jobs, and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec
from attrs import field, frozen

from twisted_pulp.catalog.items import ItemRow
from twisted_pulp.catalog.jobs import JobRow
from twisted_pulp.digests import checked_digests
from twisted_pulp.download import Source
from twisted_pulp.errors import PathError, SettingsError, shown
from twisted_pulp.names import file_name_of, inside

__all__ = ["Item", "ItemSpec", "Job", "Page", "Submitted", "Wanted", "item_of", "job_of"]

T = TypeVar("T")


@frozen(init=False)
class ItemSpec:
    """
    A file that a job shall download.

    :ivar url: where it is; user name and password may stand in it, and are kept sealed.
    :ivar path: where it goes, below the directory of downloads; default: the last part of *url*.
    :ivar size: expected bytes; default None: not known.
    :ivar digests: expected digests: algorithm -> hex; default none.
    """

    url: str = field(repr=shown)
    path: str
    size: int | None
    digests: Mapping[str, str]

    def __init__(
        self, url: str, path: str | None = None, size: int | None = None, digests: Mapping[str, str] | None = None
    ) -> None:
        """:raises SettingsError: naming the part that is not what it must be."""
        Source(url)
        if size is not None and (type(size) is not int or not 0 <= size < 1 << 63):
            raise SettingsError("size", size, "a whole number from 0, or None")
        checked = checked_digests(digests) if digests else {}
        self.__attrs_init__(url, _path_of(url, path), size, checked)


def _path_of(url: str, path: str | None) -> str:
    try:
        return file_name_of(url) if path is None else inside("", path).removeprefix("/")
    except PathError as error:
        raise SettingsError("path", path, f"a relative path ({error.reason})") from error


@frozen(kw_only=True)
class Job:
    """
    What is known of a job. Times are seconds since the epoch.

    :ivar uid: by which it is asked for; it cannot be guessed.
    :ivar kind: such as `download` or `sync`.
    :ivar state: "waiting", "running", "paused", "completed", "failed" or "cancelled".
    :ivar priority: the higher is begun first; default 0.
    :ivar remote: whose turn it takes, or None.
    :ivar owner: number of the token that it was handed in with, or None.
    :ivar payload: what it is to do.
    :ivar attempts: times it was begun.
    :ivar total: items that it has; for other kinds, how much there is to do.
    :ivar done: how much of that is done, as *failed* and *bytes*.
    :ivar result: what came of it, or None.
    :ivar error: why it failed, or why the last run did.
    :ivar parked: whether it failed so often that it is not tried again by itself.
    :ivar schedule: name of the schedule that made it, or None.
    """

    uid: str
    kind: str
    state: str
    priority: int
    remote: str | None
    owner: int | None
    payload: Mapping[str, Any]
    created: float
    started: float | None
    finished: float | None
    attempts: int
    total: int
    done: int
    failed: int
    bytes: int
    result: Mapping[str, Any] | None
    error: str | None
    parked: bool
    schedule: str | None


@frozen
class Item:
    """
    What is known of a file of a job.

    :ivar number: within its job, from 0.
    :ivar url: without secrets.
    :ivar path: below the directory of downloads.
    :ivar size: expected bytes, or None.
    :ivar digests: expected digests.
    :ivar state: "waiting", "completed", "failed" or "cancelled".
    :ivar bytes: that the file has.
    :ivar sha256: of its bytes, in lower-case hex, when it is there.
    :ivar attempts: runs of the job that have tried it.
    :ivar error: why the last of them failed.
    :ivar finished: seconds since the epoch.
    """

    number: int
    url: str
    path: str
    size: int | None
    digests: Mapping[str, str]
    state: str
    bytes: int
    sha256: str | None
    attempts: int
    error: str | None
    finished: float | None


@frozen
class Page(Generic[T]):
    """
    Some of many.

    :ivar items: those.
    :ivar next: to be given as *after* for those that follow; None: there are no more.
    """

    items: Sequence[T]
    next: int | None


@frozen
class Submitted:
    """
    A job that was handed in, and will be run whatever happens.

    :ivar fresh: whether it is new; else it is what the same request has led to before.
    """

    job: Job
    fresh: bool


class Wanted(msgspec.Struct, frozen=True):
    """
    An item that is to be downloaded.

    :ivar url: with its secrets.
    """

    number: int
    url: str
    path: str
    size: int | None
    digests: Mapping[str, str]


def job_of(row: JobRow) -> Job:
    """Return what may be seen of *row*."""
    return Job(
        uid=row.uid,
        kind=row.kind,
        state=row.state,
        priority=-row.rank,
        remote=row.remote or None,
        owner=row.owner or None,
        payload=row.payload,
        created=row.created,
        started=row.started,
        finished=row.finished,
        attempts=row.attempts,
        total=row.total,
        done=row.done,
        failed=row.failed,
        bytes=row.bytes,
        result=row.result,
        error=row.error,
        parked=row.parked,
        schedule=row.schedule,
    )


def item_of(row: ItemRow, cancelled: bool = False) -> Item:
    """
    Return what may be seen of *row*.

    :param cancelled: whether its job was cancelled, so that what waits does so no more.
    """
    state = "cancelled" if cancelled and row.state == "waiting" else row.state
    return Item(
        row.number,
        row.url,
        row.path,
        row.size,
        row.digests,
        state,
        row.bytes,
        row.sha256,
        row.attempts,
        row.error,
        row.finished,
    )
