"""What needs no RabbitMQ: URLs, and messages that are on their way."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock

from tests.servers.tls import Authority
from twisted_pulp.errors import BrokerUnavailable, SettingsError
from twisted_pulp.jobs import AMQPBroker
from twisted_pulp.jobs._amqp_address import Address
from twisted_pulp.jobs._amqp_confirms import Confirms
from twisted_pulp.jobs._amqp_queues import declare


def test_address() -> None:
    """A URL says everything, and what it leaves out is as RabbitMQ has it."""
    found = Address.of("amqps://us%40er:p%2Fw@rabbit.test/a%2Fb?ca=/ca.pem&heartbeat=5&consumer_timeout=60")
    assert ("rabbit.test", 5671, "a/b", "us@er", "p/w") == (
        found.host,
        found.port,
        found.vhost,
        found.user,
        found.password,
    )
    assert (True, "/ca.pem", 5, 60, "rabbit.test:5671") == (
        found.secure,
        found.ca,
        found.heartbeat,
        found.patience,
        found.name,
    )
    assert "p/w" not in repr(found)
    plain = Address.of("amqp://h")
    assert (5672, "/", "guest", "guest", False) == (plain.port, plain.vhost, plain.user, plain.password, plain.secure)


@pytest.mark.parametrize("option", ["heartbeat=1", "heartbeat=x", "consumer_timeout=1", "ca=here", "other=1", "ca"])
def test_bad_option(option: str) -> None:
    """What cannot be honoured is refused, without its secrets."""
    with pytest.raises(SettingsError) as caught:
        Address.of(f"amqp://u:S3CR3T@h/?{option}")
    assert "S3CR3T" not in str(caught.value)


def test_endpoints(tls: Authority) -> None:
    """With amqps there is TLS, which trusts the system's authorities or those that were named."""
    reactor = MemoryReactorClock()
    kinds = [
        type(Address.of(url).endpoint(reactor)).__name__
        for url in ("amqp://h/", "amqps://h/", f"amqps://h/?ca={tls.ca_file}")
    ]
    assert ["HostnameEndpoint", "_WrapperEndpoint", "_WrapperEndpoint"] == kinds


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"x\n-----END CERTIFICATE-----\n"])
def test_no_authorities(content: bytes | None, tmp_path: Path) -> None:
    """Where the authorities are missing, or are none, that is said before anything is begun, and of which file."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=f"ca={path}"):
        AMQPBroker(MemoryReactorClock(), f"amqps://h/?ca={path}")


class Declared:
    """A connection, and its channels, that only hears how queues are declared."""

    def __init__(self) -> None:
        self.queues: dict[str, dict[str, object]] = {}
        self.on_closed = succeed(None)

    async def channel(self) -> Declared:
        return self

    async def queue_declare(self, name: str, *, durable: bool, arguments: dict[str, object]) -> None:
        assert durable
        self.queues[name] = arguments

    def close(self) -> None:
        pass


def test_queues() -> None:
    """Queues are kept by a quorum; a message may be held for hours, and goes aside when it was given out too often."""
    declared = Declared()
    assert Deferred.fromCoroutine(declare(declared, 12 * 3600)).called
    jobs, dead = declared.queues["pulpdownloader.jobs"], declared.queues["pulpdownloader.dead"]
    assert ["quorum", "quorum"] == [each["x-queue-type"] for each in (jobs, dead)]
    assert 43_200_000 == jobs["x-consumer-timeout"]  # milliseconds
    assert (5, "", "pulpdownloader.dead") == tuple(
        jobs[name] for name in ("x-delivery-limit", "x-dead-letter-exchange", "x-dead-letter-routing-key")
    )


def counted(clock: Clock) -> tuple[Confirms, list[str]]:
    """Return a count, and what it has called."""
    called: list[str] = []
    return Confirms(clock, "h:1", lambda: called.append("mute"), lambda: called.append("unroutable")), called


def test_confirmed() -> None:
    """What is confirmed is counted, and while it is nobody is taken to be mute."""
    clock = Clock()
    confirms, called = counted(clock)
    sent: list[Deferred[None]] = [Deferred() for _ in range(3)]
    for each in sent:
        confirms.send(lambda each=each: each)  # type: ignore[misc]
    for number, each in enumerate(sent, 1):
        clock.advance(25)
        each.callback(None)
        assert (number, 3 - number) == (confirms.confirmed, confirms.in_flight)
    clock.advance(60)
    assert [] == called
    assert [] == clock.getDelayedCalls()


def test_mute() -> None:
    """A server that confirms nothing for half a minute is given up."""
    clock = Clock()
    confirms, called = counted(clock)
    waiting = confirms.send(Deferred)
    clock.advance(31)
    assert ["mute"] == called
    confirms.close()
    assert not waiting.called


def test_closed() -> None:
    """Nothing is looked at after the end."""
    clock = Clock()
    confirms, _ = counted(clock)
    confirms.send(Deferred)
    confirms.close()
    confirms.close()
    assert [] == clock.getDelayedCalls()


def test_lost() -> None:
    """A message that was lost with its connection fails, and is counted."""
    confirms, called = counted(Clock())
    lost: Deferred[None] = Deferred()
    sent = confirms.send(lambda: lost)
    lost.errback(ValueError("lost"))
    failures: list[object] = []
    sent.addErrback(lambda why: failures.append(why.trap(BrokerUnavailable)))
    assert ([BrokerUnavailable], 1, 0) == (failures, confirms.refused, confirms.in_flight)
    assert [] == called
    confirms.close()
    with pytest.raises(BrokerUnavailable):
        confirms.send(None)
