"""What a name server said, read from its message."""

from __future__ import annotations

import math
import socket
from collections.abc import Iterable
from typing import Any

from attrs import frozen
from twisted.names import dns

from twisted_pulp.errors import DNSError

__all__ = ["ALIASES", "Answer", "host_name", "read", "text", "too_many_aliases"]

#: How many aliases (CNAME) may stand one behind the other; resolvers stop between 8 and 16.
ALIASES = 8
_FAMILIES = {dns.A: socket.AF_INET, dns.AAAA: socket.AF_INET6}
_LABEL, _NAME = 63, 253


@frozen
class Answer:
    """
    What is known of a name.

    :ivar addresses: perhaps none.
    :ivar ttl: seconds for which that may be kept.
    :ivar exists: false when there is no such name, of any kind.
    :ivar alias: where to ask further, or None.
    :ivar whole: whether there can be no further addresses.
    """

    addresses: tuple[str, ...] = ()
    ttl: float = 0.0
    exists: bool = True
    alias: bytes | None = None
    whole: bool = True


def host_name(host: str) -> bytes:
    """
    Return *host* as name servers are asked for it.

    :raises DNSError: when it cannot be a name (RFC 1035 section 2.3.4).
    """
    name = host.lower().rstrip(".").encode("ascii", "replace")
    if not 0 < len(name) <= _NAME or not all(0 < len(label) <= _LABEL for label in name.split(b".")):
        raise DNSError(detail=f"no address for {host}: no name is that long, or has an empty part")
    return name


def text(name: bytes) -> str:
    """Return *name* for a person."""
    return name.decode("ascii", "backslashreplace")


def too_many_aliases(name: bytes) -> DNSError:
    """Return the error that the aliases of *name* lead nowhere."""
    return DNSError(detail=f"no address for {text(name)}: it has more than {ALIASES} aliases")


def read(message: dns.Message, name: bytes, kind: int) -> Answer:
    """
    Return what *message* says of the addresses of a *kind* (`dns.A` or `dns.AAAA`) that *name* has.

    :raises DNSError: when too many aliases lead nowhere.
    """
    answers: list[Any] = message.answers
    aliases = {each.name.name.lower(): each for each in answers if each.type == dns.CNAME}
    target, ttl = name.lower(), math.inf
    for _ in range(ALIASES + 1):
        alias = aliases.get(target)
        if alias is None:
            break
        target, ttl = alias.payload.name.name.lower(), min(ttl, _seconds(alias.ttl))
    else:
        raise too_many_aliases(name)
    found = [each for each in answers if each.type == kind and each.name.name.lower() == target]
    if found:
        addresses = dict.fromkeys(socket.inet_ntop(_FAMILIES[kind], each.payload.address) for each in found)
        return Answer(tuple(addresses), min(ttl, _least(found)))
    authority: list[Any] = [each for each in message.authority if each.type == dns.SOA]
    if target != name.lower() and not authority and message.rCode != dns.ENAME:
        return Answer((), ttl, alias=target)
    # How long that there is nothing may be kept, the authority says (RFC 2308 section 5); if nobody does, it may not.
    nothing = min([_least(authority), *(each.payload.minimum for each in authority)]) if authority else 0
    return Answer((), min(ttl, nothing), message.rCode != dns.ENAME)


def _seconds(ttl: int) -> int:
    return ttl if ttl < 1 << 31 else 0  # RFC 2181 section 8


def _least(records: Iterable[Any]) -> float:
    return min(_seconds(each.ttl) for each in records)
