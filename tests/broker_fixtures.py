"""A RabbitMQ, and brokers on it, as fixtures."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.task import deferLater

from tests.servers.rabbitmq import RabbitMQ
from tests.servers.reactor import IReactor
from tests.servers.tls import Authority
from twisted_pulp.jobs import AMQPBroker

__all__ = ["StartBroker", "emptied", "rabbitmq", "rabbitmq_server", "start_broker", "until"]

QUEUES = "pulpdownloader.jobs", "pulpdownloader.dead"
_TICK = 0.05


@pytest.fixture(scope="session")
def rabbitmq_server(tls: Authority) -> Iterator[RabbitMQ]:
    """A RabbitMQ for all tests of this process; without it the test skips, or fails when ``CI=true``."""
    server = RabbitMQ.made(*tls.files())
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest_twisted.async_yield_fixture
async def rabbitmq(reactor: IReactor, rabbitmq_server: RabbitMQ) -> AsyncIterator[RabbitMQ]:
    """A RabbitMQ that runs, and has nothing."""
    if not rabbitmq_server.running:
        rabbitmq_server.start()
    await emptied(reactor, rabbitmq_server)
    yield rabbitmq_server


async def emptied(reactor: Any, server: RabbitMQ, declare: dict[str, Any] | None = None) -> None:
    """Delete the queues; then, with *declare*, make that of jobs as somebody else would."""
    from pika import ConnectionParameters
    from pika.adapters.twisted_connection import TwistedProtocolConnection

    protocol = TwistedProtocolConnection(ConnectionParameters(), reactor)
    ready: Any = protocol.ready
    await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", server.port), protocol)
    await ready
    ended: Any = protocol.closed
    channel = await protocol.channel()
    for name in QUEUES:
        await channel.queue_delete(name)
    if declare is not None:
        await channel.queue_declare(QUEUES[0], durable=True, arguments=declare)
    lost: Deferred[None] = Deferred()
    connection_lost = protocol.connectionLost
    protocol.connectionLost = lambda reason: (connection_lost(reason), lost.callback(None))  # type: ignore[assignment, method-assign]
    protocol.close()
    await ended
    await lost


async def until(reactor: Any, condition: Callable[[], Any], seconds: float = 60) -> None:
    """Wait until something is so."""
    deadline = reactor.seconds() + seconds
    while not condition():
        assert reactor.seconds() < deadline
        await deferLater(reactor, _TICK)


StartBroker = Callable[..., Deferred[AMQPBroker]]


@pytest_twisted.async_yield_fixture
async def start_broker(reactor: IReactor, rabbitmq: RabbitMQ) -> AsyncIterator[StartBroker]:
    """Make any number of brokers on the RabbitMQ, connected, and closed at the end."""
    made: list[AMQPBroker] = []

    async def start(url: str | None = None, **fields: Any) -> AMQPBroker:
        broker = AMQPBroker(reactor, url or rabbitmq.url, **fields)
        made.append(broker)
        await broker.start()
        return broker

    yield lambda *given, **fields: Deferred.fromCoroutine(start(*given, **fields))
    for broker in made:
        await broker.close()
