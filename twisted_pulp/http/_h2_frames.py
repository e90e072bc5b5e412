"""The frames in what a server sends, one by one, and how many of them may be of no use (RFC 9113 section 4.1)."""

from __future__ import annotations

from collections.abc import Container, Iterator

from twisted.web._newclient import ParseError

from twisted_pulp.http._h2_fields import BLOCK

__all__ = ["DATA", "FRAME", "GOAWAY", "PATIENCE", "RESET", "Frames"]

#: Kinds of frames.
DATA, HEADERS, RESET, GOAWAY, CONTINUATION = 0, 1, 3, 7, 9
#: Bytes of a frame at most, without its head.
FRAME = 1 << 14
#: Frames that bring nothing, beyond those that bring something: pings, settings, empty data and so on.
PATIENCE = 1000
_HEAD = 9
_END_HEADERS = 4


class Frames:
    """
    Cut what comes into frames, and refuse floods.

    :ivar number: of the stream of the latest frame.
    """

    __slots__ = ("_block", "_patience", "_rest", "number")

    def __init__(self) -> None:
        self._rest = b""
        self._block = self.number = 0
        self._patience = PATIENCE

    def cut(self, data: bytes, streams: Container[int]) -> Iterator[tuple[int, bytes]]:
        """
        Give the kind of each frame in *data*, and the frame with its head; what is left is kept for the next read.

        :param streams: those that are under way; `number` says to which one the frame belongs.
        :raises ParseError: when there is no use in listening any longer.
        """
        data = self._rest + data if self._rest else data
        at, size = 0, len(data)
        while size - at >= _HEAD:
            length = int.from_bytes(data[at : at + 3], "big")
            self.number = int.from_bytes(data[at + 5 : at + _HEAD], "big") & 0x7FFFFFFF
            if length > FRAME:
                raise ParseError(f"a frame of {length} bytes, more than {FRAME}", b"")
            end = at + _HEAD + length
            if end > size:
                break
            kind = data[at + 3]
            self._judge(kind, length, data[at + 4], streams)
            yield kind, data[at:end]
            at = end
        self._rest = data[at:]

    def _judge(self, kind: int, length: int, flags: int, streams: Container[int]) -> None:
        if self._block and kind != CONTINUATION:
            raise ParseError("a header block that is broken off", b"")
        if kind in (HEADERS, CONTINUATION):
            self._block += _HEAD + length
            if self._block > BLOCK:
                raise ParseError("more headers, trailers or chunk extensions than allowed", b"")
            if flags & _END_HEADERS:
                self._block = 0
        if (kind == DATA and length) or (kind == HEADERS and self.number in streams):
            self._patience = min(PATIENCE, self._patience + 1)
            return
        self._patience -= 1
        if not self._patience:
            raise ParseError(f"{PATIENCE} frames that bring nothing", b"")
