"""Which sources a download is tried from, and in what order."""

from __future__ import annotations

from collections.abc import Sequence

from twisted_pulp.download import Download, Source
from twisted_pulp.errors import HookError
from twisted_pulp.settings import Remote
from twisted_pulp.transfer._hooks import Hooks, called
from twisted_pulp.transfer._surroundings import Surroundings

__all__ = ["chosen"]


async def chosen(shared: Surroundings, remote: Remote, download: Download, hooks: Hooks) -> Sequence[Source]:
    """
    Return the sources of *download* with their mirrors, in the order in which they are to be asked.

    The `sources` hook decides, where there is one; else what is known of their health.

    :raises HookError: when the hook fails, or leaves none.
    """
    found: dict[str, Source] = {}
    for source in download.sources:
        found.setdefault(source.url, source)
        for mirror in await shared.mirrors.of(source, source.remote or remote):
            found.setdefault(mirror.url, mirror)
    ordered = shared.health.ordered(found.values())
    if hooks.sources is None:
        return ordered
    decided = await called(
        shared.watch, remote.timeouts.hook, download.url, "sources", hooks.sources, download, tuple(ordered)
    )
    try:
        decided = list(decided)
    except TypeError as error:
        raise HookError(download.url, "the sources hook returned what is no list of sources") from error
    if not decided or not all(isinstance(each, Source) for each in decided):
        raise HookError(download.url, "the sources hook left no source")
    return decided
