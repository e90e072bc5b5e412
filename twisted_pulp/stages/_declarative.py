"""What the first stage declares: a unit of content and its files, as the remote has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Any

from attrs import define, field, frozen, setters
from msgspec import json
from twisted.internet.defer import Deferred, fail, succeed

from twisted_pulp.digests import checked_digests
from twisted_pulp.download import DownloadReport, Source
from twisted_pulp.stages._budget import Admission

__all__ = ["Content", "DeclarativeArtifact", "DeclarativeContent", "name_of"]

_encode = json.Encoder().encode
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@frozen(kw_only=True)
class Content:
    """
    A unit of a content type.

    :ivar type: the content type's name, for example ``file``.
    :ivar key: the natural key: what tells it from all others of its type.
    :ivar data: what else is known about it, fit for JSON; default nothing.
    :ivar place: content of one type that has the same place replaces each other in a repository (of files, the
        relative path); default None: it replaces nothing.
    """

    type: str
    key: tuple[str, ...]
    data: Mapping[str, Any] = _NOTHING
    place: str | None = None

    @property
    def key_text(self) -> str:
        """The natural key as one text, which the catalog knows it by."""
        return _encode(self.key).decode()


def _sources(given: str | Source | Iterable[str | Source]) -> tuple[Source, ...]:
    if type(given) is Source:  # most of them, and far cheaper
        return (given,)
    if isinstance(given, str | Source):
        given = (given,)
    return tuple(each if isinstance(each, Source) else Source(each) for each in given)


# Stages set many of them: what they set is not converted again.
@define(eq=False, kw_only=True, on_setattr=setters.NO_OP)
class DeclarativeArtifact:
    """
    A file of a unit: where it can come from and what it must be; the stages add what has become of it.

    :ivar sources: where it can come from: a URL, a `Source`, or several of either.
    :ivar relative_path: what the unit calls it.
    :ivar size: expected bytes; default None: not known.
    :ivar digests: expected digests: algorithm -> hex; default none.
    :ivar deferred: whether it is downloaded only when a client wants it; default None: as the policy of the sync says.
    :ivar artifact_id: of the stored artifact in the catalog, or None.
    :ivar file_id: of this file of the saved unit in the catalog, or None.
    :ivar sha256: of the stored or downloaded file, or None.
    :ivar path: of the downloaded file that is not in the storage yet, or None.
    :ivar report: of its download, or None.
    :ivar admission: its place in the budget, or None.
    """

    sources: tuple[Source, ...] = field(converter=_sources)
    relative_path: str
    size: int | None = None
    digests: Mapping[str, str] = field(factory=dict, converter=checked_digests)
    deferred: bool | None = None
    artifact_id: int | None = None
    file_id: int | None = None
    sha256: str | None = None
    path: str | None = None
    report: DownloadReport | None = None
    admission: Admission | None = None

    def release(self) -> None:
        """Give its place in the budget back, if it has one."""
        if self.admission is not None:
            self.admission.release()
            self.admission = None


def _artifacts(given: Iterable[DeclarativeArtifact]) -> tuple[DeclarativeArtifact, ...]:
    return tuple(given)


@define(eq=False, kw_only=True, on_setattr=setters.NO_OP)
class DeclarativeContent:
    """
    A unit of content on its way through the stages.

    :ivar content: the unit.
    :ivar artifacts: its files; default none.
    :ivar attachment: whatever the first stage wants later stages to find.
    :ivar content_id: in the catalog, once it was saved.
    :ivar awaited: whether somebody has asked for its resolution.
    :ivar thaw: called when somebody first does so: a batch that it waits in sets this.
    """

    content: Content
    artifacts: tuple[DeclarativeArtifact, ...] = field(default=(), converter=_artifacts)
    attachment: Any = None
    content_id: int | None = None
    awaited: bool = field(default=False, init=False)
    thaw: Callable[[], None] | None = field(default=None, init=False, repr=False)
    _waiting: list[Deferred[int]] | None = field(default=None, init=False, repr=False)
    _outcome: int | BaseException | None = field(default=None, init=False, repr=False)

    def resolution(self) -> Deferred[int]:
        """
        Return a Deferred that fires with the id of the saved unit; batches that hold it do not wait for more units.

        It fails with the reason when the unit is given up. Cancelling it harms nobody else who waits.
        """
        if isinstance(self._outcome, int):
            return succeed(self._outcome)
        if self._outcome is not None:
            return fail(self._outcome)
        self.awaited = True
        waiting: Deferred[int] = Deferred(self._left)
        self._waiting = [*(self._waiting or ()), waiting]
        if self.thaw is not None:
            self.thaw()
        return waiting

    def resolve(self) -> None:
        """
        Tell those who wait that the unit is saved.

        :raises ValueError: when it has no `content_id`.
        """
        if self.content_id is None:
            raise ValueError(f"{self.content} is not saved")
        self._outcome = self.content_id
        for waiting in self._told():
            waiting.callback(self.content_id)

    def give_up(self, error: BaseException) -> None:
        """Tell those who wait that the unit will not be saved, because of *error*; who drops a unit must do so."""
        self._outcome = error
        for waiting in self._told():
            waiting.errback(error)

    def release(self) -> None:
        """Give the places of its artifacts in the budget back."""
        for artifact in self.artifacts:
            artifact.release()

    def _told(self) -> list[Deferred[int]]:
        waiting, self._waiting = self._waiting, None
        return waiting or []

    def _left(self, waiting: Deferred[int]) -> None:
        self._waiting = [each for each in self._waiting or () if each is not waiting]


def name_of(artifact: DeclarativeArtifact) -> str:
    """Return the name under which *artifact* waits: the same for the same bytes, now and in the next run."""
    known = artifact.digests.get("sha256")
    if known is not None:
        return known
    words = [f"{name}={value}" for name, value in sorted(artifact.digests.items())] or [artifact.sources[0].url]
    return sha256("\n".join([str(artifact.size), *words]).encode("utf-8", "surrogateescape")).hexdigest()
