"""Work that is asked for."""

from __future__ import annotations

from typing import Annotated, Literal

from attrs import field, frozen
from msgspec import Meta

from twisted_pulp.documents._distributions import Policy
from twisted_pulp.documents._fields import Count, Name, Seconds, one_line

__all__ = ["NewCleanup", "NewSchedule", "NewSync", "NewVerification", "Schedule"]

Every = Annotated[float, Meta(ge=60, le=31_536_000)]


@frozen(kw_only=True)
class NewSync:
    """
    A sync of a repository.

    :ivar repository: its name.
    :ivar remote: name of the remote to sync from; null: the repository's own.
    :ivar policy: when files are downloaded; null: as the remote says.
    :ivar mirror: whether what the upstream has no more is removed; default false.
    :ivar force: whether everything is looked at although nothing seems to have changed; default false.
    :ivar keep_going: whether there is a version without the files that failed; default false.
    :ivar tolerance: with `keep_going`: files that may fail; null: any number.
    """

    repository: Name = field(validator=one_line)
    remote: Name | None = field(default=None, validator=one_line)
    policy: Policy | None = None
    mirror: bool = False
    force: bool = False
    keep_going: bool = False
    tolerance: Count | None = None


@frozen(kw_only=True)
class NewVerification:
    """
    Every stored file, read again and compared.

    :ivar repair: whether what is damaged is downloaded again; default false.
    """

    repair: bool = False


@frozen(kw_only=True)
class NewCleanup:
    """
    The removal of everything that nothing refers to.

    :ivar grace: seconds; what was wanted within them stays. Default: a day.
    :ivar unused: seconds after which what was pulled through goes if nobody wants it; null: never.
    :ivar capacity: bytes of what was pulled through that stay at most; null: all.
    """

    grace: Seconds = 86400.0
    unused: Seconds | None = None
    capacity: Count | None = None


@frozen(kw_only=True)
class NewSchedule:
    """
    Work to be done again and again.

    :ivar name: its own; one that has it already is replaced.
    :ivar kind: of the work; default `sync`.
    :ivar repository: name of the repository, for a sync.
    :ivar every: seconds from one begin to the next, at least 60.
    :ivar jitter: seconds by which a begin may be later, at random; default 0.
    :ivar mirror: for a sync: whether what the upstream has no more is removed; default false.
    """

    name: Name = field(validator=one_line)
    every: Every
    kind: Literal["sync", "verify", "cleanup"] = "sync"
    repository: Name | None = field(default=None, validator=one_line)
    jitter: Annotated[float, Meta(ge=0, le=31_536_000)] = 0.0
    mirror: bool = False


@frozen(kw_only=True)
class Schedule:
    """
    Work again and again. Moments are in seconds since the epoch.

    :ivar name: its own.
    :ivar kind: of the work, such as `sync`.
    :ivar repository: name of the repository, of a sync.
    :ivar every: seconds from one begin to the next.
    :ivar jitter: seconds by which a begin may be later, at random.
    :ivar next: when it is due.
    :ivar last: id of the last job; null: none yet.
    """

    name: str
    kind: str
    repository: str | None
    every: float
    jitter: float
    next: float | None
    last: str | None
