"""`pulpdownloader export`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from twisted_pulp.cli._desk import Desk, worked
from twisted_pulp.cli._place import Place
from twisted_pulp.cli._words import amount, files

if TYPE_CHECKING:
    from twisted_pulp.interfaces import ExportMode

__all__ = ["export"]


def export(place: Place, name: str, directory: str, version: int | None, mode: ExportMode) -> int:
    """
    Write the files of the repository *name* below *directory*.

    :param version: default None: the latest.
    :returns: the exit status: 0 all files are there, 1 some were not downloaded yet.
    """

    if place.server is not None:
        raise click.UsageError("a server has no files here; let its distributions be downloaded")

    async def act(desk: Desk) -> None:
        from twisted_pulp import content
        from twisted_pulp.catalog import repositories

        began, data = time.monotonic(), desk.data
        repository = await data.catalog.read(repositories.get, name)
        kind = content.content_type(repository.type)
        stock = {"catalog": data.catalog, "storage": data.storage}
        done = await content.export(kind, repository, directory, **stock, number=version, mode=mode)
        seconds = time.monotonic() - began
        for path in done.missing:
            desk.fail(f"{path}: it was not downloaded yet")
        document = {
            "version": done.version,
            "exported": done.files,
            "bytes": done.bytes,
            "failed": [{"path": path, "error": "it was not downloaded yet"} for path in done.missing],
            "seconds": round(seconds, 3),
        }
        words = f"{name}: version {done.version}: {files(done.files)}, {amount(done.bytes)} in {seconds:.2f} s"
        desk.answer(document, [words])

    return worked(place, act)
