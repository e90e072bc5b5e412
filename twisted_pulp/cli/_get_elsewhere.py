"""`pulpdownloader --server URL get`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import click

from twisted_pulp.cli._desk import Desk, worked
from twisted_pulp.cli._options import GetOptions
from twisted_pulp.cli._place import Place
from twisted_pulp.cli._waiting import ended
from twisted_pulp.cli._wishes import Wishes
from twisted_pulp.cli._words import amount, files
from twisted_pulp.documents import Digests, NewDownload
from twisted_pulp.download import Download
from twisted_pulp.errors import SettingsError, shown
from twisted_pulp.lists import Inputs, Refused

__all__ = ["get_elsewhere"]

_HERE = "config", "report", "force", "fail_fast"


def get_elsewhere(place: Place, options: GetOptions) -> int:
    """
    Let the server download what *options* ask for, into its own directory of downloads; return the exit status.

    :raises click.UsageError: when it cannot be done as asked.
    """
    for name in _HERE:
        if getattr(options, name):
            raise click.UsageError(f"--{name.replace('_', '-')} is for downloads that are made here, not at a server")
    if options.fields:
        raise click.UsageError("a server has remotes of its own; name one with --remote")
    if any(name == "-" or "://" in name for name in options.lists):
        raise click.UsageError("a list for a server is a file here")
    try:
        wishes = Wishes.of(options._replace(remote=None))
    except SettingsError as error:
        raise click.UsageError(str(error)) from error

    async def act(desk: Desk) -> None:
        await _Getting(desk, options, wishes).run()

    return worked(place, act)


class _Getting:
    def __init__(self, desk: Desk, options: GetOptions, wishes: Wishes) -> None:
        self._desk, self._options, self._wishes = desk, options, wishes
        self._began = time.monotonic()

    async def run(self) -> None:
        """Hand everything in, wait for its end, and answer."""
        desk, server, options = self._desk, self._desk.server, self._options
        assert server is not None
        job = await server.jobs.download_each(self._documents(), remote=options.remote)
        job = await ended(desk, job, "downloading", "Downloading", options.quiet)
        if job.failed or job.state != "completed":
            async for item in server.jobs.items(job.id, state="failed"):
                desk.fail(f"{shown(item.url)}: {item.error}")
            desk.fail(job.error or f"the job was {job.state}") if not job.failed else None
        seconds = time.monotonic() - self._began
        document = {"job": job.id, "state": job.state, "done": job.done, "failed": job.failed, "bytes": job.bytes}
        words = f"{files(job.done + job.failed)}, {job.failed} failed; {amount(job.bytes)} in {seconds:.2f} s"
        desk.answer(document | {"seconds": round(seconds, 3)}, [] if options.quiet else [words])

    def _documents(self) -> Iterator[NewDownload]:
        inputs = Inputs(None, self._wishes.downloads, self._options.lists, self._wishes.remote, self._refused)
        downloader: Any = None  # only lists that are URLs need one
        for each in inputs.read(downloader):  # type: ignore[union-attr]
            yield self._document(each)

    def _document(self, download: Download) -> NewDownload:
        directory, path = self._options.directory, download.path
        if path is not None and directory != ".":
            path = f"{directory.strip('/')}/{path}"
        digests = Digests(**download.digests) if download.digests else None
        return NewDownload(url=download.url, path=path, size=download.size, digests=digests)

    def _refused(self, refused: Refused) -> None:
        self._desk.fail(f"{refused.place}: {refused.reason}")
