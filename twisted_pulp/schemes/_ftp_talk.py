"""What is said over a control connection before the bytes come: login, facts about a file, where to get it."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen
from msgspec import Struct

from twisted_pulp.errors import TLSError
from twisted_pulp.schemes._ftp_control import Control
from twisted_pulp.schemes._ftp_words import Refusal, modified_of, port_of, size_of

__all__ = ["Login", "Server", "facts_of", "log_in", "passive_port"]


@frozen
class Login:
    """
    Who we are.

    :ivar user: as it is sent.
    :ivar password: as it is sent.
    """

    user: bytes = b"anonymous"
    password: bytes = field(default=b"anonymous@", repr=False)


class Server(Struct):
    """
    What a server has turned out not to have.

    :ivar extended: whether EPSV may be tried.
    :ivar sizes: whether SIZE may be.
    :ivar times: whether MDTM may be.
    :ivar rest: whether REST may be.
    :ivar unicode: whether it was told that names are in UTF-8.
    """

    extended: bool = True
    sizes: bool = True
    times: bool = True
    rest: bool = True
    unicode: bool = False


async def log_in(control: Control, login: Login, secure: Any) -> None:
    """
    Say who we are, once the server has greeted.

    :param secure: a coroutine function that lets *control* speak TLS, or None.
    :raises Refusal: when the server does not want us.
    :raises TLSError: when it offers no TLS, or does not protect data.
    """
    greeting = await control.reply()
    while greeting.code == 120:  # ready in some minutes
        greeting = await control.reply()
    if greeting.code != 220:
        raise Refusal("the connection", greeting)
    if secure is not None:
        await _agreed(control, (234, 334), "AUTH", b"TLS")
        control.nothing_waits()
        await secure()
    reply = await control.demand((230, 232, 331), "USER", login.user)
    if reply.code == 331:
        await control.demand((202, 230, 232), "PASS", login.password)
    if secure is not None:
        await _agreed(control, (200,), "PBSZ", b"0")
        await _agreed(control, (200,), "PROT", b"P")
    await control.demand((200,), "TYPE", b"I")


async def _agreed(control: Control, codes: tuple[int, ...], verb: str, argument: bytes) -> None:
    reply = await control.command(verb, argument)
    if reply.code == 421:
        raise Refusal(verb, reply)
    if reply.code not in codes:
        raise TLSError(detail=f"the server does not protect what is sent: {verb} was answered with {reply.code}")


async def facts_of(control: Control, server: Server, path: bytes) -> tuple[int | None, bytes | None, Refusal | None]:
    """
    Return size and time of the file at *path*, each None when the server does not say.

    :returns: and the refusal when it seems to have no such file.
    """
    if not path.isascii() and not server.unicode:
        await control.command("OPTS", b"UTF8 ON")
        server.unicode = True
    size = modified = missing = None
    if server.sizes:
        reply = await control.command("SIZE", path)
        size, server.sizes = size_of(reply), _has(reply.code)
        missing = Refusal("SIZE", reply) if reply.code == 550 else None
        _still_there("SIZE", reply)
    if server.times:
        reply = await control.command("MDTM", path)
        modified, server.times = modified_of(reply), _has(reply.code)
        _still_there("MDTM", reply)
    return size, modified, missing if modified is None else None


def _has(code: int) -> bool:
    """Return whether *code* leaves it open that a server knows a command."""
    return code not in (500, 502)


def _still_there(verb: str, reply: Any) -> None:
    if reply.code == 421:
        raise Refusal(verb, reply)


async def passive_port(control: Control, server: Server, has_passive: bool) -> int:
    """
    Return the port that a data connection may go to.

    :param has_passive: whether PASV may be tried: it knows IPv4 only.
    """
    if server.extended or not has_passive:
        reply = await control.command("EPSV")
        if reply.code == 229:
            return port_of(reply)
        if reply.kind != 5 or not has_passive:
            raise Refusal("EPSV", reply)
        server.extended = False
    return port_of(await control.demand((227,), "PASV"))
