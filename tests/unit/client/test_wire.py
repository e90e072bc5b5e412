"""Requests of the client: what is tried again, and what is made of answers."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from attrs import define
from twisted.internet import error
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.fakes import Agent, Response, result_of
from twisted_pulp.client import Client, JobEnded, ServerError, ServerUnreachable
from twisted_pulp.context import Context
from twisted_pulp.documents import Job, NewVerification
from twisted_pulp.errors import SettingsError
from twisted_pulp.settings import Remote

JSON = [(b"Content-Type", b"application/json")]
JOB: dict[str, Any] = dict.fromkeys(Job.__annotations__) | {
    "id": "u",
    "kind": "verify",
    "state": "waiting",
    "priority": 0,
    "created": 1.0,
    "attempts": 0,
    "done": 0,
    "failed": 0,
    "bytes": 0,
    "parked": False,
}


@define
class Surroundings:
    """As much of a context as a client uses."""

    agent: Agent
    reactor: Clock
    remotes: list[Remote]

    def metadata_agent(self, remote: Remote) -> Agent:
        """Return the agent."""
        self.remotes.append(remote)
        return self.agent


def client_of(*answers: Any, token: str | None = None) -> tuple[Client, Surroundings]:
    """Return a client that gets these answers."""
    around = Surroundings(Agent(*answers), Clock(), [])
    client = Client(cast(Context, around), "http://h:1", token=token)
    client._wire._uniform = lambda low, high: low
    return client, around


def said(document: Any, code: int = 200) -> Response:
    """Return an answer with *document*."""
    return Response(code, [json.dumps(document).encode()], JSON)


def refused(code: int, *headers: tuple[bytes, bytes], **problem: Any) -> Response:
    """Return an answer with a problem."""
    document = {"type": "about:blank", "title": "No", "status": code, "detail": "no!", "instance": "/"} | problem
    return Response(code, [json.dumps(document).encode()], [(b"Content-Type", b"application/problem+json"), *headers])


def started(coroutine: Any) -> Deferred[Any]:
    """Run *coroutine* until it waits."""
    return Deferred.fromCoroutine(coroutine)


def test_token() -> None:
    """The token belongs to the API's own origin."""
    _, around = client_of(token="t")
    (remote,) = around.remotes
    assert ("http://h:1/api/v1/", "t") == (remote.url, remote.token)


@pytest.mark.parametrize("url", ["h:1", "ftp://h", ""])
def test_wrong_url(url: str) -> None:
    """What is no URL of a server is refused."""
    with pytest.raises(SettingsError):
        Client(cast(Context, Surroundings(Agent(), Clock(), [])), url)


def test_tried_again() -> None:
    """A question that nobody answered is asked four times, with pauses."""
    client, around = client_of(*[error.ConnectionRefusedError()] * 4)
    d = started(client.status())
    for pause, count in ((0.25, 2), (1.0, 3), (3.0, 4)):
        around.reactor.advance(pause - 0.01)
        assert count - 1 == len(around.agent.asked)
        around.reactor.advance(0.01)
        assert count == len(around.agent.asked)
    with pytest.raises(ServerUnreachable, match="http://h:1/api/v1"):
        result_of(d)


def test_work_tried_again() -> None:
    """Work that is handed in is tried again with the key that it had."""
    client, around = client_of(error.ConnectionRefusedError(), said(JOB, 202))
    d = started(client.jobs.verify())
    around.reactor.advance(0.25)
    assert "u" == result_of(d).id
    first, second = (headers["idempotency-key"] for _, headers in around.agent.asked)
    assert first == second != ""


def test_change_tried_once() -> None:
    """A change without a key is tried once: nobody knows whether it was done."""
    client, around = client_of(error.ConnectionRefusedError())
    with pytest.raises(ServerUnreachable):
        result_of(started(client.jobs.cancel("u")))
    assert 1 == len(around.agent.asked)


def test_later() -> None:
    """A server that wants to be asked later is: as late as it says."""
    client, around = client_of(refused(503, (b"Retry-After", b"7")), said(JOB))
    d = started(client.jobs.get("u"))
    around.reactor.advance(6.9)
    assert 1 == len(around.agent.asked)
    around.reactor.advance(0.1)
    assert "u" == result_of(d).id


def test_later_by_date() -> None:
    """The moment may be a date, by the server's own clock."""
    headers = [
        (b"Retry-After", b"Sun, 06 Nov 1994 08:49:42 GMT"),
        (b"Date", b"Sun, 06 Nov 1994 08:49:37 GMT"),
    ]
    client, around = client_of(refused(429, *headers), said(JOB))
    d = started(client.jobs.get("u"))
    around.reactor.advance(4.9)
    assert 1 == len(around.agent.asked)
    around.reactor.advance(0.1)
    assert "u" == result_of(d).id


def test_much_later() -> None:
    """Who is asked to wait for long rather says so."""
    client, around = client_of(refused(503, (b"Retry-After", b"31")))
    with pytest.raises(ServerError, match="no!") as caught:
        result_of(started(client.jobs.get("u")))
    assert (503, 1) == (caught.value.status, len(around.agent.asked))


def test_faults() -> None:
    """What is wrong with a document is said with its place, and nothing twice."""
    faults = [{"pointer": "/a", "detail": "is bad"}, {"pointer": "", "detail": "no!"}]
    client, _ = client_of(refused(422, errors=faults))
    with pytest.raises(ServerError) as caught:
        result_of(started(client.jobs.cancel("u")))
    assert "no! (/a: is bad)" == str(caught.value)


def test_no_problem() -> None:
    """A refusal without words is a refusal, too."""
    client, _ = client_of(Response(502, [b"<html>"], [(b"Content-Type", b"text/html")]))
    with pytest.raises(ServerError, match="502") as caught:
        result_of(started(client.jobs.cancel("u")))
    assert 502 == caught.value.status


@pytest.mark.parametrize(
    "answer",
    [
        lambda: Response(200, [b"<html>"], [(b"Content-Type", b"text/html")]),
        lambda: Response(200, [b"{"], JSON),
        lambda: said({"id": 1}),
    ],
)
def test_none_of_ours(answer: Any) -> None:
    """What answers otherwise is no server of ours."""
    client, _ = client_of(answer())
    with pytest.raises(ServerUnreachable):
        result_of(started(client.jobs.get("u")))


def test_pages() -> None:
    """The next page is where the one before says."""
    following = "/api/v1/jobs?after=1"
    client, around = client_of(said({"items": [JOB], "next": following}), said({"items": [JOB], "next": None}))

    async def all_of() -> list[str]:
        return [each.id async for each in client.jobs.list(state="waiting")]

    assert ["u", "u"] == result_of(started(all_of()))
    assert ["http://h:1/api/v1/jobs?limit=1000&state=waiting", f"http://h:1{following}"] == around.agent.urls


def test_ended() -> None:
    """The wait for a job, where nothing can be heard, looks more and more seldom, and tells what it sees."""
    answers = [said(JOB), refused(503), said(JOB | {"state": "running"}), said(JOB | {"state": "completed"})]
    client, around = client_of(*answers)
    seen: list[str] = []
    d = started(client.jobs.ended("u", lambda job: seen.append(job.state)))
    around.reactor.advance(0.1)
    around.reactor.advance(0.12)
    assert 2 == len(seen)
    around.reactor.advance(0.02)
    assert "completed" == result_of(d).state
    assert ["waiting", "running", "completed"] == seen


def test_not_completed() -> None:
    """A job that is not completed is an error that has it."""
    client, _ = client_of(said(JOB | {"state": "failed", "error": "broken"}))
    with pytest.raises(JobEnded, match="broken") as caught:
        result_of(started(client.jobs.ended("u")))
    assert "failed" == caught.value.job.state


def test_name_quoted() -> None:
    """A name that is no part of a path cannot lead elsewhere."""
    client, around = client_of(said(JOB))
    result_of(started(client.jobs.get("../a?b")))
    assert ["http://h:1/api/v1/jobs/..%2Fa%3Fb"] == around.agent.urls


def test_document() -> None:
    """Only what is known of a document is sent."""
    client, around = client_of(said(JOB, 202))
    result_of(started(client.jobs.verify(NewVerification(repair=True), key="k")))
    assert "k" == around.agent.asked[0][1]["idempotency-key"]
    assert "application/json" == around.agent.asked[0][1]["content-type"]
