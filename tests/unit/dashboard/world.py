"""A dashboard of a daemon that does nothing, and somebody who looks at it."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import urlencode

from attrs import define, field
from sqlalchemy import Connection
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.web.server import Site

from tests.unit.dashboard.jobs import Jobs
from tests.unit.live.asking import Transport
from tests.unit.streamer.upstream import MemoryCatalog, memory_catalog
from twisted_pulp.catalog import tokens
from twisted_pulp.catalog._commit_tables import metadata
from twisted_pulp.dashboard import Dashboard
from twisted_pulp.http import ConnectionPool
from twisted_pulp.live import Feed, Health, Metrics, Running
from twisted_pulp.settings import Settings
from twisted_pulp.transfer import Health as Hosts
from twisted_pulp.transfer import Traffic

NOW = 1_000_000.0


@define
class Answer:
    """What a browser gets."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def text(self) -> str:
        """What a person reads of it, with single spaces."""
        return re.sub(r"[ \n]+", " ", unescape(re.sub(r"<[^>]*>", " ", self.body)))


@define(eq=False)
class Context:
    """What all downloads share."""

    reactor: Any
    policy: Any = None
    pool: ConnectionPool = field(init=False)
    health: Hosts = field(init=False)
    traffic: Traffic = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.pool, self.health = ConnectionPool(self.reactor), Hosts(self.reactor.seconds)
        self.traffic = Traffic(self.reactor.seconds)

    def now(self) -> float:
        return NOW + self.reactor.seconds()


@define(eq=False)
class Data:
    """A data directory."""

    catalog: MemoryCatalog
    path: str = "/"


class World:
    """
    A dashboard of a daemon that does nothing.

    :param clock: default: one that only the test moves.
    :ivar tokens: that count, by what they allow.
    """

    def __init__(self, settings: Settings | None = None, clock: Any = None, catalog: Any = None) -> None:
        self.clock, feed = clock or Clock(), Feed()
        self.catalog = catalog or memory_catalog()
        self.tokens = {} if catalog else self.catalog.do(_tables)
        self.jobs = Jobs(feed.publish)
        self.context = Context(self.clock)
        health = Health(feed.publish)
        health.ready = True
        self.running = Running(
            reactor=self.clock,
            settings=settings or Settings(),
            data=Data(self.catalog),
            context=self.context,
            jobs=self.jobs,
            feed=feed,
            metrics=Metrics(),
            health=health,
            started=NOW - 100,
            version="1.2.3",
        )
        self.dashboard = Dashboard(self.running)
        self.site = Site(self.dashboard.resource(), reactor=self.clock)
        self.cookie = ""
        self.csrf = ""

    @classmethod
    def beside(cls, world: World) -> World:
        """Return another daemon on the catalog of *world*, and in front of it who is logged in there."""
        made = cls(clock=world.clock, catalog=world.catalog)
        made.cookie, made.csrf = world.cookie, world.csrf
        return made

    def ask(self, method: str, path: str, form: dict[str, str] | None = None, **headers: str) -> Answer:
        """Ask for *path*, and return the answer."""
        body = b"" if form is None else urlencode(form).encode()
        given = {"Host": "daemon.test", **headers}
        if self.cookie:
            given["Cookie"] = self.cookie
        if form is not None:
            given |= {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(body))}
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in given.items())
        channel: Any = self.site.buildProtocol(None)
        transport = Transport(peerAddress=IPv4Address("TCP", "192.0.2.1", 1000))
        channel.callLater = self.clock.callLater
        channel.makeConnection(transport)
        channel.dataReceived(f"{method} {path} HTTP/1.0\r\n{lines}\r\n".encode() + body)
        head, _, content = transport.value().partition(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").split("\r\n")
        pairs = dict(line.split(": ", 1) for line in rest)
        return Answer(int(first.split(" ")[1]), pairs, content.decode())

    def get(self, path: str, **headers: str) -> Answer:
        """Ask for a page."""
        return self.ask("GET", path, None, **headers)

    def post(self, path: str, **form: str) -> Answer:
        """Send a form of this session."""
        return self.ask("POST", path, {"csrf": self.csrf, **form})

    def login(self, scope: str = "admin") -> Answer:
        """Log in with the token that allows *scope*."""
        answer = self.ask("POST", "/login", {"token": self.tokens[scope]})
        self.cookie = answer.headers["Set-Cookie"].partition(";")[0]
        found = re.search(r'name="csrf" value="([^"]+)"', self.get("/jobs").body)
        assert found is not None
        self.csrf = found[1]
        return answer


def _tables(connection: Connection) -> dict[str, str]:
    metadata.create_all(connection)
    return {scope: tokens.create(connection, scope, scope, NOW)[1] for scope in ("admin", "write", "read")}  # type: ignore[arg-type]
