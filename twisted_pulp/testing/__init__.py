"""Fakes for the tests of whoever builds on this package: no socket, no thread, no clock."""

from twisted_pulp.testing._agents import Asked, FakeSite, SpyAgent
from twisted_pulp.testing._consumers import SlowConsumer, SpyWriter
from twisted_pulp.testing._response import FakeProducer, FakeResponse

__all__ = ["Asked", "FakeProducer", "FakeResponse", "FakeSite", "SlowConsumer", "SpyAgent", "SpyWriter"]
