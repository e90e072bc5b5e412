"""The conversation about one file, up to where its bytes come."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred

from twisted_pulp.errors import ConnectTimeout, SettingsError
from twisted_pulp.schemes._ftp_data import Data, DataFactory
from twisted_pulp.schemes._ftp_replies import Reply
from twisted_pulp.schemes._ftp_request import FTPRequest, Plan
from twisted_pulp.schemes._ftp_response import FTPResponse
from twisted_pulp.schemes._ftp_talk import facts_of, log_in, passive_port
from twisted_pulp.schemes._ftp_words import Refusal

__all__ = ["Asking"]


class Asking:
    """
    Ask for one file.

    :param session: that asks.
    :param endpoint: has `login`, `creator`, `dialer`, `watch`, `second` and `now`.
    :ivar plan: what the answer is, once there is one.
    :ivar last: the reply that says that all was sent, if it came first.
    :ivar rested: whether the server was told where to begin, which nothing but a transfer undoes.
    """

    plan: Plan
    last: Reply | None = None
    rested = False

    def __init__(self, session: Any, endpoint: Any, request: FTPRequest) -> None:
        self._session, self._endpoint, self._request = session, endpoint, request

    async def answer(self) -> FTPResponse:
        """
        Return the answer.

        :raises Refusal: when the server does not send the file.
        """
        session, request = self._session, self._request
        if not session.ready:
            await log_in(session, self._endpoint.login, self._secure if self._endpoint.creator is not None else None)
            session.ready = True
        if not request.path:  # to log in tells that the server can be reached
            self.plan = Plan(404, "a directory, not a file", [(b"Content-Length", b"0")])
            return FTPResponse(request, self.plan)
        size, modified, missing = await facts_of(session, session.server, request.path)
        now = self._endpoint.now()
        self.plan = Plan.of(request, size, modified, now, not session.server.rest)
        if not self.plan.body:
            if missing is not None:
                raise missing
            return FTPResponse(request, self.plan)
        data = await self._open()
        if self.plan.start and not await self._placed(self.plan.start):
            self.plan = Plan.of(request, size, modified, now, whole=True)
        await self._retrieve(data)
        return FTPResponse(request, self.plan, session, data)

    async def _placed(self, start: int) -> bool:
        reply = await self._session.command("REST", b"%d" % start)
        if reply.code == 421:
            raise Refusal("REST", reply)
        self.rested = self._session.server.rest = reply.code == 350
        return self.rested

    async def _retrieve(self, data: Data) -> None:
        reply = await self._session.command("RETR", self._request.path)
        if reply.kind == 2:
            self.last = reply
        elif reply.kind != 1:
            raise Refusal("RETR", reply)
        if data.secured is None:
            return
        try:
            await self._proven(data)
        except Exception:
            if self._session.refused:  # which tells why
                raise Refusal("RETR", await self._session.reply()) from None
            raise

    async def _secure(self) -> None:
        from twisted_pulp.schemes._ftp_tls import begin

        begin(self._session, self._endpoint.creator)
        await self._proven(self._session)

    async def _proven(self, protocol: Any) -> None:
        from twisted_pulp.schemes._ftp_tls import proven

        timeouts = self._session.timeouts
        await proven(protocol, self._endpoint.creator, self._endpoint.watch, None if timeouts is None else timeouts.tls)

    async def _open(self) -> Data:
        """Connect to where the data is; the connection is counted before the server is asked for it."""
        session = self._session
        peer = session.transport.getPeer()
        if not isinstance(peer, (IPv4Address, IPv6Address)):
            raise SettingsError("network", type(peer).__name__, "one that lets data connections go to FTP servers")
        over = await session.elsewhere(self._endpoint.second())
        factory = DataFactory(session, over)
        try:
            port = await passive_port(session, session.server, isinstance(peer, IPv4Address))
            if self._endpoint.creator is not None:
                from twisted_pulp.schemes._ftp_tls import Resuming, session_of

                factory.creator = Resuming(self._endpoint.creator, session_of(session.transport))
            return await self._dialled(peer.host, port, factory)
        except BaseException:
            if factory.built is None:
                over()
            raise

    async def _dialled(self, host: str, port: int, factory: DataFactory) -> Data:
        timeouts = self._session.timeouts
        made = Deferred.fromCoroutine(self._endpoint.dialer.dial(host, port, factory))
        limited = self._endpoint.watch.limit(
            made, None if timeouts is None else timeouts.connect, lambda seconds: ConnectTimeout(seconds=seconds)
        )
        data: Data = await self._session.elsewhere(limited)
        self._session.receives_over(data)
        return data
