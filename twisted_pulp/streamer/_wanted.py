"""A file that is not here yet, and is to be served."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType
from typing import Literal

from attrs import field, frozen

from twisted_pulp.download import DownloadReport, Source
from twisted_pulp.errors import PulpError, SettingsError
from twisted_pulp.settings import Remote

__all__ = ["Wanted"]

_NOTHING: Mapping[str, str] = MappingProxyType({})


@frozen(kw_only=True)
class Wanted:
    """
    A file that is not here yet, and is to be served.

    :ivar sources: where it can come from.
    :ivar remote: reaches those that have no Remote of their own.
    :ivar scope: tells files of the same URL apart where no sha256 does: the Remote's number in the catalog.
    :ivar size: expected bytes, or None.
    :ivar digests: expected: algorithm -> hex in lower case.
    :ivar policy: "on_demand", the default: it is kept; "streamed": it never is, not even for a while.
    :ivar early_ranges: whether a part (206) goes out whole before all of the file is verified; default false.
    :ivar keep: called with the report and the sha256 once the file is in the storage; a Deferred that it returns is
        waited for, while clients are not. Default None.
    :ivar failed: called with a source that failed, and its error; default None.
    """

    sources: tuple[Source, ...] = field()
    remote: Remote
    scope: Hashable = None
    size: int | None = None
    digests: Mapping[str, str] = _NOTHING
    policy: Literal["on_demand", "streamed"] = "on_demand"
    early_ranges: bool = False
    keep: Callable[[DownloadReport, str], object] | None = None
    failed: Callable[[Source, PulpError], object] | None = None

    @sources.validator
    def _some(self, _: object, sources: tuple[Source, ...]) -> None:
        if not sources:
            raise SettingsError("sources", (), "at least one")

    @property
    def key(self) -> Hashable:
        """What is equal for requests that one transfer can answer: the sha256, or else where the file comes from."""
        sha256 = self.digests.get("sha256")
        if sha256 is not None:
            return self.policy, self.size, sha256
        # What is expected belongs to it: nobody is served by what was proven for others.
        return self.policy, self.size, frozenset(self.digests.items()), self.scope, self.sources[0].url
