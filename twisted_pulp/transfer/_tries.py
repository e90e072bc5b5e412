"""What comes after a failure: which source, and when. Nothing here waits or asks; it only decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from sys import float_info

from msgspec import Struct

from twisted_pulp.download import Source
from twisted_pulp.errors import DigestMismatch, HTTPStatusError, PulpError, ResumeRefused, SizeMismatch
from twisted_pulp.settings import Retry

__all__ = ["Tries", "Try", "asked_to_wait", "backoff", "retry_after"]


def retry_after(value: str | None, now: float) -> float | None:
    """
    Return the seconds that *value* asks to wait (RFC 9110 section 10.2.3); None when it says nothing that counts.

    :param value: of Retry-After.
    :param now: seconds since the epoch.
    """
    if value is None:
        return None
    from email.utils import parsedate_to_datetime

    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:12])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, TypeError, IndexError, OverflowError, OSError):
        return None


def asked_to_wait(error: PulpError, now: float) -> float:
    """Return the seconds that the server asks to wait before it is tried again; 0 when it does not."""
    if isinstance(error, HTTPStatusError) and error.retryable:
        return retry_after(error.retry_after, now) or 0.0
    return 0.0


def backoff(retry: Retry, rounds: int, uniform: Callable[[float, float], float]) -> float:
    """
    Return how long to wait after *rounds* rounds in which everything failed: full jitter, so that crowds dissolve.

    :param uniform: as `random.uniform`.
    """
    try:
        grown = retry.factor ** (rounds - 1)
    except OverflowError:
        grown = float_info.max
    return uniform(0.0, min(retry.cap, retry.base * grown))


class Try(Struct, frozen=True):
    """
    The next step.

    :ivar source: to ask.
    :ivar delay: seconds to wait before, holding nothing.
    :ivar whole: whether to ask for all of it, and not for the rest.
    """

    source: Source
    delay: float = 0.0
    whole: bool = False


class _Standing:
    """How a source has done in this download."""

    __slots__ = ("final", "mismatches", "source", "tries", "until", "whole")

    def __init__(self, source: Source, tries: int = 0) -> None:
        self.source, self.tries, self.mismatches = source, tries, 0
        self.final = self.whole = False
        self.until = 0.0  # a Retry-After's end


class Tries(Struct, eq=False):
    """
    The tries of one download over its sources.

    :param sources: in the order in which they are to be asked.
    :param retry: the settings.
    :param clock: seconds that never jump.
    :param uniform: as `random.uniform`.
    """

    _sources: Sequence[Source]
    _retry: Retry
    _clock: Callable[[], float]
    _uniform: Callable[[float, float], float]
    _standings: list[_Standing] = []
    _round: list[_Standing] = []
    _rounds: int = 0

    def first(self, paused: Callable[[Source], float]) -> Try:
        """Return the first step; *paused* tells the seconds for which a source's host wants to be left alone."""
        if len(self._sources) == 1:  # most need nothing more
            return Try(self._sources[0], paused(self._sources[0]))
        self._standings = [_Standing(source) for source in self._sources]
        self._round = list(self._standings)
        return self._take(paused, 0.0)

    def _of(self, source: Source) -> _Standing:
        if not self._standings:
            self._standings = [_Standing(self._sources[0], tries=1)]
        return next(each for each in self._standings if each.source is source)

    def _take(self, paused: Callable[[Source], float], least: float) -> Try:
        now, candidates = self._clock(), self._round

        def wait(standing: _Standing) -> float:
            return max(least, standing.until - now, paused(standing.source))

        chosen = candidates[0]
        if len(candidates) > 1 and wait(chosen) > least:
            chosen = min(candidates, key=wait)
        candidates.remove(chosen)
        chosen.tries += 1
        step = Try(chosen.source, wait(chosen), chosen.whole)
        chosen.whole = False
        return step

    def add(self, failed: Source, others: Iterable[Source]) -> None:
        """Have *others*, which became known when *failed* answered, tried in this round too."""
        self._of(failed)
        known = {each.source.url for each in self._standings}
        for other in others:
            if other.url not in known:
                known.add(other.url)
                standing = _Standing(other)
                self._standings.append(standing)
                self._round.append(standing)

    def again(self, source: Source, other: Source | None) -> Try:
        """Return a try at once, beyond the settings: a hook has repaired *source*, or knows an*other*."""
        standing = self._of(source)
        if other is not None:
            standing = _Standing(other)
            self._standings.append(standing)
        standing.tries += 1
        return Try(standing.source, 0.0, False)

    def after(
        self, source: Source, error: PulpError, resumed: bool, paused: Callable[[Source], float], now: float
    ) -> Try | None:
        """
        Return the step that follows *error*, or None to give up.

        :param source: that failed.
        :param resumed: whether the try added to bytes of an earlier one.
        :param paused: as for `first`.
        :param now: seconds since the epoch, for dates.
        """
        standing = self._of(source)
        again = self._judge(standing, error, resumed, now)
        self._round = [each for each in self._round if not each.final]
        if again:  # a body spliced from two tries proves nothing about this source: the same again, from the start
            standing.whole = True
            return Try(source, 0.0, True)
        alive = [each for each in self._standings if not each.final]
        left = sum(each.tries for each in alive) <= self._retry.retries
        if self._round and (left or not self._rounds):  # every source is tried once, however few the retries
            return self._take(paused, 0.0)
        if not alive or not left:
            return None
        self._rounds += 1
        self._round = list(alive)
        mismatch = isinstance(error, (SizeMismatch, DigestMismatch)) and len(alive) == 1
        least = 0.0 if mismatch else backoff(self._retry, self._rounds, self._uniform)
        return self._take(paused, least)

    def _judge(self, standing: _Standing, error: PulpError, resumed: bool, now: float) -> bool:
        """Note what *error* means for its source; return whether to ask the same once more, for all of it."""
        if isinstance(error, ResumeRefused) or (resumed and isinstance(error, (SizeMismatch, DigestMismatch))):
            return True
        if isinstance(error, (SizeMismatch, DigestMismatch)):
            standing.mismatches += 1
            standing.final = standing.mismatches > 1
            standing.whole = True
            return False
        standing.final = not getattr(error, "retryable", False)
        standing.until = self._clock() + asked_to_wait(error, now)
        return False
