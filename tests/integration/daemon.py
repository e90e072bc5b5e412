"""The daemon as a whole process, and those who ask it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.internet.task import deferLater

from tests.integration.cold_site import Got
from tests.integration.process import TWISTD, Process, Start
from tests.servers.client import Socket
from tests.servers.reactor import IReactor

__all__ = ["ANYWHERE", "Daemon"]

ANYWHERE = "tcp:0:interface=127.0.0.1"


@define(eq=False)
class Daemon:
    """
    A daemon with a data directory of its own.

    :ivar data: that directory.
    :ivar process: it, once it was started.
    :ivar token: of the API.
    """

    _start: Start
    _reactor: IReactor
    data: Path
    process: Process = field(init=False)
    token: str | None = field(init=False, default=None)

    async def start(self, *arguments: object, listen: tuple[str, ...] = (ANYWHERE,), **given: Any) -> int:
        """Start `pulpdownloader serve` and return the port that it listens at first, once it does."""
        self.begin(*arguments, listen=listen, **given)
        return await self.listening()

    def begin(self, *arguments: object, listen: tuple[str, ...] = (ANYWHERE,), **given: Any) -> Process:
        """Start `pulpdownloader serve`."""
        at = [word for each in listen for word in ("--listen", each)]
        self.process = self._start("--data", self.data, "serve", *at, *arguments, **given)
        return self.process

    async def twistd(self, *arguments: object, listen: tuple[str, ...] = (ANYWHERE,), **given: Any) -> int:
        """Start `twistd -n pulpdownloader` and return the port that it listens at first, once it does."""
        at = [word for each in listen for word in ("--listen", each)]
        options = "-n", "--pidfile=", "pulpdownloader", "--data", self.data
        self.process = self._start(*options, *at, *arguments, program=TWISTD, **given)
        return await self.listening()

    async def listening(self) -> int:
        """Return the port that it listens at first, once it can be used."""
        await self.process.until(lambda: "ready" in self.process.out, 60)
        found = re.search(r"API token: ([\w-]+)", self.process.out)
        self.token = found[1] if found else self.token
        port = re.search(r"serving at https?://127\.0\.0\.1:(\d+)/", self.process.out)
        return int(port[1]) if port else 0

    async def end(self, number: int) -> int:
        """Send it a signal, and return its exit status."""
        self.process.send(number)
        return await self.process.ended(60)

    async def get(self, port: int, path: str, *headers: str) -> Got:
        """Return what a client gets."""
        client = await Socket.to(self._reactor, port)
        client.get(path, "Connection: close", *headers)
        return Got.of(await client.heard_all())

    async def client(self, port: int) -> Socket:
        """Return a connection."""
        return await Socket.to(self._reactor, port)

    async def post(self, port: int, path: str, document: Any) -> Got:
        """Send a document with its token, and return what is answered."""
        body = json.dumps(document).encode()
        client = await Socket.to(self._reactor, port)
        lines = [f"POST {path} HTTP/1.1", "Host: h", "Connection: close", "Content-Type: application/json"]
        lines += [f"Content-Length: {len(body)}", f"Authorization: Bearer {self.token}", "", ""]
        client.send("\r\n".join(lines).encode() + body)
        return Got.of(await client.heard_all())

    async def answered(self, port: int, path: str = "/api/v1/ready") -> float:
        """Ask what can be answered at once, and return in how many seconds it was."""
        began = self._reactor.seconds()
        got = await self.get(port, path)
        assert 200 == got.status, got
        return self._reactor.seconds() - began

    async def until(self, port: int, path: str, state: str, seconds: float = 20) -> None:
        """Wait until the job at *path* is in a state; in any in which it has ended, if that is "" here."""
        deadline = self._reactor.seconds() + seconds
        ends = {state} if state else {"completed", "failed", "cancelled"}
        while (job := await self.document(port, path))["state"] not in ends:
            assert self._reactor.seconds() < deadline, (job, self.process.out)
            await deferLater(self._reactor, 0.05)

    async def document(self, port: int, path: str) -> Any:
        """Return what the API answers to its token."""
        headers = () if self.token is None else (f"Authorization: Bearer {self.token}",)
        return json.loads((await self.get(port, path, *headers)).body)
