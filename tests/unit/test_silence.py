"""How long a connection may be silent, and how slowly it may speak."""

from __future__ import annotations

from attrs import define

from twisted_pulp.errors import DownloadTimeout
from twisted_pulp.http._silence import Silence
from twisted_pulp.settings import Timeouts


@define
class Speaker:
    """Whatever speaks: what a `Silence` sees of a connection."""

    served: int = 1
    heard: int = 0
    paused: bool = False


class Watching:
    """A silence and its speaker, looked at every 0.1 s."""

    def __init__(self, timeouts: Timeouts, speaking: bool = True) -> None:
        self.silence, self.speaker, self.timeouts = Silence(), Speaker(), timeouts
        self.now, self.speaking = 100.0, speaking
        self.look()

    def look(self) -> DownloadTimeout | None:
        """Look once."""
        return self.silence.look(self.speaker, self.speaking, self.now, self.timeouts)

    def wait(self, seconds: float, speed: float = 0) -> str:
        """Let *seconds* pass with *speed* bytes a second; return the name of the error there was, or ""."""
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            self.speaker.heard += round(speed / 10)
            if (error := self.look()) is not None:
                return type(error).__name__
        return ""


def test_headers() -> None:
    """Headers that do not come in time are a timeout, with its seconds."""
    watching = Watching(Timeouts(headers=10), speaking=False)
    assert "" == watching.wait(9.8)
    assert "HeadersTimeout" == watching.wait(0.3)
    error = watching.look()
    assert error is not None
    assert 10 == error.seconds
    assert error.retryable


def test_headers_for_each_request() -> None:
    """The next request on a connection has all of the time again."""
    watching = Watching(Timeouts(headers=10), speaking=False)
    watching.wait(9)
    watching.speaker.served += 1
    assert "" == watching.wait(9)


def test_idle() -> None:
    """A body of which nothing comes is a timeout, counted from the last byte."""
    watching = Watching(Timeouts(idle=10, low_speed=None))
    assert "" == watching.wait(9.8)
    assert "" == watching.wait(0.1, speed=10)
    assert "" == watching.wait(9.8)
    assert "IdleTimeout" == watching.wait(0.3)


def test_idle_counts_from_the_headers() -> None:
    """The wait for the headers does not count against the body."""
    watching = Watching(Timeouts(headers=10, idle=10), speaking=False)
    watching.wait(9)
    watching.speaking = True
    assert "" == watching.wait(9)


def test_pauses_of_ours_do_not_count() -> None:
    """A body that we do not read is not silent."""
    watching = Watching(Timeouts(idle=10))
    watching.speaker.paused = True
    assert "" == watching.wait(100)
    watching.speaker.paused = False
    assert "" == watching.wait(9.8)
    assert "IdleTimeout" == watching.wait(0.3)


def test_low_speed() -> None:
    """A body that is slower than allowed over the whole time is a timeout that says how slow."""
    watching = Watching(Timeouts(low_speed=1000, low_speed_time=30))
    assert "" == watching.wait(29.8, speed=500)
    assert "LowSpeed" == watching.wait(0.4, speed=500)


def test_low_speed_says_how_slow() -> None:
    """The error has the speed there was and the speed that was wanted."""
    watching = Watching(Timeouts(low_speed=1000, low_speed_time=2))
    error = None
    while error is None:
        watching.now += 0.125
        watching.speaker.heard += 64
        error = watching.look()
    assert 2 == error.seconds
    assert "too slow: 512 bytes/s over 2 s, below 1000" == error.detail


def test_fast_enough() -> None:
    """A body that is fast enough goes on for ever, and each period counts alone."""
    watching = Watching(Timeouts(low_speed=1000, low_speed_time=30))
    assert "" == watching.wait(120, speed=1500)
    assert "LowSpeed" == watching.wait(61, speed=500)


def test_stall_is_not_low_speed() -> None:
    """A pause in the middle, shorter than the idle timeout, does not count as low speed (faults, row 13)."""
    watching = Watching(Timeouts(idle=60, low_speed=1024, low_speed_time=30))
    assert "" == watching.wait(5, speed=10_000)
    assert "" == watching.wait(55)
    assert "" == watching.wait(5, speed=10_000)
    assert "" == watching.wait(55)
    assert "" == watching.wait(5, speed=10_000)


def test_drip() -> None:
    """A byte a second is low speed, not life."""
    watching = Watching(Timeouts(idle=60, low_speed=1024, low_speed_time=30))
    error = ""
    for second in range(40):
        watching.speaker.heard += 1
        error = watching.wait(1)
        if error:
            assert 29 <= second <= 32
            break
    assert "LowSpeed" == error


def test_no_limits() -> None:
    """None is no limit, for each of them."""
    none = Timeouts(headers=None, idle=None, low_speed=None)
    assert "" == Watching(none, speaking=False).wait(1000)
    assert "" == Watching(none).wait(1000)
    assert "" == Watching(none).wait(1000, speed=10)


def test_sleep_does_not_count() -> None:
    """Time in which this process did not run is forgotten."""
    watching = Watching(Timeouts(idle=10))
    watching.wait(5)
    watching.silence.shift(3600)
    watching.now += 3600
    assert "" == watching.wait(4.8)
    assert "IdleTimeout" == watching.wait(0.5)
