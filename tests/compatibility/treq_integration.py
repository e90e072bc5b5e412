"""treq's integration tests over `HTTPAgent`, and over Twisted's Agent with our pool and endpoints."""

from __future__ import annotations

from typing import Any

from treq.test import test_treq_integration
from twisted.internet.defer import inlineCallbacks
from twisted.trial.runner import TestSuite
from twisted.trial.unittest import TestCase
from twisted.web import client

from tests.compatibility.borrowed import chosen
from twisted_pulp.http import ConnectionPool, Endpoints, HTTPAgent, Resolver, Watch
from twisted_pulp.settings import TLS, Remote


class OverOurs:
    """Replaces the agent and the pool that treq's tests make."""

    @inlineCallbacks
    def setUp(self) -> Any:
        """Make them."""
        yield super().setUp()  # type: ignore[misc]
        from twisted.internet import reactor

        process = self._httpbin_process  # type: ignore[attr-defined]
        authority = process._process_description.cacert
        tls = TLS() if authority is None else TLS(ca_cert=authority, platform_trust=False)
        watch = Watch(reactor)
        endpoints = Endpoints(reactor, Resolver(reactor), watch, Remote(tls=tls))  # type: ignore[arg-type]
        self.pool = ConnectionPool(reactor, watch=watch)
        self.agent = self.made(reactor, endpoints, self.pool)
        self.addCleanup(watch.stop)  # type: ignore[attr-defined]

    def made(self, reactor: Any, endpoints: Endpoints, pool: Any) -> Any:
        """Make the agent."""
        return HTTPAgent(reactor, endpoints, pool)


class OverOursButTheAgent(OverOurs):
    def made(self, reactor: Any, endpoints: Endpoints, pool: Any) -> Any:
        return client.Agent.usingEndpointFactory(reactor, endpoints, pool)


def _over(ours: type[OverOurs], case: type[TestCase], name: str) -> Any:
    return type(name, (ours, case), {"__module__": __name__, "__qualname__": name})


CASES = [
    _over(OverOurs, test_treq_integration.TreqIntegrationTests, "HTTPAgentTests"),
    _over(OverOurs, test_treq_integration.HTTPSTreqIntegrationTests, "HTTPSAgentTests"),
    _over(OverOursButTheAgent, test_treq_integration.TreqIntegrationTests, "StockHTTPAgentTests"),
    _over(OverOursButTheAgent, test_treq_integration.HTTPSTreqIntegrationTests, "StockHTTPSAgentTests"),
]
EXCLUDED: dict[str, str] = {}


def testSuite() -> TestSuite:
    """Choose for trial, which asks for this name."""
    return chosen(CASES, EXCLUDED)
