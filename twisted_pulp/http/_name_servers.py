"""Name servers of one's own: which of them is asked, how often, and what their answers come to."""

from __future__ import annotations

import math
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.names import dns

from twisted_pulp.errors import DNSError
from twisted_pulp.http._name_answer import ALIASES, Answer, host_name, read, text, too_many_aliases
from twisted_pulp.http._name_question import Silent, Unanswered, ask

__all__ = ["NameServers"]

# What servers answer when they cannot tell (RFC 1035 section 4.1.1).
_WORDS = {
    dns.EFORMAT: "that it does not understand the question",
    dns.ESERVER: "that it failed",
    dns.ENOTIMP: "that it cannot do that",
    dns.EREFUSED: "that it refuses",
}

# How often a server is asked that does not answer.
_ROUNDS = 2
# Seconds that IPv6 addresses may come later than IPv4 ones (RFC 8305 section 3); some servers never say that there are
# none. To know the IPv4 ones is always waited for: what is unreachable by IPv6 is reached by them.
_IPV6_LATE = 0.05


class NameServers:
    """
    Ask name servers for the addresses of names.

    The first that answers is asked for the next name too; one that was silent is asked after the others from then on.

    :param servers: address and port of each, in the order in which they are asked.
    :param version: 4 or 6 for addresses of that version of IP only, or None.
    """

    def __init__(self, reactor: Any, servers: tuple[tuple[str, int], ...], version: int | None) -> None:
        self._reactor, self._servers, self._version = reactor, list(servers), version

    async def addresses(self, host: str) -> Answer:
        """
        Return what is known of *host*: its addresses, IPv6 first, or that there are none.

        :raises DNSError: when nobody could tell.
        """
        name = host_name(host)
        if self._version is not None:
            return await self._asked(name, dns.A if self._version == 4 else dns.AAAA)
        six, four = (Deferred.fromCoroutine(self._asked(name, kind)) for kind in (dns.AAAA, dns.A))
        try:
            of_four = await _outcome(four)
        except BaseException:
            _give_up(six)
            raise
        if isinstance(of_four, Answer) and not of_four.exists:
            _give_up(six)
            return of_four
        if isinstance(of_four, Answer) and of_four.addresses:
            six.addTimeout(_IPV6_LATE, self._reactor)
        return _together(await _outcome(six), of_four)

    async def _asked(self, name: bytes, kind: int) -> Answer:
        """Return what there is of one *kind*, following aliases that came without addresses."""
        target, ttl = name, math.inf
        for _ in range(ALIASES):
            answer = read(await self._message(target, kind), target, kind)
            ttl = min(ttl, answer.ttl)
            if answer.alias is None:
                return Answer(answer.addresses, ttl, answer.exists)
            target = answer.alias
        raise too_many_aliases(name)

    async def _message(self, name: bytes, kind: int) -> dns.Message:
        """Return the message of the first server that can tell."""
        left, why = list(self._servers), ""
        for _ in range(_ROUNDS):
            for server in list(left):
                try:
                    message = await ask(self._reactor, server, name, kind)
                except Silent as error:
                    why = str(error)
                    self._servers.remove(server)
                    self._servers.append(server)
                    continue
                except Unanswered as error:
                    why = str(error)
                else:
                    if message.rCode in (dns.OK, dns.ENAME):
                        return message
                    why = f"{server[0]} answered {_WORDS.get(message.rCode, f'code {message.rCode}')}"
                left.remove(server)
        raise DNSError(detail=f"no address for {text(name)}: {why}", retryable=True)


async def _outcome(asked: Deferred[Answer]) -> Answer | Exception:
    try:
        return await asked
    except (DNSError, defer.TimeoutError) as error:
        return error


def _give_up(asked: Deferred[Answer]) -> None:
    asked.addErrback(lambda _: None)
    asked.cancel()


def _together(six: Answer | Exception, four: Answer | Exception) -> Answer:
    errors = [each for each in (four, six) if isinstance(each, Exception)]
    found = [each for each in (six, four) if isinstance(each, Answer) and each.addresses]
    if found:
        addresses = tuple(address for each in found for address in each.addresses)
        return Answer(addresses, min(each.ttl for each in found), whole=not errors)
    if errors:
        raise errors[0]
    assert isinstance(six, Answer)
    assert isinstance(four, Answer)
    return Answer((), min(six.ttl, four.ttl))
