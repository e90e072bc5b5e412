"""When a file is fetched in several requests instead of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted_pulp.download import Download, Pieces, Source
from twisted_pulp.errors import SizeMismatch
from twisted_pulp.settings import Remote
from twisted_pulp.transfer._attempt import AttemptRun
from twisted_pulp.transfer._crew import Crew
from twisted_pulp.transfer._hooks import Hooks
from twisted_pulp.transfer._range import takes_ranges
from twisted_pulp.transfer._repairs import Repairs
from twisted_pulp.transfer._segments import Segments
from twisted_pulp.transfer._surroundings import Surroundings

__all__ = ["several"]


def several(
    shared: Surroundings, remote: Remote, download: Download, hooks: Hooks, target: Any, sources: Sequence[Source]
) -> Any:
    """Return what `AttemptRun.several` may be."""

    def begin(run: AttemptRun, response: Any, whole: bool) -> Any:
        length, pieces = run.head.length, download.pieces
        if length is None:
            return None
        if pieces is not None and not pieces.cover(length):
            raise SizeMismatch(run.url, pieces.length * len(pieces.digests), length)
        limits = run.remote.limits
        able = takes_ranges(response.code, run.fields) and run.url.startswith("http")
        strong = run.version is not None and run.version.validator is not None
        large = length >= 2 * limits.segment_size
        most = limits.segments if able and strong and large and not whole else 1
        if most == 1 and pieces is None and target.spans is None:
            return None
        crew = Crew(shared, remote, download, run.source, sources)
        repairs = None if pieces is None else _repairs(target, pieces, length, run.head.offset)
        return Segments(crew, hooks, run, target, most, repairs).run(response)

    return begin


def _repairs(target: Any, pieces: Pieces, length: int, offset: int) -> Repairs:
    """Return what is known of the repairs of earlier attempts, for one that begins at *offset*."""
    repairs: Repairs | None = target.repairs
    if repairs is None or repairs.length != length:
        repairs = target.repairs = Repairs(pieces, length)
    repairs.begin(offset)
    return repairs
