"""What replies mean: sizes, times, ports, and the statuses that stand for refusals."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from twisted_pulp.errors import ProtocolError
from twisted_pulp.schemes._ftp_replies import Reply

__all__ = ["Refusal", "modified_of", "port_of", "size_of"]

_size = re.compile(r" *([0-9]{1,19}) *").fullmatch
_modified = re.compile(r" *([0-9]{14})(?:\.[0-9]*)? *").fullmatch
_extended = re.compile(r"\(([!-~])\1\1([0-9]{1,5})\1\)").search
_passive = re.compile(r"(?:[0-9]{1,3},){4}([0-9]{1,3}),([0-9]{1,3})").search

# RFC 959 section 4.2.2, RFC 4217 section 13; another try may succeed where the reply says "not now" (4yz).
_STATUSES = {
    331: 401,
    332: 401,
    430: 401,
    500: 501,
    501: 400,
    502: 501,
    503: 400,
    504: 501,
    530: 401,
    532: 401,
    550: 404,
    551: 404,
}


class Refusal(Exception):
    """
    A reply by which a request ends.

    :ivar verb: that was answered so.
    :ivar code: of the reply.
    """

    def __init__(self, verb: str, reply: Reply) -> None:
        super().__init__(verb, reply.code)
        self.verb, self.code = verb, reply.code

    @property
    def status(self) -> int:
        """The HTTP status that means the same."""
        return _STATUSES.get(self.code, 503 if self.code < 500 else 403)

    @property
    def words(self) -> str:
        """What happened. The server's own words are its own affair."""
        return f"{self.verb} was answered with {self.code}"


def size_of(reply: Reply) -> int | None:
    """Return what SIZE was answered with (RFC 3659 section 4), or None."""
    match = _size(reply.text) if reply.code == 213 else None
    return int(match[1]) if match else None


def modified_of(reply: Reply) -> bytes | None:
    """Return what MDTM was answered with (RFC 3659 section 3), as Last-Modified has it, or None."""
    match = _modified(reply.text) if reply.code == 213 else None
    if match is None:
        return None
    from email.utils import formatdate

    try:
        moment = datetime.strptime(match[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return formatdate(moment.timestamp(), usegmt=True).encode("ascii")


def port_of(reply: Reply) -> int:
    """
    Return the port that EPSV (RFC 2428 section 3) or PASV was answered with.

    The address is the control connection's: to believe the one in the answer would let the server send us anywhere.

    :raises ProtocolError: when there is none.
    """
    if reply.code == 229:
        match = _extended(reply.text)
        port = int(match[2]) if match else 0
    else:
        match = _passive(reply.text)
        high, low = (int(match[1]), int(match[2])) if match else (0, 0)
        port = (high << 8) + low if max(high, low) < 256 else 0
    if not 0 < port < 65536:
        raise ProtocolError(detail=f"a reply of {reply.code} without a port")
    return port
