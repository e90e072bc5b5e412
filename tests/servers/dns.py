"""
A name server that answers right, wrong, late or never; by UDP, and by TCP at the same port.

    nameserver.on("a.test", [Reply("192.0.2.1"), Reply("127.0.0.1")])   # flips; the last reply repeats
    nameserver.on("slow.test", [Reply("127.0.0.1", after=5)])
    nameserver.on("broken.test", [Reply(code=SERVFAIL)])
    nameserver.on("silent.test", [Reply(never=True)])
    nameserver.on("long.test", [Reply("192.0.2.1", truncated=True)])    # by TCP it is whole
    nameserver.on("www.test", [Reply("192.0.2.1", aliases=("cdn.test",))])
    nameserver.on("v4.test", [Reply("192.0.2.1", authority=60)])        # says for how long there is no AAAA

Names without a reply do not exist.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IListeningPort
from twisted.internet.protocol import ServerFactory
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
    :ivar aliases: names that the name stands for, one behind the other; the last has the addresses.
    :ivar truncated: whether an answer by UDP is empty, and says so.
    :ivar authority: seconds for which an answer without addresses may be kept; None: nobody says.
    """

    addresses: tuple[str, ...]
    code: int
    after: float
    ttl: int
    never: bool
    aliases: tuple[str, ...]
    truncated: bool
    authority: int | None

    def __init__(
        self,
        *addresses: str,
        code: int = dns.OK,
        after: float = 0,
        ttl: int = 0,
        never: bool = False,
        aliases: tuple[str, ...] = (),
        truncated: bool = False,
        authority: int | None = None,
    ) -> None:
        self.__attrs_init__(addresses, code, after, ttl, never, aliases, truncated, authority)

    def fill(self, answer: dns.Message, name: bytes, kind: int) -> None:
        """Put into *answer* what it says to a question for this *name* and *kind*."""
        for alias in self.aliases:
            target = dns.Record_CNAME(alias, self.ttl)  # type: ignore[no-untyped-call]
            answer.answers.append(dns.RRHeader(name, dns.CNAME, dns.IN, self.ttl, target))
            name = alias.encode("ascii")
        records = self.records(kind)
        answer.answers += [dns.RRHeader(name, kind, dns.IN, self.ttl, record) for record in records]
        if not records and self.authority is not None:
            start = dns.Record_SOA(b"ns.test", b"root.test", minimum=self.authority, ttl=self.authority)  # type: ignore[no-untyped-call]
            answer.authority.append(dns.RRHeader(b"test", dns.SOA, dns.IN, self.authority, start))

    def records(self, kind: int) -> list[dns.Record_A | dns.Record_AAAA]:
        """Give the addresses for a question of this *kind*."""
        found: list[dns.Record_A | dns.Record_AAAA] = []
        for address in self.addresses:
            version = ipaddress.ip_address(address).version
            if version == 4 and kind == dns.A:
                found.append(dns.Record_A(address, self.ttl))  # type: ignore[no-untyped-call]
            elif version == 6 and kind == dns.AAAA:
                found.append(dns.Record_AAAA(address, self.ttl))  # type: ignore[no-untyped-call]
        return found


class _Streams(ServerFactory):
    noisy = False

    def __init__(self, controller: NameServer) -> None:
        self._controller = controller

    def buildProtocol(self, addr: object) -> dns.DNSProtocol:
        return dns.DNSProtocol(self._controller, reactor=self._controller.reactor)  # type: ignore[no-untyped-call]


@define(eq=False)
class NameServer:
    """
    A name server.

    :ivar port: where it listens.
    :ivar questions: name and kind (``"A"``, ``"AAAA"`` ...) of every question so far.
    :ivar clients: port and id of every question that came by UDP.
    :ivar streams: questions that came by TCP.
    """

    reactor: IReactor
    port: int = field(init=False, default=0)
    questions: list[tuple[str, str]] = field(init=False, factory=list)
    _replies: dict[tuple[str, int | None], list[Reply]] = field(init=False, factory=dict)
    _waiting: set[IDelayedCall] = field(init=False, factory=set)
    clients: list[tuple[int, int]] = field(init=False, factory=list)
    streams: int = field(init=False, default=0)
    _listening: list[IListeningPort] = field(init=False, factory=list)
    _open: set[dns.DNSProtocol] = field(init=False, factory=set)

    def listen(self, port: int = 0, interface: str = "127.0.0.1", stream: bool = True) -> None:
        """
        Listen on *port*, 0 for any that is free.

        :param stream: whether it listens on TCP too.
        """
        if stream:
            factory = _Streams(self)
            self._listening.append(self.reactor.listenTCP(port, factory, interface=interface))
            port = self._listening[0].getHost().port  # type: ignore[attr-defined]
        protocol = dns.DNSDatagramProtocol(self, reactor=self.reactor)  # type: ignore[no-untyped-call]
        self._listening.append(self.reactor.listenUDP(port, protocol, interface, 8192))
        self.port = self._listening[-1].getHost().port  # type: ignore[attr-defined]

    async def close(self) -> None:
        """Answer no more."""
        listening, self._listening = self._listening, []
        for call in self._waiting:
            call.cancel()
        self._waiting.clear()
        for each in listening:
            await maybeDeferred(each.stopListening)
        for stream in self._open:
            stream.transport.abortConnection()  # type: ignore[union-attr]

    def on(self, name: str, replies: Sequence[Reply], kind: int | None = None) -> None:
        """
        Answer the first question about *name* with the first of *replies* and so on; the last one repeats.

        :param kind: `dns.A` or `dns.AAAA` for questions of this kind only; else they share the replies.
        """
        if not replies:
            raise ValueError("a name needs at least one reply")
        self._replies[name.lower(), kind] = list(replies)

    def connectionMade(self, protocol: dns.DNSProtocol) -> None:
        """Note a connection; called by the protocol."""
        self._open.add(protocol)

    def connectionLost(self, protocol: dns.DNSProtocol) -> None:
        """Forget a connection; called by the protocol."""
        self._open.discard(protocol)

    def messageReceived(self, message: dns.Message, protocol: Any, address: tuple[str, int] | None = None) -> None:
        """Answer a question; called by the protocol, with an address if it came by UDP."""
        query = message.queries[0]
        name = query.name.name.decode("ascii").lower()
        self.questions.append((name, dns.QUERY_TYPES.get(query.type, str(query.type))))
        if address is None:
            self.streams += 1
        else:
            self.clients.append((address[1], message.id))
        reply = self._next(name, query.type)
        if reply.never:
            return
        answer = dns.Message(message.id, answer=1, recDes=message.recDes, recAv=1, rCode=reply.code)
        answer.queries = [query]
        if reply.truncated and address is not None:
            answer.trunc = 1
        else:
            reply.fill(answer, query.name.name, query.type)

        def say() -> None:
            if address is not None:
                protocol.writeMessage(answer, address)
            elif protocol in self._open:
                protocol.writeMessage(answer)

        if not reply.after:
            say()
            return

        def late() -> None:
            self._waiting.discard(call)
            say()

        call = self.reactor.callLater(reply.after, late)
        self._waiting.add(call)

    def _next(self, name: str, kind: int) -> Reply:
        replies = self._replies.get((name, kind)) or self._replies.get((name, None))
        if replies is None:
            return Reply(code=NXDOMAIN)
        return replies.pop(0) if len(replies) > 1 else replies[0]
