"""Small artifacts that were asked for lately, in memory."""

from __future__ import annotations

from collections import OrderedDict

from attrs import define, field

__all__ = ["SMALL", "Hot"]

#: Bytes of an artifact that is sent in one piece.
SMALL = 64 << 10


@define(eq=False)
class Hot:
    """
    The bytes of artifacts by their sha256, those first forgotten that nobody asked for longest.

    :ivar limit: bytes in all.
    :ivar held: bytes now.
    """

    limit: int
    held: int = field(init=False, default=0)
    _kept: OrderedDict[str, bytes] = field(init=False, factory=OrderedDict)

    def get(self, sha256: str) -> bytes | None:
        """Return the artifact, if it is here."""
        data = self._kept.get(sha256)
        if data is not None:
            self._kept.move_to_end(sha256)
        return data

    def keep(self, sha256: str, data: bytes) -> None:
        """Keep an artifact, and forget others for it."""
        if sha256 in self._kept or len(data) > min(SMALL, self.limit):
            return
        self._kept[sha256] = data
        self.held += len(data)
        while self.held > self.limit:
            self.held -= len(self._kept.popitem(last=False)[1])
