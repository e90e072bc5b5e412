"""A body of JSON lines: each batch of them is kept before more is read, so that it may be of any length."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from twisted_pulp.api._problems import Refused, refused_by, wrong

__all__ = ["Lines"]

_LONGEST = 64 << 10
#: Lines that become items at once: reading them takes the reactor a few milliseconds.
_BATCH = 250


@define(eq=False)
class Lines:
    """
    A body of JSON lines that becomes a job.

    :param request: the request, which is held while lines are kept.
    :param begin: called for a Deferred of a draft.
    :param made: called with lines and the number of the first, from 0; returns the items that they are.
    :ivar fingerprint: of what was read.
    """

    _log = Logger()

    _request: Any
    _begin: Callable[[], Deferred[Any]]
    _made: Callable[[Sequence[bytes], int], Sequence[Any]]
    _rest: bytes = field(init=False, default=b"")
    _hash: Any = field(init=False, factory=hashlib.sha256)
    _draft: Any = field(init=False, default=None)
    _count: int = field(init=False, default=0)
    _working: Deferred[None] | None = field(init=False, default=None)
    _over: bool = field(init=False, default=False)
    _ended: bool = field(init=False, default=False)
    _failure: BaseException | None = field(init=False, default=None)

    @property
    def fingerprint(self) -> str:
        """A digest of everything that came."""
        return str(self._hash.hexdigest())

    def write(self, data: bytes) -> None:
        """Take in the next piece."""
        if self._over:
            return
        self._hash.update(data)
        self._rest += data
        if self._working is None and (b"\n" in data or len(self._rest) > _LONGEST):
            self._request.hold()
            self._working = Deferred.fromCoroutine(self._work()).addErrback(self._failed)
            self._working.addCallback(lambda _: self._rested())

    def _rested(self) -> None:
        self._working = None
        self._request.release()

    async def _work(self) -> None:
        while b"\n" in self._rest:
            whole, _, self._rest = self._rest.rpartition(b"\n")
            await self._keep(whole.split(b"\n"))
        if len(self._rest) > _LONGEST:
            raise wrong(f"/{self._count}", f"the line has more than {_LONGEST} bytes")

    async def _keep(self, lines: list[bytes]) -> None:
        for at in range(0, len(lines), _BATCH):
            some = lines[at : at + _BATCH]
            made = self._made(some, self._count)
            self._count += len(some)
            if self._over:
                raise CancelledError
            if made:
                if self._draft is None:
                    self._draft = await self._begin()
                await self._draft.add(made)

    async def finish(self, key: str | None) -> Any:
        """
        Keep what is left, and let it be a job.

        :returns: what `Draft.commit` gives.
        :raises PulpError: when it cannot be one.
        """
        self._ended = True
        if self._working is not None:
            rested: Deferred[None] = Deferred()
            self._working.addCallback(lambda _: rested.callback(None))
            await rested
        if self._failure is not None:
            raise self._failure
        try:
            last, self._rest = self._rest, b""
            await self._keep([last])
            if self._draft is None:
                raise wrong("", "there is no item")
            submitted = await self._draft.commit(key=key, fingerprint=self.fingerprint)
        except BaseException:
            await self._abandoned()
            raise
        self._draft = None
        return submitted

    def _failed(self, failure: Any) -> None:
        self._rest = b""
        if self._over:  # the client left
            self.lost()
            return
        self._over = True
        self._failure = failure.value
        if not self._ended:  # nobody else answers yet
            refused = refused_by(failure.value)
            if refused is None:
                self._log.failure("lines could not be kept", failure=failure)
            self._request.refuse(refused or Refused(status=500, detail="The server has failed; its log says why."))
        self.lost()

    def lost(self) -> None:
        """Forget it: the rest will not come."""
        self._over = True
        d = Deferred.fromCoroutine(self._abandoned())
        d.addErrback(lambda failure: self._log.failure("a draft was not removed", failure=failure))

    async def _abandoned(self) -> None:
        self._over = True
        draft, self._draft = self._draft, None
        if draft is not None:
            await draft.abandon()
