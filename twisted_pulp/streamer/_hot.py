"""Small artifacts that are asked for often, in memory."""

from __future__ import annotations

from collections import OrderedDict

from attrs import define, field

__all__ = ["SMALL", "Hot"]

#: Bytes of an artifact that is sent in one piece.
SMALL = 64 << 10
#: Artifacts that may be spared for a new one before it is refused.
_SPARED = 2


@define(eq=False)
class Hot:
    """
    The bytes of artifacts by their sha256.

    A new one takes the place of those that nobody has asked for since it was last their turn to go; where too many were
    asked for, it is not kept. So whoever asks for more than fits, one after the other, over and over, finds most of it.

    :ivar limit: bytes in all.
    :ivar held: bytes now.
    """

    limit: int
    held: int = field(init=False, default=0)
    _kept: OrderedDict[str, bytes] = field(init=False, factory=OrderedDict)
    _asked: set[str] = field(init=False, factory=set)

    def get(self, sha256: str) -> bytes | None:
        """Return the artifact, if it is here."""
        data = self._kept.get(sha256)
        if data is not None:
            self._asked.add(sha256)
        return data

    def keep(self, sha256: str, data: bytes) -> None:
        """Keep an artifact, and forget others for it, if they are wanted less."""
        if sha256 in self._kept or len(data) > min(SMALL, self.limit):
            return
        spared = 0
        while self.held + len(data) > self.limit:
            oldest = next(iter(self._kept))
            if oldest not in self._asked:
                self.held -= len(self._kept.pop(oldest))
            elif spared < _SPARED:
                spared += 1
                self._asked.discard(oldest)
                self._kept.move_to_end(oldest)
            else:
                return
        self._kept[sha256] = data
        self._asked.add(sha256)
        self.held += len(data)
