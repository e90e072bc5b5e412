"""`pulpdownloader --server URL sync`."""

from __future__ import annotations

import time
from typing import Any

from twisted_pulp.cli._desk import Desk
from twisted_pulp.cli._elsewhere import new_remote, remote_change
from twisted_pulp.cli._options import SyncOptions
from twisted_pulp.cli._waiting import ended
from twisted_pulp.cli._words import amount
from twisted_pulp.client import Client, ServerError
from twisted_pulp.documents import Job, NewRepository, NewSync, Remote, RepositoryChange
from twisted_pulp.errors import PulpError, SettingsError

__all__ = ["sync_elsewhere"]


async def sync_elsewhere(desk: Desk, options: SyncOptions) -> None:
    """Let the server sync as *options* say, and answer what came of it."""
    server, began = desk.server, time.monotonic()
    assert server is not None
    await _prepare(server, options)
    wanted = NewSync(
        repository=options.repository,
        mirror=options.mirror,
        force=options.force,
        keep_going=options.keep_going,
        tolerance=options.tolerance,
    )
    job = await server.jobs.sync(wanted)
    job = await ended(desk, job, "sync.downloading.artifacts", "Downloading Artifacts", options.quiet)
    _answer(desk, options, job, time.monotonic() - began)


async def _prepare(server: Client, options: SyncOptions) -> None:
    """Make the repository and its remote, or change them, as far as they are not as *options* say."""
    repository = await _found(server.repositories.get(options.repository))
    if repository is not None and repository.type != options.type:
        raise SettingsError("repository", options.repository, f"one of type {options.type}")
    name = options.remote or (repository and repository.remote) or options.repository
    await _reach(server, name, options, await _found(server.remotes.get(name)))
    if repository is None:
        await server.repositories.create(NewRepository(name=options.repository, type=options.type, remote=name))
    elif repository.remote != name:
        await server.repositories.update(options.repository, RepositoryChange(remote=name))


async def _reach(server: Client, name: str, options: SyncOptions, known: Remote | None) -> None:
    fields = dict(options.fields) if options.url is None else {**options.fields, "url": options.url}
    if known is None and "url" not in fields:
        raise SettingsError("URL", None, "given, for this repository was never synced")
    if known is None:
        await server.remotes.create(new_remote(name, options.type, fields))
    elif fields != {"url": known.url} and fields:
        await server.remotes.update(name, remote_change(fields))


async def _found(asked: Any) -> Any:
    try:
        return await asked
    except ServerError as error:
        if error.status != 404:
            raise
        return None


def _answer(desk: Desk, options: SyncOptions, job: Job, seconds: float) -> None:
    result = job.result or {}
    failed = [{"path": each.get("path"), "error": each.get("error")} for each in result.get("failures", ())]
    if job.state != "completed":
        failed = failed or [{"path": None, "error": job.error or f"the job was {job.state}"}]
    names = "version", "added", "removed", "present", "downloaded", "bytes"
    document = {name: result.get(name) for name in names} | {"failed": failed, "seconds": round(seconds, 3)}
    desk.answer(document, [] if options.quiet or job.state != "completed" else [_words(options, result, seconds)])
    if job.state != "completed":
        raise PulpError(failed[0]["error"])
    for each in failed:
        desk.fail(f"{each['path']}: {each['error']}")


def _words(options: SyncOptions, result: Any, seconds: float) -> str:
    if result.get("version") is None:
        return f"{options.repository}: nothing has changed; {result.get('present')} present, in {seconds:.2f} s"
    changes = f"{result['added']} added, {result['removed']} removed, {result['present']} present"
    came = f"{result['downloaded']} downloaded, {amount(result['bytes'])}"
    return f"{options.repository}: version {result['version']}: {changes}; {came} in {seconds:.2f} s"
