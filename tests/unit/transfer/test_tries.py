"""What comes after a failure: which source, and when."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.fakes import refusal
from twisted_pulp.download import Source
from twisted_pulp.errors import (
    ConnectionLost,
    DigestMismatch,
    NotFound,
    PulpError,
    ResumeRefused,
    SizeMismatch,
    TLSError,
    Truncated,
)
from twisted_pulp.settings import Retry
from twisted_pulp.transfer._tries import Tries, Try, asked_to_wait, backoff, retry_after

A, B, C = Source("http://a/f"), Source("http://b/f"), Source("http://c/f")
LOST = ConnectionLost()
NOW = 1_000_000_000.0


def quiet(_: Source) -> float:
    """Nobody asked to be left alone."""
    return 0.0


class Story:
    """The tries of one download, told step by step."""

    def __init__(self, *sources: Source, paused: Callable[[Source], float] = quiet, **retry: float) -> None:
        self.clock, self.paused = Clock(), paused
        self.tries = Tries(sources, Retry(**retry), self.clock.seconds, lambda low, high: high)  # type: ignore[arg-type]
        self.step: Try | None = self.tries.first(paused)

    def failed(self, error: PulpError = LOST, *, resumed: bool = False) -> Try | None:
        """Let the step fail, and return the next."""
        assert self.step is not None
        self.step = self.tries.after(self.step.source, error, resumed, self.paused, NOW)
        return self.step

    def rest(self, error: PulpError = LOST) -> list[tuple[Source, float]]:
        """Let everything fail, and return who is asked after which wait."""
        steps = []
        while self.step is not None:
            steps.append((self.step.source, self.step.delay))
            self.failed(error)
        return steps


def test_four_tries() -> None:
    """Three retries are four tries, each wait up to twice the one before."""
    assert [(A, 0.0), (A, 1.0), (A, 2.0), (A, 4.0)] == Story(A).rest()


def test_no_retries() -> None:
    """Without retries each source is tried once."""
    assert [(A, 0.0)] == Story(A, retries=0).rest()
    assert [(A, 0.0), (B, 0.0), (C, 0.0)] == Story(A, B, C, retries=0).rest()


def test_tries_over_all_sources() -> None:
    """The tries are counted over all sources, and nobody waits while another source is left."""
    assert [(A, 0.0), (B, 0.0), (A, 1.0), (B, 0.0)] == Story(A, B).rest()
    assert [(A, 0.0), (B, 0.0), (C, 0.0), (A, 1.0)] == Story(A, B, C).rest()


def test_more_sources_than_tries() -> None:
    """Every source is tried at least once, however few the retries."""
    assert [(A, 0.0), (B, 0.0), (C, 0.0)] == Story(A, B, C, retries=1).rest()


def test_cap() -> None:
    """No wait is longer than the cap."""
    assert [0.0, 10.0, 15.0, 15.0] == [delay for _, delay in Story(A, base=10.0, cap=15.0).rest()]


def test_final() -> None:
    """What another try cannot help ends a source, and the next is asked."""
    story = Story(A, B)
    assert Try(B) == story.failed(NotFound("", 404))
    assert Try(B, 1.0) == story.failed()
    assert None is story.failed(TLSError())


def test_final_last() -> None:
    """With the last source gone nothing follows."""
    assert None is Story(A).failed(NotFound("", 404))


def test_final_in_the_middle() -> None:
    """Only tries of sources that are still alive count."""
    story = Story(A, B, retries=2)
    story.failed(NotFound("", 404))
    assert [(B, 0.0), (B, 1.0), (B, 2.0)] == story.rest()


def test_mismatch() -> None:
    """Wrong bytes are fetched once more, at once and from byte 0; a second time is final."""
    story = Story(A)
    assert Try(A, 0.0, whole=True) == story.failed(DigestMismatch())
    assert None is story.failed(DigestMismatch())


def test_mismatch_with_others() -> None:
    """The other sources come before the second chance of the one that was wrong."""
    story = Story(A, B)
    assert Try(B) == story.failed(SizeMismatch())
    assert Try(A, 1.0, whole=True) == story.failed()
    assert Try(B, 0.0) == story.failed(SizeMismatch())


def test_whole_once() -> None:
    """After the fresh start, a try that is cut short may be resumed again."""
    story = Story(A)
    story.failed(DigestMismatch())
    assert Try(A, 2.0, whole=False) == story.failed(Truncated())


@pytest.mark.parametrize("error", [DigestMismatch(), SizeMismatch()])
def test_mismatch_after_resume(error: PulpError) -> None:
    """A body made of two tries proves nothing against its source: the same again, from the start, and then twice."""
    story = Story(A, B)
    assert Try(A, 0.0, whole=True) == story.failed(error, resumed=True)
    assert Try(B) == story.failed(error)


def test_resume_refused() -> None:
    """What cannot be resumed is asked for as a whole, at once."""
    assert Try(A, 0.0, whole=True) == Story(A, B).failed(ResumeRefused(), resumed=True)


def test_retry_after() -> None:
    """Retry-After is a lower bound for the wait."""
    assert Try(A, 30.0) == Story(A).failed(refusal(503, retry_after="30"))
    assert Try(A, 1.0) == Story(A).failed(refusal(503, retry_after="0"))
    assert Try(A, 1.0) == Story(A).failed(refusal(503, retry_after="soon"))


def test_retry_after_passes() -> None:
    """What is left of a Retry-After when its source's turn comes is waited for."""
    story = Story(A, B)
    story.failed(refusal(503, retry_after="30"))
    story.clock.advance(12)
    assert Try(B, 1.0) == story.failed()
    assert Try(A, 18.0) == story.failed()


def test_paused_host() -> None:
    """A host that asked to be left alone is asked last, and after that time."""
    story = Story(A, B, paused=lambda source: 20.0 if source is A else 0.0)
    assert Try(B, 0.0) == story.step
    assert Try(A, 20.0) == story.failed()


def test_paused_alone() -> None:
    """The only source there is, is waited for."""
    assert Try(A, 20.0) == Story(A, paused=lambda _: 20.0).step


def test_asked_to_wait() -> None:
    """A Retry-After counts with those errors after which another try may help."""
    assert 301.0 == asked_to_wait(refusal(429, retry_after="301"), NOW)
    for error in (refusal(429), refusal(404, retry_after="900"), LOST):
        assert 0.0 == asked_to_wait(error, NOW)


def test_again() -> None:
    """A hook's repair is another try at once, beyond the settings, and so is a source that it knows."""
    story = Story(A, retries=0)
    assert Try(A) == story.tries.again(A, None)
    assert Try(C) == story.tries.again(A, C)
    story.step = Try(C)
    assert None is story.failed()


def test_again_lives_on() -> None:
    """A source of a hook's takes part in what follows."""
    story = Story(A, retries=3)
    story.step = story.tries.again(A, C)
    story.failed(NotFound("", 404))
    assert Try(A, 1.0) == story.step


@given(st.integers(1, 5000), st.floats(0, 1e6), st.floats(1, 10), st.floats(0, 1e6))
def test_backoff(rounds: int, base: float, factor: float, cap: float) -> None:
    """A wait is from 0 to the cap, whatever the settings and however often."""
    drawn = []
    wait = backoff(
        Retry(base=base, factor=factor, cap=cap), rounds, lambda low, high: drawn.append((low, high)) or high
    )
    assert 0.0 == drawn[0][0]
    assert 0.0 <= wait <= cap


@pytest.mark.parametrize(("rounds", "expected"), [(1, 2.0), (2, 20.0), (3, 60.0), (10_000, 60.0)])
def test_backoff_grows(rounds: int, expected: float) -> None:
    """The longest wait grows with each round, up to the cap, and beyond what a number can say."""
    assert expected == backoff(Retry(base=2.0, factor=10.0, cap=60.0), rounds, lambda low, high: high)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        (" 120 ", 120.0),
        ("9" * 400, float("9" * 12)),
        ("-1", None),
        ("1.5", None),
        ("\u0661", None),
        ("soon", None),
        (formatdate(NOW + 60, usegmt=True), 60.0),
        (formatdate(NOW - 60, usegmt=True), 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799.0 - NOW),
        ("Fri, 31 Dec 0000 23:59:59 GMT", 0.0),
    ],
)
def test_retry_after_value(value: str | None, seconds: float | None) -> None:
    """Seconds and dates count, anything else says nothing."""
    assert seconds == retry_after(value, NOW)


DATES = st.builds(
    "{} {} {}, {} {} {}:{} {}".format,
    st.sampled_from(["Mon", "", "x"]),
    st.integers(-1, 99999),
    st.sampled_from(["Jan", "Feb", "x"]),
    st.integers(-1, 10**12),
    st.integers(-1, 99),
    st.integers(-1, 99),
    st.integers(-1, 99),
    st.sampled_from(["GMT", "+9999", "-9999", "+99999999999", ""]),
)


@given(st.text(max_size=60) | DATES)
def test_any_retry_after(value: str) -> None:
    """Whatever a server sends, it is a number of seconds or nothing."""
    seconds = retry_after(value, NOW)
    assert seconds is None or 0.0 <= seconds < float("inf")


@given(
    st.integers(0, 6), st.integers(1, 4), st.lists(st.sampled_from(["lost", "404", "digest", "resume"]), max_size=40)
)
def test_ends(retries: int, count: int, fates: list[str]) -> None:
    """Every story has an end, and every source had its chance before it."""
    kinds: dict[str, PulpError] = {"lost": LOST, "404": NotFound("", 404), "digest": DigestMismatch(), "resume": LOST}
    sources = [Source(f"http://h{number}/f") for number in range(count)]
    story = Story(*sources, retries=retries)
    asked = []
    for fate in [*fates, *["lost"] * (retries + count + 1)]:
        if story.step is None:
            break
        asked.append(story.step.source)
        story.failed(kinds[fate])
    assert None is story.step
    assert set(sources) == set(asked)
    assert len(asked) <= retries + 1 + 2 * count


def test_added() -> None:
    """Places that an answer has named are tried in the same round, each once."""
    story = Story(A, retries=0)
    story.tries.add(A, [B, A, B, C])
    assert [(A, 0.0), (B, 0.0), (C, 0.0)] == story.rest()


def test_added_to_several() -> None:
    """They come after the sources that are known."""
    story = Story(A, B, retries=0)
    story.tries.add(A, [C, B])
    assert [(A, 0.0), (B, 0.0), (C, 0.0)] == story.rest()
