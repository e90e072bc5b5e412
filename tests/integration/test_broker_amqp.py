"""RabbitMQ as a broker: a real one, which is restarted, wiped, and asked for what it does not have."""

from __future__ import annotations

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import capturedLogs

from tests.broker_contract import BrokerContract, Taker
from tests.broker_fixtures import StartBroker, emptied, until
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.reactor import IReactor
from tests.servers.tls import Authority
from twisted_pulp.errors import BrokerUnavailable, SettingsError
from twisted_pulp.jobs import AMQPBroker

MANY = 1_000


class TestAMQPBroker(BrokerContract):
    """It keeps to what brokers keep to."""

    @pytest_twisted.async_fixture
    async def broker(self, start_broker: StartBroker) -> AMQPBroker:
        """A broker without messages."""
        return await start_broker()


def quick(low: float, high: float) -> float:
    """Wait as little as full jitter may, so that a test need not."""
    return min(low + 0.1, high)


async def test_shared(start_broker: StartBroker) -> None:
    """What one process publishes, another is given; and what it holds when it ends, the next."""
    publisher, consumer, heir = await start_broker(), await start_broker(), await start_broker()
    taker, other = Taker(), Taker()
    consumer.consume(taker.take, 10)
    await gatherResults([publisher.publish(uid) for uid in "abc"])
    assert ["a", "b", "c"] == await taker.has(3)
    taker.held[1].done()
    await consumer.depth()
    heir.consume(other.take, 10)
    await consumer.close()
    assert ["a", "c"] == sorted(await other.has(2))
    assert [1, 1] == [each.count for each in other.held]
    taker.held[0].done()  # too late, and no harm


async def test_confirms(start_broker: StartBroker) -> None:
    """Many messages may be on their way; each is confirmed once, and counted."""
    broker = await start_broker()
    await gatherResults([broker.publish(str(number)) for number in range(MANY)])
    assert (MANY, 0) == (broker.confirms.confirmed, broker.confirms.refused)
    assert MANY == (await broker.depth()).ready


async def test_bounded(start_broker: StartBroker) -> None:
    """When too many are on their way, the rest is refused at once."""
    broker = await start_broker()
    sent = [broker.publish("a") for _ in range(10_000)]
    with pytest.raises(BrokerUnavailable, match="confirms nothing"):
        await broker.publish("b")
    await gatherResults(sent)
    await broker.publish("c")


@pytest.mark.campaign
@pytest.mark.parametrize("wiped", [False, True], ids=["kept", "wiped"])
@pytest_twisted.ensureDeferred
async def test_restarted(reactor: IReactor, rabbitmq: RabbitMQ, start_broker: StartBroker, wiped: bool) -> None:
    """Both sides find a server that was killed again by themselves, whatever it has kept."""
    told: list[str | None] = []
    publisher = await start_broker(uniform=quick, changed=told.append)
    consumer = await start_broker(uniform=quick, patience=3)
    taker = Taker()
    consumer.consume(taker.take, 10)
    await publisher.publish("a")
    assert ["a"] == await taker.has(1)
    rabbitmq.kill()
    if wiped:
        rabbitmq.wipe()
    await until(reactor, lambda: not (publisher.connected or consumer.connected))
    with pytest.raises(BrokerUnavailable):
        await publisher.publish("b")
    with pytest.raises(BrokerUnavailable):
        await publisher.depth()
    assert 1 == publisher.confirms.refused
    rabbitmq.start()
    taker.held[0].done()  # of a connection that is not there any more

    def arrived() -> bool:
        publisher.publish("c").addErrback(lambda why: why.trap(BrokerUnavailable))
        return "c" in taker.uids

    await until(reactor, arrived)
    assert [None, None] == [told[0], told[-1]]
    assert all(str(rabbitmq.port) in each for each in told if each is not None)


async def test_queue_deleted(reactor: IReactor, rabbitmq: RabbitMQ, start_broker: StartBroker) -> None:
    """Queues that somebody deletes are made again, and who consumed goes on."""
    taker = Taker()
    told: list[str | None] = []
    broker = await start_broker(uniform=quick, changed=told.append)
    broker.consume(taker.take, 10)
    await broker.publish("a")
    await taker.has(1)
    await emptied(reactor, rabbitmq)
    await until(reactor, lambda: len(told) > 2 and told[-1] is None)
    await broker.publish("b")
    assert ["a", "b"] == await taker.has(2)


async def test_nobody_consumes(reactor: IReactor, rabbitmq: RabbitMQ, start_broker: StartBroker) -> None:
    """Who only publishes learns by the first message that the queue was deleted."""
    told: list[str | None] = []
    broker = await start_broker(uniform=quick, changed=told.append)
    await emptied(reactor, rabbitmq)
    with pytest.raises(BrokerUnavailable, match="has not confirmed"):
        await broker.publish("a")
    await until(reactor, lambda: broker.connected)
    assert [None, f"127.0.0.1:{rabbitmq.port}: a queue is gone", None] == told
    await broker.publish("b")
    assert 1 == (await broker.depth()).ready


async def test_told_why(reactor: IReactor, rabbitmq: RabbitMQ, start_broker: StartBroker) -> None:
    """What the server says when it closes a channel is told, as when the user may not do something."""
    told: list[str | None] = []
    broker = await start_broker(uniform=quick, changed=told.append)
    broker._out.basic_publish("missing", "q", b"a").addErrback(lambda why: None)
    await until(reactor, lambda: len(told) > 2)
    assert "NOT_FOUND - no exchange 'missing'" in str(told[1])


async def test_other_settings(reactor: IReactor, start_broker: StartBroker, rabbitmq: RabbitMQ) -> None:
    """A queue that was made with other settings is used as it is."""
    await emptied(reactor, rabbitmq, declare={"x-queue-type": "quorum", "x-delivery-limit": 3})
    with capturedLogs() as logs:
        other = await start_broker()
    assert ["pulpdownloader.jobs"] == [each["name"] for each in logs if "is used as it is" in each["log_format"]]
    await other.publish("a")


@pytest.mark.parametrize(
    "change", [("guest:guest", "guest:S3CR3T"), ("%2F", "missing")], ids=["password", "virtual host"]
)
@pytest_twisted.ensureDeferred
async def test_refused(start_broker: StartBroker, rabbitmq: RabbitMQ, change: tuple[str, str]) -> None:
    """A server that does not want us leaves a reason without secrets, and is tried again."""
    told: list[str | None] = []
    broker = await start_broker(rabbitmq.url.replace(*change), changed=told.append)
    assert not broker.connected
    assert str(rabbitmq.port) in str(told[0])
    assert "password or virtual host may be wrong" in str(told[0])
    assert "S3CR3T" not in f"{told} {broker!r}"


async def test_secure(start_broker: StartBroker, rabbitmq: RabbitMQ, tls: Authority) -> None:
    """With amqps the server must show that it is the one that the URL names."""
    url = f"amqps://guest:guest@127.0.0.1:{rabbitmq.secure_port}/%2F?ca={tls.ca_file}"
    broker = await start_broker(url)
    await broker.publish("a")
    assert 1 == broker.confirms.confirmed
    told: list[str | None] = []
    for wrong in (url.replace("127.0.0.1", "127.1"), url.partition("?")[0]):
        assert not (await start_broker(wrong, changed=told.append)).connected
    assert ["VerificationError", "certificate verify failed"] == [
        next(word for word in ("VerificationError", "certificate verify failed", str(each)) if word in str(each))
        for each in told
    ]


async def test_closed_at_once(reactor: IReactor) -> None:
    """A broker may be closed before it is connected, and without having been started."""
    broker = AMQPBroker(reactor, "amqp://u:p@127.0.0.1:1/v")
    await broker.close()
    broker = AMQPBroker(reactor, "amqp://u:p@127.0.0.1:1/v")
    first = broker.start()
    await broker.close()
    assert isinstance(first, Deferred)


@pytest.mark.parametrize(
    "url", ["http://h/", "amqp://", "amqp://h/?heartbeat=0", "amqp://h/?what=1", "amqps://h/?ca=relative"]
)
def test_bad_url(reactor: IReactor, url: str) -> None:
    """What is no URL of a broker is refused at once."""
    with pytest.raises(SettingsError, match="amqp://USER:PASSWORD@HOST/VHOST"):
        AMQPBroker(reactor, url)
