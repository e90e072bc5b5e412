"""Hooks: how callers take part in a download without subclassing anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from twisted_pulp.download import Download, DownloadReport, Source
from twisted_pulp.errors import HookError, InvalidContent, PulpError, shown
from twisted_pulp.http import Watch
from twisted_pulp.interfaces import Head

__all__ = ["Again", "Hooks", "Validator", "called", "tell_done"]

_log = Logger()


@frozen
class Again:
    """
    What an `attempt_failed` hook returns to have another try, at once and beyond the settings.

    :ivar source: a `Source` to ask next instead, or None for the one that failed: it was repaired.
    """

    source: Source | None = None


@frozen
class Validator:
    """
    A look at a finished file before it takes its name.

    :ivar check: called with the report; its `path` is where the bytes are now. What it raises, or returns when that is
        False or a Deferred of False, is a refusal.
    :ivar enforced: whether a refusal fails the download, or is only logged; default true.
    """

    check: Callable[[DownloadReport], object]
    enforced: bool = True


@frozen(kw_only=True)
class Hooks:
    """
    Functions that are called as a download goes on. Each may return a Deferred, but for `progress`.

    One that raises, or whose Deferred has not fired after `Timeouts.hook` seconds, fails its own download only.

    :ivar headers: (download, head), before any data of each attempt.
    :ivar progress: (download, bytes so far, total or None), for each read and once at the end.
    :ivar sources: (download, its sources and their mirrors in the order of priority and health); returns the sources
        to try, in order: it replaces the policy.
    :ivar attempt_failed: (download, source, error); may return `Again`.
    :ivar done: (report), for a success or failure; it cannot change what happened.
    :ivar validators: looks at the finished file, in order, before it takes its name.
    """

    headers: Callable[[Download, Head], object] | None = None
    progress: Callable[[Download, int, int | None], object] | None = None
    sources: Callable[[Download, tuple[Source, ...]], object] | None = None
    attempt_failed: Callable[[Download, Source, PulpError], object] | None = None
    done: Callable[[DownloadReport], object] | None = None
    validators: Sequence[Validator] = ()


async def called(
    watch: Watch, seconds: float | None, url: str, name: str, hook: Callable[..., object], *args: object
) -> Any:
    """
    Call *hook* and wait for what it returns, for *seconds* at most.

    :raises HookError: when it raises or is late.
    """
    try:
        result = hook(*args)
        if hasattr(result, "__await__"):
            waiting: Any = result if isinstance(result, Deferred) else Deferred.fromCoroutine(result)  # type: ignore[arg-type]
            result = await watch.limit(
                waiting, seconds, lambda late: HookError(url, f"the {name} hook was not done after {late:g} s")
            )
        return result
    except (HookError, CancelledError):
        raise
    except Exception as error:
        _log.failure("the {name} hook failed for {url}", name=name, url=shown(url))
        raise HookError(url, f"the {name} hook raised {type(error).__name__}: {error}") from error


async def tell_done(
    watch: Watch, seconds: float | None, hook: Callable[[DownloadReport], object], report: DownloadReport
) -> None:
    """Tell the `done` *hook* of *report*, which is told of the hook's error unless it has one."""
    try:
        await called(watch, seconds, report.url, "done", hook, report)
    except HookError as error:
        report.error = report.error or error
    except CancelledError:
        pass


async def validated(
    watch: Watch, seconds: float | None, validators: Sequence[Validator], report: DownloadReport
) -> None:
    """
    Let each of *validators* look at *report*.

    :raises InvalidContent: when an enforced one refuses.
    """
    for validator in validators:
        try:
            result = await called(watch, seconds, report.url, "validator", _raising(validator.check), report)
            if result is not False:
                continue
            refused = InvalidContent(report.url, "a validator refused it")
        except _Refused as why:
            refused = InvalidContent(report.url, f"a validator refused it: {why}")
            refused.__cause__ = why.__cause__
        if validator.enforced:
            raise refused
        _log.warn("{error}", error=refused)


class _Refused(HookError):
    """What a validator raised."""


def _raising(check: Callable[[DownloadReport], object]) -> Callable[[DownloadReport], object]:
    async def refusing(report: DownloadReport) -> object:
        try:
            result = check(report)
            if hasattr(result, "__await__"):
                result = await result
        except CancelledError:
            raise
        except Exception as why:
            raise _Refused(detail=f"{type(why).__name__}: {why}") from why
        return result

    return refusing
