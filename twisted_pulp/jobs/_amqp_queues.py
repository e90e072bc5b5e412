"""The queues that a RabbitMQ must have, and messages in them."""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger

from twisted_pulp.jobs._broker import DELIVERIES

__all__ = ["DEAD", "JOBS", "closed", "declare", "delete", "given_out", "put_aside", "text_of"]

_log = Logger()

#: Of messages that wait, and of those that were put aside.
JOBS, DEAD = "pulpdownloader.jobs", "pulpdownloader.dead"
_COUNT = "x-delivery-count"
#: Looking at what was put aside is to give it out again, which newer servers allow only so often unless told.
_ALWAYS = 1_000_000_000
_DIFFERENT = 406


async def declare(protocol: Any, patience: int) -> None:
    """
    Let the queues be there, which survive restarts and, where there are several servers, the loss of some.

    :param patience: seconds for which a message may be held; servers before 3.12 go by their own settings alone.
    """
    await _declare(protocol, DEAD, {"x-delivery-limit": _ALWAYS})
    await _declare(
        protocol,
        JOBS,
        {
            "x-delivery-limit": DELIVERIES,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": DEAD,
            "x-consumer-timeout": patience * 1000,
        },
    )


async def _declare(protocol: Any, name: str, arguments: dict[str, Any]) -> None:
    from pika.exceptions import ChannelClosedByBroker

    channel = await protocol.channel()
    try:
        await channel.queue_declare(name, durable=True, arguments={"x-queue-type": "quorum", **arguments})
    except ChannelClosedByBroker as error:
        if error.reply_code != _DIFFERENT:
            raise
        # Its owner wants it so, or it was made with other settings: it has to be deleted to be changed.
        _log.warn("the queue {name} is used as it is: {error}", name=name, error=error.reply_text)
        return
    await closed(channel)


async def delete(protocol: Any) -> None:
    """Remove the queue of messages that wait: they are hints, and made again."""
    channel = await protocol.channel()
    await channel.queue_delete(JOBS)
    await closed(channel)


async def closed(channel: Any) -> None:
    """Close a channel; messages that it holds go back."""
    channel.close()
    await channel.on_closed


def given_out(properties: Any) -> int:
    """Return how often a message was given out before."""
    return int((properties.headers or {}).get(_COUNT, 0))


def put_aside(properties: Any) -> int:
    """Return how often a message was given out before the server put it aside; 0: we have put it there."""
    return DELIVERIES + 1 if "x-death" in (properties.headers or {}) else 0


def text_of(body: bytes) -> str:
    """Return the uid that a message says: it may be anything."""
    return body.decode("utf-8", "replace")
