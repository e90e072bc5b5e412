"""What the stages of one sync share."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Literal
from weakref import WeakSet

from attrs import Factory, define, field, frozen

from twisted_pulp.download import Source
from twisted_pulp.errors import CatalogError, SettingsError, StorageError, TooManyFailed, WriterError
from twisted_pulp.interfaces import IDownloader
from twisted_pulp.settings import Remote
from twisted_pulp.stages._budget import Budget
from twisted_pulp.stages._declarative import Content, DeclarativeArtifact, DeclarativeContent
from twisted_pulp.stages._flight import Flight
from twisted_pulp.stages._progress import Progress, ProgressReport

__all__ = ["FailedUnit", "Policy", "Sync"]

Policy = Literal["immediate", "on_demand", "streamed"]
POLICIES = ("immediate", "on_demand", "streamed")


@frozen
class FailedUnit:
    """
    A unit that is not in the version, and why.

    :ivar content: what it is.
    :ivar path: of its file that failed; None when it was the unit itself.
    :ivar error: what went wrong.
    """

    content: Content
    path: str | None
    error: Exception


@define(eq=False, kw_only=True)
class Sync:
    """
    The surroundings of the stages of one sync; each stage has it as `Stage.sync`.

    :ivar context: connections, caps and threads.
    :ivar catalog: what is known.
    :ivar storage: bytes at rest.
    :ivar repository: the row of the repository that is synced.
    :ivar remote: how the upstream is reached; default: a Remote with every default.
    :ivar remote_id: of its row in the catalog, for the sources that are saved; default None: it has none.
    :ivar remote_ids: ids of further Remotes, those that sources bring with them; default none.
    :ivar policy: "immediate" downloads all; "on_demand" and "streamed" save only where files can come from; default:
        that of the Remote.
    :ivar mirror: whether what the first stage does not put is removed from the repository; default false.
    :ivar keep_going: whether a unit that fails is left out; default false: the first failure ends the sync.
    :ivar tolerance: how many units may fail with `keep_going` before there is no version: a number, or a share of all
        from 0.0 to 1.0; default None: any number.
    :ivar concurrency: downloads at once; default None: as many as the Context's caps can use.
    :ivar budget: of what is downloaded and not yet saved.
    :ivar crew: the other processes that share catalog and storage, which may fetch a part: `twisted_pulp.jobs.Crew`;
        default None: there are none.
    :ivar hold: called with a connection in the transactions that begin and finish the version; what it raises keeps
        them from being written. Default None.
    :ivar now: seconds since the epoch.
    :ivar synced: what the last sync has seen of the upstream, until the first stage sets it to what this one sees.
    :ivar kept: metadata to be kept with the version as the upstream wrote it: path -> the number of its artifact.
    :ivar failed: units that failed, in order.
    :ivar units: units that came from the first stage.
    :ivar downloaded: files that were downloaded.
    :ivar bytes: of those files.
    :ivar skipped: whether a stage has called `skip`.
    :ivar reports: the progress of all stages.
    :ivar flight: what was downloaded and is not stored yet.
    """

    context: Any
    catalog: Any
    storage: Any
    repository: Any
    remote: Remote = field(factory=Remote)
    remote_id: int | None = None
    remote_ids: Mapping[Remote, int] = field(factory=dict)
    policy: Policy = Factory(lambda self: self.remote.policy, takes_self=True)
    mirror: bool = False
    keep_going: bool = False
    tolerance: int | float | None = None
    concurrency: int | None = None
    budget: Budget = field(factory=Budget)
    crew: Any = None
    hold: Callable[[Any], object] | None = None
    now: Callable[[], float] = time.time
    synced: Mapping[str, Any] | None = None
    kept: dict[str, int] = field(init=False, factory=dict)
    failed: list[FailedUnit] = field(init=False, factory=list)
    units: int = field(init=False, default=0)
    downloaded: int = field(init=False, default=0)
    bytes: int = field(init=False, default=0)
    skipped: bool = field(init=False, default=False)
    reports: Progress = field(init=False)
    flight: Flight = field(init=False)
    _downloaders: WeakSet[Any] = field(init=False, factory=WeakSet)

    def __attrs_post_init__(self) -> None:
        self.flight, self.reports = Flight(self.budget), Progress(self.context.reactor)
        if self.policy not in POLICIES:
            raise SettingsError("policy", self.policy, "one of " + ", ".join(POLICIES))
        tolerance = self.tolerance
        if tolerance is not None and (tolerance < 0 or (isinstance(tolerance, float) and tolerance > 1)):
            raise SettingsError("tolerance", tolerance, "a whole number from 0, a share from 0.0 to 1.0, or none")

    def downloader(self, remote: Remote | None = None, **fields: Any) -> IDownloader:
        """
        Return a Downloader, with which no stage is stuck that waits for a download. Close it when done.

        :param remote: default None: that of the sync.
        :param fields: those of `Context.downloader`.
        """
        downloader: IDownloader = self.context.downloader(remote or self.remote, **fields)
        self._downloaders.add(downloader)
        return downloader

    def progress(self, code: str, message: str, total: int | None = None) -> ProgressReport:
        """Return the report that is known as *code*; the first call makes it."""
        return self.reports.report(code, message, total)

    def signs(self) -> object:
        """Return what differs from before while somebody works for a stage."""
        return object() if any(each.running for each in self._downloaders) else self.reports.signs()

    def skip(self) -> None:
        """Say that the upstream has not changed: there will be no new version, and a mirror removes nothing."""
        self.skipped = True

    def wants(self, artifact: DeclarativeArtifact) -> bool:
        """Return whether *artifact* is to be downloaded now: it is not here yet, and not left to whoever asks first."""
        if artifact.artifact_id is not None or artifact.path is not None or not artifact.sources:
            return False
        deferred = artifact.deferred
        return self.policy == "immediate" if deferred is None else not deferred

    def remote_of(self, source: Source) -> int | None:
        """Return the id of the Remote that reaches *source*."""
        return self.remote_id if source.remote is None else self.remote_ids.get(source.remote)

    def refuse(self, unit: DeclarativeContent, error: Exception, path: str | None = None) -> None:
        """
        Leave *unit* out because of *error*, if the sync keeps going; the caller does not put it on.

        :param path: of its file that failed.
        :raises Exception: *error* itself, if the sync does not, or if other units would fail of it as well.
        :raises TooManyFailed: when more have failed than are tolerated.
        """
        unit.release()
        unit.give_up(error)
        if not self.keep_going or not of_one_unit(error):
            raise error
        self.failed.append(FailedUnit(unit.content, path, error))
        if type(self.tolerance) is int and len(self.failed) > self.tolerance:
            raise TooManyFailed(len(self.failed), self.units, self.tolerance, self.failed) from error

    def judge(self) -> None:
        """:raises TooManyFailed: when more units have failed than are tolerated."""
        failed, tolerance = len(self.failed), self.tolerance
        if tolerance is None or not failed:
            return
        if failed > (tolerance * self.units if isinstance(tolerance, float) else tolerance):
            raise TooManyFailed(failed, self.units, tolerance, self.failed) from self.failed[-1].error


def of_one_unit(error: Exception) -> bool:
    """Return whether *error* says nothing about other units: a full disk, for one, does."""
    return not isinstance(error, StorageError | WriterError | CatalogError)
