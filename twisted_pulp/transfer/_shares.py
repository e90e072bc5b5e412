"""Who fetches which part of a file, when several do. Nothing here asks or waits; it only divides."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from twisted_pulp.transfer._spans import Spans

__all__ = ["Growth", "Share", "Shares"]

# One more must bring this much of what there is with one.
_WORTH = 0.1
# A share may be taken away when its end is this much further off than it would be elsewhere, and when it is so old.
_SLOWER, _SECONDS, _LOOKS = 2.0, 1.0, 3
_TAKEN_MOST = 2


class Share(Struct, eq=False):
    """
    A range that one stream is to bring.

    :ivar start: its first byte.
    :ivar at: the next byte that it gets.
    :ivar end: the byte after its last; others may take away from it.
    :ivar reach: where what was asked for ends; never before `end`.
    :ivar fixed: whether nothing may be taken away.
    :ivar speed: bytes a second of late.
    :ivar looks: how often the speed was measured.
    :ivar taken: how often this range was taken from one who was slow.
    """

    start: int
    at: int
    end: int
    reach: int
    fixed: bool = False
    speed: float = 0.0
    looks: int = 0
    taken: int = 0

    @property
    def left(self) -> int:
        """Bytes that it has still to get."""
        return max(0, self.end - self.at)

    def measured(self, speed: float) -> None:
        """Take in that it got *speed* bytes in the last second."""
        self.speed = (self.speed + speed) / 2 if self.looks else speed
        self.looks += 1

    def seconds(self, speed: float) -> float:
        """Return how long the rest takes at *speed*."""
        return self.left / speed if speed > 0 else float("inf")


class Shares:
    """
    The shares of a file of *length* bytes: each byte is there, in one share, or in a gap.

    :param done: ranges that are there.
    :param least: bytes below which a share is not divided.
    :ivar gaps: what nobody fetches.
    :ivar active: the shares.
    """

    def __init__(self, length: int, done: Iterable[tuple[int, int]], least: int) -> None:
        self.gaps = Spans(done).gaps(length)
        self.active: list[Share] = []
        self._least = max(2, least)

    @property
    def left(self) -> bool:
        """Whether anything is still to be fetched."""
        return bool(self.gaps or self.active)

    def open(self, start: int, reach: int) -> Share:
        """Return the share of a stream that brings the bytes from *start* to *reach*: as much as is missing there."""
        end = min(self.gaps.reach(start), reach)
        self.gaps.remove(start, end)
        return self._active(Share(start, start, end, reach))

    def lend(self, start: int, end: int) -> Share:
        """Return the share of a range that was there, but has to be fetched again."""
        return self._active(Share(start, start, end, end, True))

    def _active(self, share: Share) -> Share:
        self.active.append(share)
        return share

    def take(self, speed: float) -> tuple[Share, Share | None] | None:
        """
        Return a share for somebody who is idle, and the one that it was taken from entirely, or None.

        :param speed: bytes a second that who asks will probably get.
        :returns: None when there is nothing to do.
        """
        for start, end in self.gaps:
            self.gaps.remove(start, end)
            return self._active(Share(start, start, end, end)), None
        others = [share for share in self.active if not share.fixed and share.left]
        if not others:
            return None
        largest = max(others, key=lambda share: share.left)
        if largest.left >= self._least:
            middle = largest.at + (largest.left + 1) // 2
            end, largest.end = largest.end, middle
            return self._active(Share(middle, middle, end, end)), None
        return self._robbed(others, speed)

    def _robbed(self, others: list[Share], speed: float) -> tuple[Share, Share] | None:
        known = [share for share in others if share.looks >= _LOOKS and share.taken < _TAKEN_MOST]
        if not known:
            return None
        last = max(known, key=lambda share: share.seconds(share.speed))
        if last.seconds(last.speed) <= _SLOWER * last.seconds(speed) + _SECONDS:
            return None
        share = self._active(Share(last.at, last.at, last.end, last.end, taken=last.taken + 1))
        last.end = last.at
        return share, last

    def drop(self, share: Share) -> None:
        """Nobody works on *share* any more: what is missing of it is a gap, or for the stream that leads there."""
        self.active.remove(share)
        if not share.fixed:
            self.gaps.add(share.at, share.end)
        for each in self.active:
            if each.at < each.end < each.reach:
                end = min(self.gaps.reach(each.end), each.reach)
                self.gaps.remove(each.end, end)
                each.end = end


class Growth:
    """
    How many streams there may be: more while more help.

    :param most: of them.
    :ivar level: how many there may be now.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.level = min(2, most)
        self._before = 0.0
        self._added = 0
        self._growing = True

    def judge(self, speed: float) -> None:
        """Take in that all streams together got *speed* bytes in the last second."""
        if not self._growing:
            return
        if self._added and speed <= self._before * (1 + _WORTH * self._added):
            self._growing = False
            return
        self._before = speed
        self._added = min(self.level, self._most - self.level)
        self.level += self._added

    def stop(self, level: int | None = None) -> None:
        """Add no more; have *level* at most, if that is said."""
        self._growing = False
        if level is not None:
            self.level = max(1, min(self.level, level))
