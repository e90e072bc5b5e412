"""The jobs of a server."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any

from attrs import define, evolve
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Cooperator, deferLater

from twisted_pulp.client._errors import ServerError
from twisted_pulp.client._events import Events
from twisted_pulp.client._lines import Lines
from twisted_pulp.client._wire import Wire, path_of
from twisted_pulp.documents import (
    Item,
    Job,
    NewCleanup,
    NewDownload,
    NewDownloads,
    NewSync,
    NewVerification,
    Priority,
)
from twisted_pulp.errors import PulpError

__all__ = ["JobEnded", "Jobs"]

#: Seconds between two looks at a job that runs: the first, and the longest.
_SOON, _LATE = 0.1, 2.0
#: What events tell of a job.
_TOLD = "state", "total", "done", "failed", "bytes", "error"
_ENDED = frozenset({"completed", "failed", "cancelled"})


class JobEnded(PulpError):
    """
    A job ended, and was not completed.

    :ivar job: what it was at its end.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        super().__init__(job.error or f"the job {job.id} was {job.state}")


@define(eq=False)
class Jobs:
    """
    Work of a server.

    What hands in work is safe to try again, and tries again by itself: it carries a key of its own, by which the server
    knows that it has the job.
    """

    _wire: Wire
    _reactor: IReactorTime

    async def download(self, wanted: NewDownloads, *, key: str | None = None) -> Job:
        """
        Hand in files to be downloaded; when this returns, the server will see to it whatever happens to it.

        :param key: default: a new one.
        """
        return await self._submit("downloads", wanted, key)

    async def download_each(
        self, files: Iterable[NewDownload], *, remote: str | None = None, priority: int = 0, key: str | None = None
    ) -> Job:
        """
        Hand in any number of files, which are taken from *files* as the server takes them.

        :param remote: name of the remote that reaches them; default None: every default.
        :param priority: jobs with more are begun first; default 0.
        :param key: of a request that is sent again by the caller; default: none.
        """
        body = Lines(Cooperator(scheduler=lambda call: self._reactor.callLater(0, call)), files)
        url = self._wire.url("/downloads", {"remote": remote, "priority": priority or None})
        return await self._wire.ask("POST", url, Job, body, key)  # type: ignore[no-any-return]

    async def sync(self, wanted: NewSync, *, key: str | None = None) -> Job:
        """Hand in a sync."""
        return await self._submit("syncs", wanted, key)

    async def verify(self, wanted: NewVerification | None = None, *, key: str | None = None) -> Job:
        """Hand in a verification; default: one that repairs nothing."""
        return await self._submit("verifications", wanted or NewVerification(), key)

    async def cleanup(self, wanted: NewCleanup | None = None, *, key: str | None = None) -> Job:
        """Hand in a cleanup; default: one that leaves what was wanted within a day."""
        return await self._submit("cleanups", wanted or NewCleanup(), key)

    async def _submit(self, noun: str, document: Any, key: str | None) -> Job:
        return await self._wire.send("POST", f"/{noun}", Job, document, key or secrets.token_urlsafe(16))  # type: ignore[no-any-return]

    def list(
        self, *, state: str | None = None, kind: str | None = None, remote: str | None = None
    ) -> AsyncIterator[Job]:
        """Return all jobs, or those in one state, of one kind, of one remote; the latest first."""
        return self._wire.pages(Job, "/jobs", limit=1000, state=state, kind=kind, remote=remote)

    async def get(self, uid: str) -> Job:
        """Return the job *uid*."""
        return await self._wire.get(Job, path_of("jobs", uid))

    def items(self, uid: str, *, state: str | None = None) -> AsyncIterator[Item]:
        """Return the files of the job *uid*, or those in one state."""
        return self._wire.pages(Item, path_of("jobs", uid, "items"), limit=1000, state=state)

    async def cancel(self, uid: str) -> Job:
        """End the job *uid*; what is finished stays."""
        return await self._change(uid, "cancel")

    async def pause(self, uid: str) -> Job:
        """Let the job *uid* rest."""
        return await self._change(uid, "pause")

    async def resume(self, uid: str) -> Job:
        """Let the job *uid* go on."""
        return await self._change(uid, "resume")

    async def retry(self, uid: str) -> Job:
        """Try again what failed of the job *uid*."""
        return await self._change(uid, "retry")

    async def prioritise(self, uid: str, priority: int) -> Job:
        """Give the job *uid* another place among those that wait."""
        return await self._wire.send("POST", path_of("jobs", uid, "priority"), Job, Priority(priority=priority))  # type: ignore[no-any-return]

    async def delete(self, uid: str) -> None:
        """Forget the job *uid*, which has ended; its files stay."""
        await self._wire.send("DELETE", path_of("jobs", uid))

    async def _change(self, uid: str, verb: str) -> Job:
        return await self._wire.send("POST", path_of("jobs", uid, verb), Job)  # type: ignore[no-any-return]

    async def ended(self, uid: str, observe: Callable[[Job], object] = lambda job: None) -> Job:
        """
        Wait for the end of the job *uid*: hear of it, or look now and then where nothing can be heard.

        :param observe: called with the job now and then.
        :raises JobEnded: when it is not completed.
        """
        job = await self.get(uid)
        observe(job)
        if job.state not in _ENDED:
            try:
                job = await self._heard(job, observe)
            except ServerError as error:
                if error.status == 404 and error.problem.instance.endswith(uid):
                    raise
                job = await self._looked(job, observe)
        if job.state != "completed":
            raise JobEnded(job)
        return job

    async def _heard(self, job: Job, observe: Callable[[Job], object]) -> Job:
        """Hear of *job* until it has ended; with each beat, also when we begin to listen, we look at it."""
        async with aclosing(Events(self._wire, self._reactor, beats=True).each()) as events:
            async for event in events:
                if event.name == "job" and event.data.get("uid") == job.id:
                    job = _changed(job, event.data)
                    if job.state not in _ENDED:
                        observe(job)
                        continue
                elif event.name not in ("", "reset"):
                    continue
                job = await self.get(job.id)
                observe(job)
                if job.state in _ENDED:
                    break
        return job

    async def _looked(self, job: Job, observe: Callable[[Job], object]) -> Job:
        """Look at *job* until it has ended."""
        pause = _SOON
        while job.state not in _ENDED:
            await deferLater(self._reactor, pause)
            pause = min(_LATE, pause * 1.3)
            job = await self.get(job.id)
            observe(job)
        return job


def _changed(job: Job, data: Mapping[str, Any]) -> Job:
    """Return *job* as an event tells of it."""
    known: dict[str, Any] = {name: data[name] for name in _TOLD if name in data}
    return evolve(job, **known)
