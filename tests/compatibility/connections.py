"""Twisted's tests of its HTTP/1.1 client protocol, with `HTTPConnection` in its place."""

from __future__ import annotations

from twisted.trial.runner import TestSuite
from twisted.web.test import test_newclient

from tests.compatibility.borrowed import AnyResponse, Connection, borrowed, chosen

CASES = [
    borrowed(
        test_newclient.HTTP11ClientProtocolTests,
        __name__,
        {(test_newclient, "HTTP11ClientProtocol"): Connection, (test_newclient, "Response"): AnyResponse},
    )
]
EXCLUDED = {
    "HTTP11ClientProtocolTests.test_errorMessageOnConnectionLostBeforeGenerationFailedDoesNotConfuse": (
        "compares a log message word for word; test_connectionLostBeforeGenerationFailed asserts that there is one"
    ),
    "HTTP11ClientProtocolTests.test_parserDataReceivedException": (
        "wants the broken line in the ParseError; ours shows nothing of what came"
    ),
    "HTTP11ClientProtocolTests.test_proxyStopped": "looks at the transport that Twisted's parser writes to",
    "HTTP11ClientProtocolTests.test_quiescentCallbackCalled": (
        "ends by looking at private attributes; test_connection.py asserts what happens before"
    ),
    "HTTP11ClientProtocolTests.test_receiveResponseHeadersTooLong": (
        "wants lines over 16 KiB to fail; ours may have 100 KiB, as in curl"
    ),
    "HTTP11ClientProtocolTests.test_receiveSimplestResponse": (
        "wants a connection that is being closed to be called QUIESCENT, as if it could take a request"
    ),
    "HTTP11ClientProtocolTests.test_transportProducingWhenQuiescentAfterFullBody": (
        "looks at a private attribute of the response; test_connection.py asserts the rest"
    ),
}


def testSuite() -> TestSuite:
    """Choose for trial, which asks for this name."""
    return chosen(CASES, EXCLUDED)
