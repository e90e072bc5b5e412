"""Twisted's tests of Agent and of what wraps it, over `HTTPAgent`, `ConnectionPool` and `HTTPConnection`."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.runner import TestSuite
from twisted.web import client
from twisted.web.http_headers import Headers
from twisted.web.iweb import IBodyProducer, IResponse
from twisted.web.test import test_agent

from tests.compatibility.borrowed import AnyRequest, Connection, Namespace, borrowed, chosen
from twisted_pulp.http import ConnectionPool, HTTPAgent


class Agent(client.Agent):
    """Has the constructors of Twisted's; requests are made by ours."""

    _ours: HTTPAgent | None = None

    def endpointForURI(self, uri: Any) -> Any:
        """Let tests replace `_getEndpoint`."""
        return self._getEndpoint(uri)  # type: ignore[no-untyped-call]

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        if self._ours is None:
            self._ours = HTTPAgent(self._reactor, self, self._pool)  # type: ignore[arg-type]
        return self._ours.request(method, uri, headers, bodyProducer)


class AgentTests(test_agent.AgentTests):
    def integrationTest(self, *args: Any, **kwargs: Any) -> None:
        super().integrationTest(*args, **{**kwargs, "createAgent": Agent})  # type: ignore[no-untyped-call]


_CONNECTION: dict[tuple[Any, str], object] = {
    (test_agent, "client"): Namespace(client, Agent=Agent),
    (test_agent, "HTTP11ClientProtocol"): Connection,
    (client, "HTTP11ClientProtocol"): Connection,
}
_AGENT: dict[tuple[Any, str], object] = {
    **_CONNECTION,
    (test_agent, "Request"): AnyRequest,
    (test_agent, "HTTPConnectionPool"): ConnectionPool,
    (client, "HTTPConnectionPool"): ConnectionPool,
}

CASES = [
    borrowed(AgentTests, __name__, _AGENT),
    borrowed(test_agent.AgentHTTPSTests, __name__, _AGENT),
    borrowed(test_agent.AgentMethodInjectionTests, __name__, _AGENT),
    borrowed(test_agent.AgentURIInjectionTests, __name__, _AGENT),
    borrowed(test_agent.CookieAgentTests, __name__, _AGENT),
    borrowed(test_agent.ContentDecoderAgentTests, __name__, _AGENT),
    borrowed(test_agent.ContentDecoderAgentWithGzipTests, __name__, _AGENT),
    borrowed(test_agent.ProxyAgentTests, __name__, _AGENT),
    borrowed(test_agent.RedirectAgentTests, __name__, _AGENT),
    borrowed(test_agent.BrowserLikeRedirectAgentTests, __name__, _AGENT),
    # Twisted's own pool, over our connections.
    borrowed(test_agent.HTTPConnectionPoolTests, __name__, _CONNECTION),
    borrowed(test_agent.HTTPConnectionPoolRetryTests, __name__, _CONNECTION),
    # These reach nothing of ours; with them, the module is whole.
    borrowed(test_agent.CookieJarTests, __name__, _AGENT),
    borrowed(test_agent.ReadBodyTests, __name__, _AGENT),
    borrowed(test_agent.FileBodyProducerTests, __name__, _AGENT),
    borrowed(test_agent.HostnameCachingHTTPSPolicyTests, __name__, _AGENT),
    borrowed(test_agent.WebClientContextFactoryTests, __name__, _AGENT),
    borrowed(test_agent.RequestMethodInjectionTests, __name__, _AGENT),
    borrowed(test_agent.RequestURIInjectionTests, __name__, _AGENT),
    borrowed(test_agent.RequestWriteToMethodInjectionTests, __name__, _AGENT),
    borrowed(test_agent.RequestWriteToURIInjectionTests, __name__, _AGENT),
]
EXCLUDED: dict[str, str] = {}


def testSuite() -> TestSuite:
    """Choose for trial, which asks for this name."""
    return chosen(CASES, EXCLUDED)
