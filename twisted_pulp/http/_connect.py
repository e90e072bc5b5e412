"""CONNECT: a tunnel through an HTTP proxy (RFC 9110 section 9.3.6)."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from httptools import HttpParserError, HttpParserUpgrade

from twisted_pulp.errors import ProtocolError, ProxyError, ProxyNotAuthorized
from twisted_pulp.http._head import Head

if TYPE_CHECKING:
    from twisted_pulp.http._talk import Talk

__all__ = ["connect"]

# As for the answers of servers: what passes by itself.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504, 522, 524})


async def connect(talk: Talk, credentials: bytes, host: str, port: int) -> None:
    """
    Have the proxy connect to *host*.

    :param credentials: the line of Proxy-Authorization, or none.
    :raises ProxyError: when it does not; what it answered is never taken for an answer of *host*.
    :raises ProtocolError: when it does not speak HTTP as it must.
    """
    place = b"%b:%d" % (f"[{host}]".encode("ascii") if ":" in host else host.encode("ascii"), port)
    talk.say(b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (place, place, credentials))
    head = Head()
    more = await _answer(talk, head)
    if not 200 <= head.status < 300:
        raise _refused(head.status)
    if more:
        raise ProtocolError(detail="more came than was asked for")


async def _answer(talk: Talk, head: Head) -> bool:
    """Read the head of the answer, and return whether anything came behind it."""
    parser = head.begin(None)
    while not head.complete:
        data = await talk.read()
        head.read, wrong = len(data), None
        try:
            parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            wrong = str(error.__context__ or error)
        much = head.too_much(len(data))
        if much is not None:
            raise much
        if wrong is not None and not head.complete:
            raise ProtocolError(detail=wrong)
    return wrong is not None or bool(head.body)


def _refused(status: int) -> ProxyError:
    try:
        detail = f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        detail = str(status)
    if status in (401, 407):  # tinyproxy says 401, and it can mean nobody else
        return ProxyNotAuthorized(detail=detail, status=status)
    return ProxyError(detail=detail, status=status, retryable=status in _PASSING)
