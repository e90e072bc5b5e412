"""What a kind of job gets to do one: its items, and where to say what became of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from attrs import define, evolve, field
from sqlalchemy import Connection

from twisted_pulp.catalog import Catalog, items, leases
from twisted_pulp.catalog.items import Ended, ItemRow
from twisted_pulp.catalog.jobs import JobRow
from twisted_pulp.jobs._telling import Telling
from twisted_pulp.jobs._values import Job, Wanted, job_of

__all__ = ["Task"]

_BATCH = 500


@define(eq=False)
class Task:
    """
    One run of a job. Everything it writes is refused with `LeaseLost` once the job is somebody else's.

    :ivar job: as it was when the run began.
    :ivar row: of the catalog, with the fence of the run.
    :ivar last: whether no other run follows when this one fails.
    :ivar stopping: whether to begin nothing new, and to end without it.
    :ivar cancelled: whether the run was broken off.
    :ivar parts: how far the parts of it are, for those who watch.
    :ivar come: bytes that have come of items that are not finished.
    """

    catalog: Catalog
    _telling: Telling
    now: Any
    row: JobRow
    last: bool
    job: Job = field(init=False)
    stopping: bool = field(init=False, default=False)
    cancelled: bool = field(init=False, default=False)
    parts: Sequence[Mapping[str, Any]] = field(init=False, default=())
    come: int = field(init=False, default=0)
    _figures: dict[str, int] = field(init=False)
    _given: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        row = self.row
        self.job = job_of(row)
        self._figures = {"total": row.total, "done": row.done, "failed": row.failed, "bytes": row.bytes}

    async def items(self, batch: int = _BATCH) -> AsyncIterator[list[Wanted]]:
        """
        Give the items that are not finished, *batch* at once, read from the catalog when they are asked for.

        There are no more once the task is `stopping`.
        """
        after = -1
        while not self.stopping:
            page = await self.catalog.read(items.list, self.row.id, state="waiting", after=after, limit=batch)
            if not page:
                return
            after = page[-1].number
            yield [self._wanted(row) for row in page]

    def _wanted(self, row: ItemRow) -> Wanted:
        url = row.url
        if row.secret is not None:
            assert self.catalog.key is not None
            url = str(self.catalog.key.unseal(row.secret)["url"])
        return Wanted(row.number, url, row.path, row.size, row.digests)

    def hold(self, connection: Connection) -> None:
        """
        Make sure that the job is still ours, until the end of the transaction.

        :raises LeaseLost: it is not.
        """
        leases.hold(connection, self.row.id, self.row.fence, self.row.uid)

    async def finished(self, ended: Sequence[Ended]) -> None:
        """
        Note what became of items, together in one transaction.

        :raises LeaseLost: the job is not ours any more, and nothing is noted.
        """
        row = self.row
        changed = await self.catalog.write(items.finish, row.id, row.fence, row.uid, ended, self.now())
        for name, more in zip(("done", "failed", "bytes"), changed, strict=True):
            self._figures[name] += more
        self.told()

    def coming(self, bytes: int) -> None:
        """Say how many *bytes* have come of items that are not finished."""
        self.come = bytes
        self.told()

    def progress(
        self,
        *,
        total: int | None = None,
        done: int | None = None,
        failed: int | None = None,
        bytes: int | None = None,
        parts: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        """Say how far a job without items is; what is None stays."""
        given = {"total": total, "done": done, "failed": failed, "bytes": bytes}
        self._given = True
        self._figures.update({name: value for name, value in given.items() if value is not None})
        if parts is not None:
            self.parts = parts
        self.told()

    def told(self) -> None:
        """Let those who watch know how far it is."""
        if not self.cancelled:
            self._telling.progressed(self.seen(self.job), coming=self.come, parts=list(self.parts))

    def seen(self, job: Job) -> Job:
        """Return *job* with the figures of now."""
        figures: dict[str, Any] = dict(self._figures)
        return evolve(job, **figures)

    @property
    def figures(self) -> dict[str, int]:
        """What the catalog does not know by itself: how far a job without items is."""
        return dict(self._figures) if self._given else {}

    def item_failed(self, item: Wanted, url: str, error: str | None) -> None:
        """Let those who watch know of an item that failed."""
        self._telling.failed(self.job, item.number, url, error)
