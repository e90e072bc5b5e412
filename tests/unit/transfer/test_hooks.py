"""Hooks and validators: called in time, and to blame for their own mistakes only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock

from tests.fakes import result_of
from tests.leaks import LoggedErrors
from twisted_pulp.download import DownloadReport
from twisted_pulp.errors import Cancelled, HookError, InvalidContent
from twisted_pulp.http import Watch
from twisted_pulp.transfer import Validator
from twisted_pulp.transfer._hooks import called, validated

REPORT = DownloadReport(url="http://h/f")


@pytest.fixture
def watch(clock: Clock) -> Watch:
    """A watch that only the test moves."""
    return Watch(clock)


def call(watch: Watch, hook: Callable[..., object], *arguments: object, seconds: float | None = 30.0) -> Deferred[Any]:
    """Call *hook*."""
    return Deferred.fromCoroutine(called(watch, seconds, "http://h/f", "done", hook, *arguments))


async def coroutine(value: object) -> object:
    """Return *value*, later."""
    if isinstance(value, Exception):
        raise value
    return value


@pytest.mark.parametrize(
    "hook",
    [lambda a, b: a + b, lambda a, b: succeed(a + b), lambda a, b: coroutine(a + b)],
    ids=["value", "Deferred", "coroutine"],
)
def test_returns(watch: Watch, hook: Callable[..., object]) -> None:
    """A hook may be a function, or one that returns a Deferred or a coroutine."""
    assert 3 == result_of(call(watch, hook, 1, 2))


def raising(error: Exception) -> Callable[[], object]:
    """Return a hook that raises *error*."""

    def hook() -> object:
        raise error

    return hook


ERRORS = [
    raising,
    lambda error: lambda: fail(error),
    lambda error: lambda: coroutine(error),
]


@pytest.mark.parametrize("kind", ERRORS, ids=["raised", "Deferred", "coroutine"])
def test_raises(watch: Watch, kind: Callable[[Exception], Callable[[], object]], logged_errors: LoggedErrors) -> None:
    """What a hook raises is logged, and fails the download as the hook's mistake."""
    with pytest.raises(HookError, match=r"the done hook raised ValueError: mine \(http://h/f\)") as caught:
        result_of(call(watch, kind(ValueError("mine"))))
    assert isinstance(caught.value.__cause__, ValueError)
    assert 1 == len(logged_errors.flush(ValueError))


@pytest.mark.parametrize("kind", ERRORS, ids=["raised", "Deferred", "coroutine"])
@pytest.mark.parametrize(
    "error", [HookError(detail="mine"), Cancelled(), CancelledError()], ids=lambda e: type(e).__name__
)
def test_passes(watch: Watch, kind: Callable[[Exception], Callable[[], object]], error: Exception) -> None:
    """A hook may say itself what is wrong, or that it was cancelled."""
    with pytest.raises(type(error)) as caught:
        result_of(call(watch, kind(error)))
    assert error is caught.value


async def awaiting(d: Deferred[None]) -> None:
    """Wait for *d*."""
    await d


@pytest.mark.parametrize("late", [lambda d: d, awaiting], ids=["Deferred", "coroutine"])
def test_late(watch: Watch, clock: Clock, late: Callable[[Deferred[None]], object]) -> None:
    """A hook that is not done in time fails, and is told."""
    told: list[bool] = []
    d: Deferred[None] = Deferred(lambda _: told.append(True))
    waiting = call(watch, lambda: late(d))
    clock.pump([0.1] * 299)
    assert [] == told
    clock.pump([0.1] * 3)
    with pytest.raises(HookError, match="not done after 30 s"):
        result_of(waiting)
    assert [True] == told
    assert [] == clock.getDelayedCalls()


def test_no_limit(watch: Watch, clock: Clock) -> None:
    """Without a limit a hook may take its time."""
    d: Deferred[int] = Deferred()
    waiting = call(watch, lambda: d, seconds=None)
    clock.advance(1e6)
    d.callback(1)
    assert 1 == result_of(waiting)


def test_cancelled(watch: Watch, clock: Clock) -> None:
    """To cancel the download cancels the hook."""
    told: list[bool] = []
    waiting = call(watch, lambda: Deferred(lambda _: told.append(True)))
    waiting.cancel()
    with pytest.raises(CancelledError):
        result_of(waiting)
    assert [True] == told
    watch.stop()


def test_foreign_awaitable(watch: Watch, logged_errors: LoggedErrors) -> None:
    """A future of asyncio needs asyncio's loop; without one it is the hook's mistake."""
    loop = asyncio.new_event_loop()
    try:
        future = loop.create_future()
        with pytest.raises(HookError):
            result_of(call(watch, lambda: future))
    finally:
        loop.close()
    logged_errors.flush()


# Validators


def look(watch: Watch, *validators: Validator) -> Deferred[None]:
    """Let *validators* look at a report."""
    return Deferred.fromCoroutine(validated(watch, 30.0, validators, REPORT))


@pytest.mark.parametrize(
    "verdict",
    [None, True, 0, "", succeed(None), succeed(True)],
    ids=["None", "True", "0", "text", "Deferred", "true Deferred"],
)
def test_good(watch: Watch, verdict: object) -> None:
    """A file is good unless a validator says that it is not."""
    seen: list[DownloadReport] = []
    result_of(look(watch, Validator(lambda report: seen.append(report) or verdict)))
    assert [REPORT] == seen


REFUSALS: list[tuple[Callable[[], object], str]] = [
    (lambda: False, r"a validator refused it \("),
    (lambda: succeed(False), r"a validator refused it \("),
    (lambda: coroutine(False), r"a validator refused it \("),
    (raising(ValueError("an HTML page")), "a validator refused it: ValueError: an HTML page"),
    (lambda: fail(ValueError("an HTML page")), "a validator refused it: ValueError: an HTML page"),
    (lambda: coroutine(ValueError("an HTML page")), "a validator refused it: ValueError: an HTML page"),
]


@pytest.mark.parametrize(("check", "words"), REFUSALS)
def test_refused(watch: Watch, check: Callable[[], object], words: str) -> None:
    """A validator refuses by False or by raising, at once or later."""
    with pytest.raises(InvalidContent, match=words) as caught:
        result_of(look(watch, Validator(lambda _: check())))
    assert isinstance(caught.value.__cause__, ValueError | type(None))


@pytest.mark.parametrize(("check", "words"), REFUSALS)
def test_only_warned(watch: Watch, check: Callable[[], object], words: str) -> None:
    """A validator that is not enforced only warns, and the next has its look."""
    seen: list[DownloadReport] = []
    result_of(look(watch, Validator(lambda _: check(), enforced=False), Validator(seen.append)))
    assert [REPORT] == seen


def test_first_refusal(watch: Watch) -> None:
    """After a refusal nobody else looks."""
    seen: list[DownloadReport] = []
    with pytest.raises(InvalidContent):
        result_of(look(watch, Validator(lambda _: False), Validator(seen.append)))
    assert [] == seen


def test_late_validator(watch: Watch, clock: Clock) -> None:
    """A validator that does not come to an end is a hook that failed."""
    waiting = look(watch, Validator(lambda _: Deferred()))
    clock.pump([0.1] * 302)
    with pytest.raises(HookError, match="validator"):
        result_of(waiting)


@pytest.mark.parametrize("check", [raising(CancelledError()), lambda: fail(CancelledError())])
def test_cancelled_validator(watch: Watch, check: Callable[[], object]) -> None:
    """A validator that is cancelled has not refused."""
    with pytest.raises(CancelledError):
        result_of(look(watch, Validator(lambda _: check())))
