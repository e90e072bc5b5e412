"""What a server says on a control connection (RFC 959 section 4.2), as it comes, and how much of it is borne."""

from __future__ import annotations

import re

from msgspec import Struct

from twisted_pulp.errors import ProtocolError

__all__ = ["Replies", "Reply"]

# Bytes and lines of one reply, and replies that came in one piece.
_BYTES = 64 << 10
_LINES = 1000
_MANY = 100
_first = re.compile(rb"([1-5][0-9][0-9])([ -]|\Z)").match


class Reply(Struct, frozen=True):
    """
    A reply.

    :ivar code: 100 to 599.
    :ivar text: its lines without the codes that frame them, as Latin-1.
    """

    code: int
    text: str

    @property
    def kind(self) -> int:
        """The first digit: 1 wait, 2 done, 3 go on, 4 not now, 5 no."""
        return self.code // 100


class Replies:
    """Put replies together from the bytes of a connection, wherever they are cut."""

    def __init__(self) -> None:
        self._rest = b""  # a line that has not ended
        self._lines: list[bytes] = []  # of a reply that has not ended
        self._size = 0
        self._last = b""  # what its last line begins with

    @property
    def begun(self) -> bool:
        """Whether part of a reply is here."""
        return bool(self._rest or self._lines)

    def feed(self, data: bytes) -> list[Reply]:
        """
        Return the replies that *data* completes.

        :raises ProtocolError: when it is no reply, or one that is too long.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        found = []
        for line in lines:
            reply = self._line(line.removesuffix(b"\r"))
            if reply is not None:
                found.append(reply)
        if self._size + len(self._rest) > _BYTES or len(found) > _MANY:
            raise _too_much()
        return found

    def _line(self, line: bytes) -> Reply | None:
        self._size += len(line) + 2
        if self._size > _BYTES or len(self._lines) >= _LINES:
            raise _too_much()
        if self._lines:
            self._lines.append(line)
            return self._whole() if line.startswith(self._last) or line == self._last[:3] else None
        match = _first(line)
        if match is None:
            raise ProtocolError(detail="the server's answer is none of FTP")
        self._lines, self._last = [line], match[1] + b" "
        return None if match[2] == b"-" else self._whole()

    def _whole(self) -> Reply:
        lines, self._lines, self._size = self._lines, [], 0
        code = int(lines[0][:3])
        lines[0] = lines[0][4:]
        if len(lines) > 1:
            lines[-1] = lines[-1][4:]
        return Reply(code, b"\n".join(lines).decode("latin-1"))


def _too_much() -> ProtocolError:
    return ProtocolError(detail=f"the server says more than {_BYTES} bytes, {_LINES} lines or {_MANY} replies at once")
