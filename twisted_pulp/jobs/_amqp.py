"""RabbitMQ as a broker: a hint for each job, which survives whom it was given to."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.logger import Logger
from zope.interface import implementer

from twisted_pulp.errors import BrokerUnavailable, SettingsError
from twisted_pulp.jobs._amqp_address import Address
from twisted_pulp.jobs._amqp_confirms import Confirms
from twisted_pulp.jobs._amqp_link import Link
from twisted_pulp.jobs._amqp_queues import DEAD, JOBS, closed, declare, delete, put_aside, text_of
from twisted_pulp.jobs._amqp_taker import Taker
from twisted_pulp.jobs._broker import DeadLetter, Depth, IBroker, Take

__all__ = ["AMQPBroker"]

#: Seconds for which somebody waits who looks at what was put aside.
_LOOK = 15.0
#: Messages that were put aside, among which one is searched.
_SEARCHED = 10_000


@implementer(IBroker)
@define(eq=False)
class AMQPBroker:
    """
    A broker for the workers of many machines: quorum queues of a RabbitMQ, with confirms.

    A connection that is lost is made again, and so are the queues, whatever has become of the server meanwhile.

    :param url: ``amqp://USER:PASSWORD@HOST[:PORT]/VHOST``, or ``amqps://``. Behind a ``?``: ``ca``, path of the
        authorities in PEM that vouch for the server; ``heartbeat``, seconds; ``consumer_timeout``, seconds for which a
        message may be held.
    :param changed: called with the reason why there is no connection, and with None once there is one again.
    :param patience: seconds that a server may take to let us begin, before its queue is made again; default 10.
    :param uniform: as `random.uniform`, the default; for jitter.
    :ivar confirms: how many messages were confirmed, and how many were not.
    :raises SettingsError: *url* is none of these, its authorities cannot be read, or pika is not installed.
    """

    _log = Logger()

    shared = True

    _reactor: Any
    _url: str = field(repr=False)
    _changed: Callable[[str | None], object] = field(kw_only=True, default=lambda reason: None)
    _patience: float = field(kw_only=True, default=10.0)
    _uniform: Callable[[float, float], float] = field(kw_only=True, default=random.uniform)
    _address: Address = field(init=False)
    confirms: Confirms = field(init=False)
    _link: Link = field(init=False)
    _takers: list[Taker] = field(init=False, factory=list)
    _protocol: Any = field(init=False, default=None)
    _out: Any = field(init=False, default=None)
    _properties: Any = field(init=False)
    _reason: str | None = field(init=False, default=None)
    _mute: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self._address = Address.of(self._url)
        self._address.endpoint(self._reactor)  # what is wrong with its authorities is better said now than at each try
        try:
            from pika import BasicProperties
        except ImportError as error:
            raise SettingsError(
                "broker", self._address.name, "left out, or pika installed: pip install twisted_pulp[cluster]"
            ) from error
        self._properties = BasicProperties(delivery_mode=2)
        self.confirms = Confirms(self._reactor, self._address.name, self._muted, lambda: self._drop("a queue is gone"))
        self._link = Link(
            self._reactor, self._address, self._opened, self._lost, patience=self._patience, uniform=self._uniform
        )

    @property
    def connected(self) -> bool:
        """Whether messages come and go."""
        return self._out is not None

    def start(self) -> Deferred[None]:
        """Connect; the Deferred fires after the first try, whatever came of it: others follow."""
        return self._link.start()

    # its connection
    async def _opened(self, protocol: Any) -> None:
        if self._mute:
            self._log.warn("the queue of the broker {name} does not answer: it is made again", name=self._address.name)
            await delete(protocol)
        try:
            await self._begin(protocol)
        except CancelledError:
            # A queue that nobody leads: RabbitMQ 3.10 may leave one so when it was killed, and never finds out.
            self._mute = True
            raise
        self._reason, self._mute = None, False
        self._log.info("connected to the broker {name}", name=self._address.name)
        self._changed(None)

    async def _begin(self, protocol: Any) -> None:
        await declare(protocol, self._address.patience)
        out = await protocol.channel()
        await out.confirm_delivery()
        self._watch(out)
        self._protocol = protocol
        for taker in list(self._takers):
            self._watch(await taker.open(protocol))
        self._out = out

    def _watch(self, channel: Any) -> None:
        """Let go of the connection when the server closes a channel of it."""

        def closed(reason: Any) -> None:
            if self._protocol is not None and channel.connection is self._protocol._impl:
                self._drop(_words(reason))

        channel.on_closed.addBoth(closed)

    def _muted(self) -> None:
        self._mute = True
        self._drop("it confirms nothing")

    def _drop(self, reason: str | None = None) -> None:
        self._out = None
        self._link.drop(reason)

    def _lost(self, reason: str) -> None:
        if self._reason is None:
            self._log.warn("no connection to the broker {reason}", reason=reason)
        self._reason = reason
        self._protocol = self._out = None
        for taker in self._takers:
            taker.lost()
        self._changed(reason)

    # messages
    def publish(self, uid: str) -> Deferred[None]:
        """Say that the job *uid* waits; see `IBroker`."""
        return self._send(JOBS, uid)

    def park(self, uid: str) -> Deferred[None]:
        """Put a message aside; see `IBroker`."""
        return self._send(DEAD, uid)

    def _send(self, queue: str, uid: str) -> Deferred[None]:
        out = self._out
        send = None if out is None else lambda: out.basic_publish("", queue, uid.encode(), self._properties, True)
        try:
            return self.confirms.send(send)
        except BrokerUnavailable:
            return fail()

    def consume(self, take: Take, prefetch: int) -> Callable[[], Deferred[None]]:
        """Call *take* with messages; see `IBroker`."""
        taker = Taker(take, prefetch)
        self._takers.append(taker)
        if self._out is not None:
            opening = Deferred.fromCoroutine(self._begun(taker))
            opening.addErrback(lambda why: self._drop())

        def stop() -> Deferred[None]:
            return Deferred.fromCoroutine(taker.stop()).addErrback(lambda why: None)

        return stop

    async def _begun(self, taker: Taker) -> None:
        self._watch(await taker.open(self._protocol))

    # what was put aside
    def dead(self, limit: int) -> Deferred[list[DeadLetter]]:
        """Return a Deferred of messages that were put aside; see `IBroker`."""
        return self._soon(self._dead(limit))

    async def _dead(self, limit: int) -> list[DeadLetter]:
        found: list[DeadLetter] = []
        async with self._aside() as channel:
            while len(found) < limit and (got := await channel.basic_get(DEAD)) is not None:
                found.append(DeadLetter(text_of(got[3]), put_aside(got[2])))
        return found

    def replay(self, uid: str) -> Deferred[bool]:
        """Publish once more what was put aside; see `IBroker`."""
        return self._soon(self._taken(uid, self.publish))

    def bury(self, uid: str) -> Deferred[bool]:
        """Forget what was put aside; see `IBroker`."""
        return self._soon(self._taken(uid, None))

    async def _taken(self, uid: str, do: Callable[[str], Deferred[None]] | None) -> bool:
        """Take the messages that name *uid* out of those that were put aside, once *do* is done with it."""
        tags = []
        async with self._aside() as channel:
            for _ in range(_SEARCHED):
                if (got := await channel.basic_get(DEAD)) is None:
                    break
                if text_of(got[3]) == uid:
                    tags.append(got[1].delivery_tag)
            if tags and do is not None:
                await do(uid)
            for tag in tags:
                channel.basic_ack(tag)
        return bool(tags)

    def _soon(self, coroutine: Any) -> Deferred[Any]:
        def late(_: Any, seconds: float) -> Any:
            raise BrokerUnavailable(f"the broker {self._address.name} has not answered within {seconds:g} s")

        return Deferred.fromCoroutine(coroutine).addTimeout(_LOOK, self._reactor, late)

    @contextlib.asynccontextmanager
    async def _aside(self) -> AsyncIterator[Any]:
        """Give a channel, whose messages go back at the end unless they are done."""
        from pika.exceptions import AMQPError

        if self._protocol is None:
            raise BrokerUnavailable(f"the broker {self._address.name} is not connected")
        try:
            channel = await self._protocol.channel()
            yield channel
            channel.basic_nack(0, multiple=True)  # all that are left, before whoever looks next
            await closed(channel)
        except AMQPError as error:
            raise BrokerUnavailable(f"the broker {self._address.name} was lost") from error

    def depth(self) -> Deferred[Depth]:
        """Return a Deferred of how many messages there are; see `IBroker`."""
        return self._soon(self._depth())

    async def _depth(self) -> Depth:
        async with self._aside() as channel:
            ready, dead = [
                (await channel.queue_declare(name, passive=True)).method.message_count for name in (JOBS, DEAD)
            ]
        return Depth(ready=ready, held=sum(each.held for each in self._takers), dead=dead)

    def close(self) -> Deferred[None]:
        """End; what was given out and is not done goes to others."""
        self._protocol = self._out = None
        self.confirms.close()
        return Deferred.fromCoroutine(self._link.stop())


def _words(reason: Any) -> str | None:
    """Return why the server closed a channel, if it said so."""
    error = getattr(reason, "value", reason)
    return getattr(error, "reply_text", None)
