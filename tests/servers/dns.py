"""
A name server that answers right, wrong, late or never.

    nameserver.on("a.test", [Reply("192.0.2.1"), Reply("127.0.0.1")])   # flips; the last reply repeats
    nameserver.on("slow.test", [Reply("127.0.0.1", after=5)])
    nameserver.on("broken.test", [Reply(code=SERVFAIL)])
    nameserver.on("silent.test", [Reply(never=True)])

Names without a reply do not exist.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from attrs import define, field, frozen
from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IListeningPort
from twisted.names import dns

from tests.servers.reactor import IReactor

NXDOMAIN = dns.ENAME
SERVFAIL = dns.ESERVER
REFUSED = dns.EREFUSED


@frozen(init=False)
class Reply:
    """
    What a name is answered with.

    :ivar addresses: IPv4 and IPv6; a question gets those of its kind, which may be none.
    :ivar code: the response code.
    :ivar after: seconds until the answer.
    :ivar ttl: seconds the answer may be kept.
    :ivar never: no answer at all.
    """

    addresses: tuple[str, ...]
    code: int
    after: float
    ttl: int
    never: bool

    def __init__(
        self, *addresses: str, code: int = dns.OK, after: float = 0, ttl: int = 0, never: bool = False
    ) -> None:
        self.__attrs_init__(addresses, code, after, ttl, never)

    def records(self, kind: int) -> list[dns.Record_A | dns.Record_AAAA]:
        """Give the records for a question of this *kind*."""
        found: list[dns.Record_A | dns.Record_AAAA] = []
        for address in self.addresses:
            version = ipaddress.ip_address(address).version
            if version == 4 and kind == dns.A:
                found.append(dns.Record_A(address, self.ttl))  # type: ignore[no-untyped-call]
            elif version == 6 and kind == dns.AAAA:
                found.append(dns.Record_AAAA(address, self.ttl))  # type: ignore[no-untyped-call]
        return found


@define(eq=False)
class NameServer:
    """
    A name server on UDP.

    :ivar port: where it listens.
    :ivar questions: name and kind (``"A"``, ``"AAAA"`` ...) of every question so far.
    """

    reactor: IReactor
    port: int = field(init=False, default=0)
    questions: list[tuple[str, str]] = field(init=False, factory=list)
    _replies: dict[tuple[str, int | None], list[Reply]] = field(init=False, factory=dict)
    _waiting: set[IDelayedCall] = field(init=False, factory=set)
    _listening: IListeningPort | None = field(init=False, default=None)

    def listen(self, port: int = 0, interface: str = "127.0.0.1") -> None:
        """Listen on *port*, 0 for any that is free."""
        protocol = dns.DNSDatagramProtocol(self, reactor=self.reactor)  # type: ignore[no-untyped-call]
        self._listening = self.reactor.listenUDP(port, protocol, interface, 8192)
        self.port = self._listening.getHost().port  # type: ignore[attr-defined]

    async def close(self) -> None:
        """Answer no more."""
        listening, self._listening = self._listening, None
        for call in self._waiting:
            call.cancel()
        self._waiting.clear()
        if listening is not None:
            await maybeDeferred(listening.stopListening)

    def on(self, name: str, replies: Sequence[Reply], kind: int | None = None) -> None:
        """
        Answer the first question about *name* with the first of *replies* and so on; the last one repeats.

        :param kind: `dns.A` or `dns.AAAA` for questions of this kind only; else they share the replies.
        """
        if not replies:
            raise ValueError("a name needs at least one reply")
        self._replies[name.lower(), kind] = list(replies)

    def messageReceived(
        self, message: dns.Message, protocol: dns.DNSDatagramProtocol, address: tuple[str, int]
    ) -> None:
        """Answer a question; called by the protocol."""
        query = message.queries[0]
        name = query.name.name.decode("ascii").lower()
        self.questions.append((name, dns.QUERY_TYPES.get(query.type, str(query.type))))
        reply = self._next(name, query.type)
        if reply.never:
            return
        answer = dns.Message(message.id, answer=1, recDes=message.recDes, recAv=1, rCode=reply.code)
        answer.queries = [query]
        answer.answers = [
            dns.RRHeader(query.name.name, query.type, dns.IN, reply.ttl, record) for record in reply.records(query.type)
        ]
        if not reply.after:
            protocol.writeMessage(answer, address)
            return

        def late() -> None:
            self._waiting.discard(call)
            protocol.writeMessage(answer, address)

        call = self.reactor.callLater(reply.after, late)
        self._waiting.add(call)

    def _next(self, name: str, kind: int) -> Reply:
        replies = self._replies.get((name, kind)) or self._replies.get((name, None))
        if replies is None:
            return Reply(code=NXDOMAIN)
        return replies.pop(0) if len(replies) > 1 else replies[0]
