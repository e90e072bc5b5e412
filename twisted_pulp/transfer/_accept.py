"""The end of a body: it is proven, looked at, and takes its name."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from twisted_pulp.download import Download, DownloadReport
from twisted_pulp.errors import HookError
from twisted_pulp.settings import Remote
from twisted_pulp.threads import outlasting
from twisted_pulp.transfer._attempt import AttemptRun
from twisted_pulp.transfer._file import FileTarget
from twisted_pulp.transfer._hooks import Hooks, validated
from twisted_pulp.transfer._proof import prove
from twisted_pulp.transfer._surroundings import Surroundings

__all__ = ["accept"]


def accept(
    run: AttemptRun,
    remote: Remote,
    shared: Surroundings,
    hooks: Hooks,
    download: Download,
    target: Any,
    report: DownloadReport,
) -> Any:
    """
    Prove the bytes that *run* has brought, and let them take their name once the validators have seen them.

    :returns: what is to be waited for, or None.
    :raises PulpError: when they are not what they must be; what is returned fails with the same.
    """
    report.size, report.digests = target.size, target.values()
    report.verified = prove(
        download, run.url, target.size, report.digests, run.by_end, remote.allow_unproven, run.declared
    )
    if hooks.progress is not None:
        try:
            hooks.progress(download, target.size, target.size)
        except Exception as error:
            raise HookError(run.url, f"the progress hook raised {type(error).__name__}: {error}") from error
    if hooks.validators:
        return _validated(run, remote, shared, hooks, download, target, report)
    done = target.commit(report, not download.digests)
    return None if done is None else _committed(target, done)


async def _validated(
    run: AttemptRun,
    remote: Remote,
    shared: Surroundings,
    hooks: Hooks,
    download: Download,
    target: Any,
    report: DownloadReport,
) -> None:
    report.status, report.headers, report.final_url = run.status, run.fields, run.url
    final, report.path = report.path, target.path
    await validated(shared.watch, remote.timeouts.hook, hooks.validators, report)
    report.path = final
    done = target.commit(report, not download.digests)
    if done is not None:
        await _committed(target, done)


async def _committed(target: Any, done: Deferred[None]) -> None:
    if isinstance(target, FileTarget):
        try:
            await outlasting(done)
        except CancelledError:  # too late: the file has its name by now, unless that failed
            pass
    else:
        await done
    if target.error is not None:
        raise target.error
