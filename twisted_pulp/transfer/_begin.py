"""The beginning of a body: those who want to know are told, and may take their time."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from twisted_pulp.download import Download
from twisted_pulp.errors import PulpError, WriterError
from twisted_pulp.http import Watch
from twisted_pulp.interfaces import Head
from twisted_pulp.transfer._hooks import called
from twisted_pulp.transfer._range import Version

__all__ = ["begin"]


def begin(
    target: Any, head: Head, version: Version, watch: Watch, seconds: float | None, hook: Any, download: Download
) -> Any:
    """
    Tell the headers *hook*, if there is one, and then *target*, that bytes of *version* come.

    :param seconds: that each may take.
    :returns: what is to be waited for, or None.
    :raises HookError, WriterError: when one fails at once; what is returned fails with the same.
    """
    if hook is not None:
        return _announced(target, head, version, watch, seconds, hook, download)
    url = head.url
    try:
        begun = target.begin(head, version)
    except PulpError:
        raise
    except Exception as error:
        raise WriterError(url, f"the writer failed to begin: {type(error).__name__}: {error}") from error
    if not isinstance(begun, Deferred):
        return None
    slow = watch.limit(begun, seconds, lambda late: WriterError(url, f"the writer was not ready after {late:g} s"))
    return slow.addErrback(_not_begun, url)


async def _announced(
    target: Any, head: Head, version: Version, watch: Watch, seconds: float | None, hook: Any, download: Download
) -> None:
    await called(watch, seconds, head.url, "headers", hook, download, head)
    begun = begin(target, head, version, watch, seconds, None, download)
    if begun is not None:
        await begun


def _not_begun(why: Failure, url: str) -> None:
    if why.check(PulpError, CancelledError):
        why.raiseException()
    raise WriterError(url, f"the writer failed to begin: {type(why.value).__name__}: {why.value}") from why.value
