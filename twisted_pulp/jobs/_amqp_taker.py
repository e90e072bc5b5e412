"""Messages of a RabbitMQ, given to one who takes them."""

from __future__ import annotations

from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from twisted_pulp.jobs._amqp_queues import JOBS, given_out, text_of
from twisted_pulp.jobs._broker import Delivery, Take

__all__ = ["Taker"]


@define(eq=False)
class Taker:
    """
    Takes messages on a channel of its own, on one connection after another.

    :param prefetch: messages that it holds at a time.
    :ivar held: messages that were given out on this connection, and not ended.
    """

    _log = Logger()

    _take: Take
    _prefetch: int
    held: int = field(init=False, default=0)
    _channel: Any = field(init=False, default=None)
    _tag: str = field(init=False, default="")
    _stopped: bool = field(init=False, default=False)

    async def open(self, protocol: Any) -> Any:
        """Begin on a connection; return a channel."""
        channel = await protocol.channel()
        await channel.basic_qos(prefetch_count=self._prefetch)
        queue, self._tag = await channel.basic_consume(JOBS)
        self._channel, self.held = channel, 0
        Deferred.fromCoroutine(self._give(queue, channel)).addErrback(self._ended, channel)
        return channel

    async def _give(self, queue: Any, channel: Any) -> None:
        while True:
            message = await queue.get()
            if self._stopped:
                return
            self.held += 1
            tag, count = message.method.delivery_tag, given_out(message.properties)
            delivery = Delivery(
                text_of(message.body),
                count,
                lambda done, tag=tag: self._finish(channel, tag, done),  # type: ignore[misc]
            )
            try:
                self._take(delivery)
            except Exception:
                self._log.failure("a worker could not be told of a job")
                delivery.done()

    def _ended(self, why: Any, channel: Any) -> None:
        # Its channel was closed, or the queue deleted, and so a new connection finds out what there is.
        self._log.debug("nothing is taken any more: {why}", why=why.value)
        if channel is self._channel and not self._stopped and channel.is_open:
            channel.close()

    def _finish(self, channel: Any, tag: int, done: bool) -> None:
        if channel is not self._channel or not channel.is_open:
            return  # it is given out again anyway
        self.held -= 1
        if done:
            channel.basic_ack(tag)
        else:
            channel.basic_nack(tag, requeue=True)

    async def stop(self) -> None:
        """Take nothing any more."""
        self._stopped = True
        if self._channel is not None and self._channel.is_open:
            await self._channel.basic_cancel(self._tag)

    def lost(self) -> None:
        """Take note that the connection is lost."""
        self._channel, self.held = None, 0
