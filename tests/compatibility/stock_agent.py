"""Twisted's tests of its own Agent, over our pool, connections and endpoints."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IResolutionReceiver
from twisted.trial.runner import TestSuite
from twisted.web import client
from twisted.web.test import test_agent
from zope.interface import implementer

from tests.compatibility.borrowed import Connection, borrowed, chosen
from twisted_pulp.http import ConnectionPool, Endpoints, Resolver, Watch
from twisted_pulp.http._resolver import Address
from twisted_pulp.settings import Remote


class MemoryResolver(Resolver):
    """Asks the name resolver of a reactor in memory, without a thread."""

    def lookup(self, host: str, port: int) -> Deferred[Any]:
        found: list[Address] = []
        answered: Deferred[list[Address]] = Deferred()

        @implementer(IResolutionReceiver)
        class Receiver:
            def resolutionBegan(self, resolutionInProgress: object) -> None:
                pass

            def addressResolved(self, address: Any) -> None:
                found.append(address)

            def resolutionComplete(self) -> None:
                answered.callback(found)

        self._reactor.nameResolver.resolveHostName(Receiver(), host, port)  # type: ignore[attr-defined]
        return answered


def over_ours(reactor: Any) -> Any:
    """Make Twisted's Agent over our endpoints and pool."""
    watch = Watch(reactor)
    endpoints = Endpoints(reactor, MemoryResolver(reactor), watch, Remote())
    pool: Any = ConnectionPool(reactor, persistent=False, watch=watch)
    return client.Agent.usingEndpointFactory(reactor, endpoints, pool)


class AgentTests(test_agent.AgentTests):
    def integrationTest(self, *args: Any, **kwargs: Any) -> None:
        super().integrationTest(*args, **{**kwargs, "createAgent": over_ours})  # type: ignore[no-untyped-call]


_NAMES: dict[tuple[Any, str], object] = {
    (client, "HTTPConnectionPool"): ConnectionPool,
    (test_agent, "HTTPConnectionPool"): ConnectionPool,
    (test_agent, "HTTP11ClientProtocol"): Connection,
}

CASES = [
    borrowed(AgentTests, __name__, _NAMES),
    borrowed(test_agent.AgentHTTPSTests, __name__, _NAMES),
    borrowed(test_agent.AgentMethodInjectionTests, __name__, _NAMES),
    borrowed(test_agent.AgentURIInjectionTests, __name__, _NAMES),
    borrowed(test_agent.CookieAgentTests, __name__, _NAMES),
    borrowed(test_agent.ContentDecoderAgentTests, __name__, _NAMES),
    borrowed(test_agent.ContentDecoderAgentWithGzipTests, __name__, _NAMES),
    borrowed(test_agent.ProxyAgentTests, __name__, _NAMES),
    borrowed(test_agent.RedirectAgentTests, __name__, _NAMES),
    borrowed(test_agent.BrowserLikeRedirectAgentTests, __name__, _NAMES),
]
EXCLUDED: dict[str, str] = {}


def testSuite() -> TestSuite:
    """Choose for trial, which asks for this name."""
    return chosen(CASES, EXCLUDED)
