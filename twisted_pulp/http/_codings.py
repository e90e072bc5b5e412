"""
Content codings, undone a piece at a time and with caps.

Each coding reads from the one around it, and only when it is asked itself: what is held is a piece for each coding, and
what came over the wire meanwhile.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Sequence
from typing import Any

from twisted_pulp.errors import ProtocolError, TooLarge

__all__ = ["IDENTITY", "KNOWN", "SLACK", "Codings"]

GZIP = frozenset({b"gzip", b"x-gzip"})
IDENTITY = b"identity"
KNOWN = GZIP | {b"deflate", IDENTITY}
#: A coding can make a body larger, but not by more bytes than this: nobody would use it then.
SLACK = 64 << 10
# Bytes given to a coding at once, and made by it at once.
_SLICE, _PIECE = 16 << 10, 64 << 10
# A body may grow by this factor; the first bytes are free, since short ones repeat themselves.
_RATIO, _FREE = 100, 1 << 20


class Codings:
    """
    Several codings, the outermost last, as Content-Encoding names them.

    Every step is capped, not only the last: a bomb may well end in nothing.

    :param names: each in `KNOWN`, but none is `IDENTITY`.
    :param limit: bytes of the decoded body, or None.
    """

    def __init__(self, names: Sequence[bytes], limit: int | None) -> None:
        slack = None if limit is None else limit + SLACK
        self._wire = _Wire(slack if names else limit)
        self._last: _Wire | _Coding = self._wire
        for left, name in zip(range(len(names) - 1, -1, -1), reversed(names), strict=True):
            self._last = _Coding(self._last, name in GZIP, self._wire, slack if left else limit)

    @property
    def taken(self) -> int:
        """Bytes of the undecoded body that were read so far."""
        return self._wire.taken

    @property
    def whole(self) -> bool:
        """Whether every coding stands at its end; an empty body needs none."""
        return self._last.whole

    def add(self, data: bytes) -> None:
        """Take in *data*, to be read later."""
        self._wire.add(data)

    def read(self) -> bytes:
        """
        Return the next piece of the decoded body; an empty one means that more must be added first.

        :raises ProtocolError: when a coding is broken.
        :raises TooLarge: when the body is.
        """
        return self._last.read()


class _Wire:
    """What came and is not decoded yet."""

    __slots__ = ("_most", "_slices", "taken")
    whole = True

    def __init__(self, most: int | None) -> None:
        self._most, self.taken = most, 0
        self._slices: deque[bytes] = deque()

    def add(self, data: bytes) -> None:
        self._slices.extend(data[start : start + _SLICE] for start in range(0, len(data), _SLICE))

    def read(self) -> bytes:
        if not self._slices:
            return b""
        piece = self._slices.popleft()
        self.taken += len(piece)
        _check(self.taken, self._most)
        return piece


class _Coding:
    """One coding; *source* is what is around it."""

    __slots__ = ("_full", "_gzip", "_made", "_most", "_over", "_rest", "_source", "_wire", "_zlib")

    def __init__(self, source: _Wire | _Coding, gzip: bool, wire: _Wire, most: int | None) -> None:
        self._source, self._gzip, self._wire, self._most = source, gzip, wire, most
        self._zlib: Any = None
        self._rest = b""
        self._full = self._over = False
        self._made = 0

    @property
    def whole(self) -> bool:
        return self._zlib is None and self._source.whole

    def read(self) -> bytes:
        while True:
            data = self._rest
            if not data and not self._full:
                data = self._source.read()
                if not data:
                    return b""
            piece = self._inflated(data)
            if piece:
                self._made += len(piece)
                _check(self._made, self._most)
                allowed = max(_FREE, _RATIO * self._wire.taken)
                if self._made > allowed:
                    raise TooLarge(limit=allowed, detail=f"it grows to more than {_RATIO} times its size when decoded")
                return piece

    def _inflated(self, data: bytes) -> bytes:
        if self._zlib is None:
            if self._over:
                raise ProtocolError(detail="bytes after the end of the deflate coding")
            # Deflate is zlib's format (RFC 9110 section 8.4.1.2); some send the bare one, which never begins like it.
            self._zlib = zlib.decompressobj(31 if self._gzip else 15 if data[0] & 0x8F == 8 else -15)
        inflater = self._zlib
        try:
            piece: bytes = inflater.decompress(data, _PIECE)
        except zlib.error as why:
            raise ProtocolError(detail=f"the {'gzip' if self._gzip else 'deflate'} coding is broken: {why}") from why
        if inflater.eof:  # gzip may have another member
            self._zlib, self._over = None, not self._gzip
            self._rest, self._full = inflater.unused_data, False
        else:  # even when it has taken everything in, it may have more to say
            self._rest, self._full = inflater.unconsumed_tail, len(piece) == _PIECE
        return piece


def _check(size: int, most: int | None) -> None:
    if most is not None and size > most:
        raise TooLarge(limit=most, detail=f"larger than the {most} bytes that max_metadata_size allows")
