"""The mirrors of a Remote: where else what is below its URL can be fetched from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any
from weakref import ref

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.web.iweb import IAgent

from twisted_pulp.download import Source
from twisted_pulp.errors import HookError, SettingsError, shown
from twisted_pulp.http import Watch, refuse
from twisted_pulp.settings import Remote
from twisted_pulp.transfer._hooks import called

__all__ = ["Mirrors"]

# Seconds that a list is believed, and that one that could not be had is not asked for again.
_FRESH, _FAILED = 3600.0, 60.0
# Mirrors of one Remote.
_MANY = 1000
_SCHEMES = frozenset({"http", "https", "ftp", "ftps"})


class _Known:
    """
    What is known of the mirrors of one Remote.

    :ivar bases: a Source for each, whose URL stands for that of the Remote.
    :ivar until: when that is to be asked for again.
    :ivar public: origin -> the Remote without its secrets, for places that a response has named.
    :ivar asking: who waits for the answer; None when nobody has asked.
    """

    def __init__(self, remote: ref[Remote]) -> None:
        self.remote = remote
        self.bases: Sequence[Source] = ()
        self.until = 0.0
        self.asking: list[Deferred[None]] | None = None
        self.public: dict[str, Remote] = {}


class Mirrors:
    """
    Find the mirrors of Remotes, and keep what was found for an hour.

    :param agent: Remote -> the agent that fetches its metadata.
    :param watch: for time.
    :param clock: seconds that never jump.
    """

    _log = Logger()

    def __init__(self, agent: Callable[[Remote], IAgent], watch: Watch, clock: Callable[[], float]) -> None:
        self._agent, self._watch, self._clock = agent, watch, clock
        self._known: dict[int, _Known] = {}

    async def of(self, source: Source, remote: Remote) -> list[Source]:
        """
        Return where else *source* can be fetched from, with its own priority unless a mirror has another.

        A list that cannot be had is said in the log: the source itself is still there.

        :param remote: that reaches *source*.
        """
        rest = _below(source.url, remote)
        if rest is None:
            return []
        return [
            Source(base.url + rest, base.priority if base.priority > 1 else source.priority, base.remote)
            for base in await self._bases(remote)
        ]

    def elsewhere(self, found: Iterable[Source], remote: Remote) -> list[Source]:
        """Return *found*, to be reached as *remote* is, but with none of its secrets."""
        return [Source(each.url, each.priority, self._public(each.url, remote)) for each in found]

    def _public(self, url: str, remote: Remote) -> Remote:
        base = "/".join(url.split("/", 3)[:3]) + "/"
        known = self._of(remote)
        public = known.public.get(base)
        if public is None:
            if len(known.public) >= _MANY:
                known.public.clear()
            public = known.public[base] = _public(remote, base)
        return public

    def _of(self, remote: Remote) -> _Known:
        key = id(remote)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = _Known(ref(remote, lambda _: self._known.pop(key)))
        return known

    async def _bases(self, remote: Remote) -> Sequence[Source]:
        known = self._of(remote)
        if self._clock() >= known.until:
            if known.asking is None:
                known.asking = []
                # Not in the name of the one who asks first: it may be cancelled.
                Deferred.fromCoroutine(self._learn(remote, known))
            if known.asking is not None:
                waiting: Deferred[None] = Deferred(known.asking.remove)
                known.asking.append(waiting)
                await waiting
        return known.bases

    async def _learn(self, remote: Remote, known: _Known) -> None:
        try:
            known.bases, known.until = _bases(remote, await self._found(remote)), self._clock() + _FRESH
        except Exception as error:  # whatever a list, or what found it, is made of
            self._log.warn("the mirrors of {url}: {error}", url=shown(str(remote.url)), error=error)
            known.bases, known.until = known.bases or _bases(remote, remote.mirrors), self._clock() + _FAILED
        asking, known.asking = known.asking, None
        for waiting in asking or ():
            waiting.callback(None)

    async def _found(self, remote: Remote) -> Iterable[str | Source]:
        listed, url = remote.mirror_list, str(remote.url)
        if listed is None:
            return remote.mirrors
        if isinstance(listed, str):
            return [*remote.mirrors, *await self._fetched(listed, remote)]
        found = await called(self._watch, remote.timeouts.hook, url, "mirror_list", listed, remote)
        try:
            return [*remote.mirrors, *found]
        except TypeError as error:
            raise HookError(url, "the mirror_list hook returned what is no list of mirrors") from error

    async def _fetched(self, url: str, remote: Remote) -> list[str]:
        from treq.content import collect

        response: Any = await self._agent(remote).request(b"GET", url.encode("ascii"))
        if response.code != 200:
            refuse(response)
            raise HookError(url, f"status {response.code} for the list of mirrors")
        pieces: list[bytes] = []
        await collect(response, pieces.append)
        lines = (line.split("#")[0].split() for line in b"".join(pieces).decode("utf-8", "replace").splitlines())
        return [words[0] for words in lines if words]


def _below(url: str, remote: Remote) -> str | None:
    """Return what follows the URL of *remote* in *url*; None when it is elsewhere, or when there are no mirrors."""
    if remote.url is None or not (remote.mirrors or remote.mirror_list is not None):
        return None
    base = _directory(remote.url)
    return url[len(base) :] if url.startswith(base) else None


def _directory(url: str) -> str:
    return url if url.endswith("/") else f"{url}/"


def _bases(remote: Remote, found: Iterable[str | Source]) -> list[Source]:
    """Return a Source for each mirror, once, that has none of the secrets of *remote*; others are left out."""
    made: dict[str, Source] = {_directory(str(remote.url)): Source(str(remote.url))}
    for each in found:
        try:
            given = each if isinstance(each, Source) else Source(each)
            base = _directory(given.url)
            own = given.remote or _public(remote, base)
        except (SettingsError, TypeError, AttributeError):  # a line that is no mirror for us
            continue
        if len(made) <= _MANY and base.partition("://")[0] in _SCHEMES:
            made.setdefault(base, Source(base, given.priority, own))
    return list(made.values())[1:]


def _public(remote: Remote, url: str) -> Remote:
    tls = remote.tls.anonymous()
    if tls.server_name is not None or tls.pins:  # what is true of one server is not of another
        tls = evolve(tls, server_name=None, pins=())
    return evolve(
        remote,
        url=url,
        username=None,
        password=None,
        token=None,
        netrc=False,
        headers={},
        origins=(),
        tls=tls,
        mirrors=(),
        mirror_list=None,
    )
