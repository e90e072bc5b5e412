"""SOCKS5 (RFC 1928 and 1929): python-socks knows what is said, this module says it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from python_socks._protocols.errors import ReplyError
from python_socks._protocols.socks5 import (
    AddressType,
    AuthMethod,
    AuthMethodReply,
    AuthMethodsRequest,
    AuthReply,
    AuthRequest,
    Connection,
    ConnectRequest,
    ReplyCode,
)

from twisted_pulp.errors import ProtocolError, ProxyError, ProxyNotAuthorized

if TYPE_CHECKING:
    from twisted_pulp.http._talk import Talk

__all__ = ["connect"]

# Replies that will be the same tomorrow; the others are about the network, or about nothing in particular.
_FINAL = frozenset(
    {ReplyCode.CONNECTION_NOT_ALLOWED, ReplyCode.COMMAND_NOT_SUPPORTED, ReplyCode.ADDRESS_TYPE_NOT_SUPPORTED}
)
_SIZES: dict[int, int] = {AddressType.IPV4: 4, AddressType.IPV6: 16}


async def connect(talk: Talk, username: str | None, password: str | None, host: str, port: int) -> None:
    """
    Have the proxy connect to *host*, a name or an address.

    :raises ProxyError: when it does not.
    :raises ProtocolError: when it does not speak SOCKS5 as it must, or SOCKS5 has no way to say *host*.
    """
    connection = Connection()
    await _introduced(talk, connection, username, password)
    try:
        request = connection.send(ConnectRequest(host, port))
    except ValueError as error:  # a label of more than 63 characters
        raise ProtocolError(detail=f"a name that SOCKS5 cannot say: {error}") from error
    talk.say(request)
    reply = await _reply(talk)
    try:
        connection.receive(reply)
    except ReplyError as error:
        code = error.error_code
        if code is None:
            raise ProtocolError(detail=_words(error)) from error
        raise ProxyError(detail=_words(error), retryable=code not in _FINAL) from error
    except UnicodeDecodeError:  # of the name of the proxy's own end, which is nobody's business
        return


async def _introduced(talk: Talk, connection: Any, username: str | None, password: str | None) -> None:
    reply = b""
    try:
        talk.say(connection.send(AuthMethodsRequest(username, password)))
        reply = await talk.exactly(AuthMethodReply.SIZE)
        chosen = connection.receive(reply)
        if chosen.method == AuthMethod.USERNAME_PASSWORD:
            talk.say(connection.send(AuthRequest(username or "", password or "")))
            reply = await talk.exactly(AuthReply.SIZE)
            connection.receive(reply)
    except ReplyError as error:
        if reply[0] == AuthRequest.VER or reply[1] == AuthMethod.NO_ACCEPTABLE:
            raise ProxyNotAuthorized(detail=_words(error)) from error
        raise ProtocolError(detail=_words(error)) from error


def _words(error: ReplyError) -> str:
    words = str(error)
    return words[:1].lower() + words[1:]


async def _reply(talk: Talk) -> bytes:
    """Read the answer to a request; how long it is stands in its fourth byte, if all is well."""
    data = await talk.exactly(4)
    if data[1] != ReplyCode.SUCCEEDED:  # what comes behind tells nothing
        return data
    if data[3] == AddressType.DOMAIN:
        size = await talk.exactly(1)
        return data + size + await talk.exactly(size[0] + 2)
    return data + await talk.exactly(_SIZES.get(data[3], 0) + 2)
