"""Several daemons that are one: each a process with a directory of its own, over one database, storage and broker."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from attrs import define, field
from cryptography.fernet import Fernet
from pytest_twisted import async_yield_fixture
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from tests.integration.cold_site import Got
from tests.integration.daemon import ANYWHERE, Daemon
from tests.integration.process import Start
from tests.servers.client import Socket
from tests.servers.postgres import Postgres
from tests.servers.reactor import IReactor

__all__ = ["Cluster", "Member", "StartCluster", "start_cluster"]

_TICK = 0.05
_ALL = ("api", "worker", "content")


@define(eq=False)
class Member:
    """
    One daemon of a cluster.

    :ivar name: of its directory and settings file.
    :ivar roles: what it does.
    :ivar limits: fields of ``[limits]`` in its settings; changed ones count from its next start.
    :ivar more: other fields of its settings.
    :ivar daemon: it; its process has what it wrote.
    :ivar port: where it listens, once it was started; the same each time.
    """

    _cluster: Cluster
    name: str
    roles: tuple[str, ...]
    limits: dict[str, Any]
    more: dict[str, Any]
    daemon: Daemon
    port: int = field(init=False, default=0)

    @property
    def data(self) -> Path:
        """Its own data directory."""
        return self.daemon.data

    @property
    def out(self) -> str:
        """What it has logged since it was started last."""
        return self.daemon.process.out

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self.daemon.process.popen.pid

    @property
    def alive(self) -> bool:
        """Whether its process runs, or is paused."""
        return self.daemon.process.popen.poll() is None

    async def start(self) -> None:
        """Start it, again on the same port if it ran before, and return when it is ready."""
        self.begin()
        await self.listening()

    def begin(self, *arguments: object) -> None:
        """Start it."""
        path = self.daemon.data.with_suffix(".toml")
        path.write_text(self._cluster.settings(self))
        endpoint = f"tcp:{self.port}:interface=127.0.0.1" if self.port else ANYWHERE
        self.daemon.begin("--config", path, "-q", *arguments, listen=(endpoint,))

    async def listening(self) -> None:
        """Wait until it is ready."""
        self.port = await self.daemon.listening()
        self._cluster.token = self.daemon.token or self._cluster.token
        self.daemon.token = self._cluster.token

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end, and return its exit status."""
        return await self.daemon.end(number)

    async def kill(self) -> None:
        """End it as a crash does."""
        if self.alive:
            await self.daemon.end(signal.SIGKILL)

    def pause(self) -> None:
        """Let its process stand still: it does nothing and knows nothing of it."""
        self.daemon.process.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let its process go on."""
        self.daemon.process.send(signal.SIGCONT)

    # What it says

    async def document(self, path: str) -> Any:
        """Return what its API answers at *path*."""
        self.daemon.token = self._cluster.token
        return await self.daemon.document(self.port, path)

    async def get(self, path: str, *headers: str) -> Got:
        """Return what a client gets."""
        return await self.daemon.get(self.port, path, *headers)

    async def send(self, method: str, path: str, document: Any = None) -> Got:
        """Send a document, and return what is answered."""
        body = b"" if document is None else json.dumps(document).encode()
        client = await Socket.to(self._cluster.reactor, self.port)
        lines = [f"{method} {path} HTTP/1.1", "Host: h", "Connection: close", "Content-Type: application/json"]
        lines += [f"Content-Length: {len(body)}", f"Authorization: Bearer {self._cluster.token}", "", ""]
        client.send("\r\n".join(lines).encode() + body)
        return Got.of(await client.heard_all())

    async def made(self, path: str, document: Any = None) -> Any:
        """Post a document, and return what was made of it."""
        got = await self.send("POST", path, document)
        assert got.status in (200, 201, 202), (got.status, got.body, self.out)
        return json.loads(got.body)

    async def job(self, uid: str) -> Any:
        """Return a job."""
        return await self.document(f"/api/v1/jobs/{uid}")


@define(eq=False)
class Cluster:
    """
    Daemons over one database.

    :ivar reactor: of the test.
    :ivar directory: where their directories, settings and the shared storage are.
    :ivar database: its URL.
    :ivar storage: path or URL of the shared storage; default: a directory.
    :ivar broker: URL; default None: each has its own, and they look in the database.
    :ivar limits: fields of ``[limits]`` that all have.
    :ivar more: other fields of their settings.
    :ivar members: those that were added.
    :ivar token: of the API, once the first with that role is ready.
    """

    reactor: IReactor
    _start: Start
    directory: Path
    database: str
    storage: str
    broker: str | None = None
    limits: dict[str, Any] = field(factory=dict)
    more: dict[str, Any] = field(factory=dict)
    members: list[Member] = field(init=False, factory=list)
    token: str | None = field(init=False, default=None)
    key: Path = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.key = self.directory / "cluster.key"
        self.key.write_bytes(Fernet.generate_key())
        self.key.chmod(0o600)

    def add(self, *roles: str, limits: dict[str, Any] | None = None, **more: Any) -> Member:
        """Return another member, that does not run yet; by default with all roles."""
        name = f"node{len(self.members)}"
        daemon = Daemon(self._start, self.reactor, self.directory / name)
        self.members.append(Member(self, name, roles or _ALL, limits or {}, more, daemon))
        return self.members[-1]

    async def start(self, *members: Member) -> None:
        """Start members that were added, by default all: the first alone, since it makes tables and the token."""
        first, *others = members or self.members
        await first.start()
        for each in others:
            each.begin()
        await gatherResults([Deferred.fromCoroutine(each.listening()) for each in others], consumeErrors=True)

    async def grow(self, count: int, *roles: str, **given: Any) -> list[Member]:
        """Add members, start them, and return them."""
        added = [self.add(*roles, **given) for _ in range(count)]
        await self.start(*added)
        return added

    def settings(self, member: Member) -> str:
        """Return the settings of a member as a file says them."""
        fields = {
            "database": self.database,
            "storage": self.storage,
            "broker": self.broker,
            "key": str(self.key),
            "roles": list(member.roles),
            "ssrf": {"allow": ["127.0.0.0/8"]},
            "limits": {"reserve": 0, "grace": 5, **self.limits, **member.limits},
            **self.more,
            **member.more,
        }
        return "".join(f"{name} = {_toml(value)}\n" for name, value in fields.items() if value is not None)

    async def until(self, condition: Callable[[], Any], seconds: float = 60) -> Any:
        """Wait until what *condition* gives, a value or what can be awaited, is true, and return it."""
        deadline = self.reactor.seconds() + seconds
        while True:
            found = condition()
            if hasattr(found, "__await__"):
                found = await found
            if found:
                return found
            assert self.reactor.seconds() < deadline, "\n".join(each.out for each in self.members)
            await deferLater(self.reactor, _TICK)

    async def ended(self, uid: str, at: Member, seconds: float = 60) -> Any:
        """Wait until a job is over, as the member *at* says, and return it."""

        async def over() -> Any:
            job = await at.job(uid)
            return job if job["state"] in ("completed", "failed", "cancelled") else None

        return await self.until(lambda: Deferred.fromCoroutine(over()), seconds)

    def kill(self) -> None:
        """End all processes that still run, by their numbers; those that stand still too."""
        for each in self.members:
            if hasattr(each.daemon, "process") and each.alive:
                os.kill(each.pid, signal.SIGKILL)


def _toml(value: Any) -> str:
    """Return *value* as TOML has it on one line, where all but tables is JSON's too."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(name)} = {_toml(each)}" for name, each in value.items()) + " }"
    return json.dumps(value)


StartCluster = Callable[..., Cluster]


@async_yield_fixture
async def start_cluster(
    reactor: IReactor, start_command: Start, postgres: Postgres, tmp_path: Path
) -> AsyncIterator[StartCluster]:
    """
    Make any number of clusters: ``cluster = start_cluster(storage=..., broker=..., limits={...})``.

    Each has an empty database of PostgreSQL, and a directory as its storage unless another is given. Nothing runs
    before `Cluster.start`; what runs at the end is killed.
    """
    made: list[Cluster] = []
    names: list[str] = []

    def start(*, storage: str | None = None, broker: str | None = None, **fields: Any) -> Cluster:
        directory = tmp_path / f"cluster{len(made)}"
        directory.mkdir()
        names.append(postgres.create())
        shared = str(directory / "storage") if storage is None else storage
        url = postgres.url(names[-1])
        made.append(Cluster(reactor, start_command, directory, url, shared, broker, **fields))
        return made[-1]

    yield start
    for cluster in made:
        cluster.kill()
    for cluster in made:
        for each in cluster.members:
            if hasattr(each.daemon, "process"):
                each.daemon.process.close()
    for name in names:
        postgres.drop(name)
