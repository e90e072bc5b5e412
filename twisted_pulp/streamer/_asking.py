"""One request to an upstream for a file that may have changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import evolve, frozen
from twisted.internet.defer import Deferred
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from twisted_pulp.download import Download, Source
from twisted_pulp.errors import HookError, TooLarge
from twisted_pulp.headers import Fields
from twisted_pulp.http import discard, fields_of
from twisted_pulp.interfaces import Head
from twisted_pulp.settings import Remote
from twisted_pulp.streamer._cache import AT, Consultation, Pairs, known_fields
from twisted_pulp.streamer._caching import Caching
from twisted_pulp.streamer._coming import Coming, Comings
from twisted_pulp.streamer._lifetime import Times
from twisted_pulp.streamer._negotiated import accept_of
from twisted_pulp.transfer import Hooks

__all__ = ["Asking", "Received", "Unkept"]

# Seconds of Retry-After that clients are kept waiting for, and tries after the first one while they wait.
_PATIENCE, _RETRIES = 5.0, 1
_MANY = 256
_NOT_MODIFIED = 304


@frozen
class Received:
    """
    What the upstream has said.

    :ivar fields: the headers to be kept.
    :ivar times: of the request and of its answer.
    :ivar sha256: of the body that is in the storage now; None: what was stored is still right.
    :ivar size: of that body.
    """

    fields: Pairs
    times: Times
    sha256: str | None = None
    size: int = 0


class Unkept(HookError):
    """The response must not be kept, or is too large to be."""


class _Unmodified(HookError):
    """What is stored is still right."""

    fields: Fields


class Asking:
    """
    Ask upstreams, through the same downloads as everything else.

    :param context: what all downloads share.
    :param comings: the large bodies that come.
    """

    def __init__(self, context: Any, comings: Comings) -> None:
        self._context, self._comings = context, comings
        self._impatient: dict[tuple[int, int, int], tuple[Remote, Remote]] = {}

    async def ask(
        self,
        remote: Remote,
        url: str,
        kind: str,
        consultation: Consultation,
        caching: Caching,
        *,
        stale: bool,
        begun: Callable[[Coming], object] = lambda _: None,
    ) -> Received:
        """
        Return what the upstream says.

        :param kind: that was negotiated.
        :param stale: whether clients can be helped otherwise, so that nothing is tried twice.
        :param begun: called when a large body begins to come.
        :raises Unkept: the response must not be kept; of its body nothing was.
        :raises PulpError: there is none.
        """
        try:
            return await self._asked(remote, url, kind, consultation, consultation.conditions, caching, stale, begun)
        except _Unmodified as told:
            fields = consultation.confirmed(known_fields(told.fields.pairs()))
            if fields is not None:
                return Received(fields, told.times)  # type: ignore[attr-defined]
        # It was said of something that is not here.
        return await self._asked(remote, url, kind, consultation, {}, caching, stale, begun)

    async def _asked(
        self,
        remote: Remote,
        url: str,
        kind: str,
        consultation: Consultation,
        conditions: dict[str, str],
        caching: Caching,
        stale: bool,
        begun: Callable[[Coming], object],
    ) -> Received:
        agent = _Conditional(self._context.agent(remote), self._context.now, bool(conditions))
        storable: list[Pairs] = []

        def look(_: Download, head: Head) -> None:
            pairs = head.headers.pairs()
            told = consultation.storable(known_fields(pairs))
            # Where the end of the connection may be the end of the body, nobody knows whether all of it came.
            if told is None or (remote.allow_unproven and head.length is None):
                raise Unkept(url)
            at = head.url.partition("#")[0].partition("?")[0]
            storable[:] = [told if head.url == url else ((AT, at), *told)]

        source, body = Source(url), self._comings.body(remote, caching, begun)
        headers = {**({"Accept": accept_of(kind)} if kind else {}), **conditions}
        limited = self._limited(remote, caching.largest, 0 if stale else _RETRIES)
        downloader = self._context.downloader(limited, hooks=Hooks(headers=look, attempt_failed=body.attempt_failed))
        downloader.agent = agent
        try:
            report = await downloader.download(Download(source, writer=body, headers=headers))
            body.arrived(report)
        except _Unmodified as told:
            told.times = agent.times  # type: ignore[attr-defined]
            self._context.health.succeeded(source)
            raise
        except TooLarge as error:
            body.failed(error)
            if limited.limits.max_size != remote.limits.max_size:
                raise Unkept(url) from error
            raise
        except BaseException as error:
            body.failed(error)
            raise
        finally:
            body.over()
            await downloader.close()
        return Received(storable[0], agent.times, report.digests["sha256"], report.size or 0)

    def _limited(self, remote: Remote, largest: int, retries: int) -> Remote:
        """Return *remote* as one that does not let clients wait, with the limits of what is kept."""
        key = id(remote), largest, retries
        known = self._impatient.get(key)
        if known is None:
            if len(self._impatient) >= _MANY:
                self._impatient.clear()
            most = remote.limits.max_size
            limits = evolve(remote.limits, max_size=largest if most is None else min(most, largest))
            wait, tries = min(remote.retry.retry_after, _PATIENCE), min(remote.retry.retries, retries)
            retry = evolve(remote.retry, retry_after=wait, retries=tries)
            known = self._impatient[key] = remote, evolve(remote, limits=limits, retry=retry)
        return known[1]


@implementer(IAgent)
class _Conditional:
    """An agent for which it is news, and no mistake, that nothing has changed."""

    def __init__(self, agent: IAgent, now: Any, conditional: bool) -> None:
        self._agent, self._now, self._conditional = agent, now, conditional
        self.times = Times(0.0, 0.0)

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Make a request."""
        return self._agent.request(method, uri, headers, bodyProducer).addCallback(self._looked_at, self._now())

    def _looked_at(self, response: Any, requested: float) -> Any:
        self.times = Times(requested, self._now())
        if response.code != _NOT_MODIFIED or not self._conditional:
            return response
        news = _Unmodified(detail="it has not changed")
        news.fields = fields_of(response)

        def tell(_: None) -> None:
            raise news

        return discard(response).addCallback(tell)
