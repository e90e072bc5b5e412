"""What is served, and where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from attrs import field, frozen
from msgspec import UNSET, Meta, UnsetType

from twisted_pulp.documents._fields import Name, Number, one_line

__all__ = ["Distribution", "DistributionChange", "NewDistribution"]

Policy = Literal["immediate", "on_demand", "streamed"]
BasePath = Annotated[
    str,
    Meta(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+~-]*(/[A-Za-z0-9_][A-Za-z0-9_.+~-]*)*$"),
]


@frozen(kw_only=True)
class Distribution:
    """
    What is served, and where.

    :ivar name: its own.
    :ivar base_path: what its paths begin with, below `/content/`.
    :ivar repository: name of the repository that is served; null: none.
    :ivar version: number of the version that is served; null: the latest.
    :ivar remote: name of the remote that is asked for what is not there; null: none.
    :ivar policy: whether what was fetched is kept; null: as the remote says.
    :ivar settings: `immutable`, `early_ranges` and `cache`: how files are kept that may change.
    :ivar created: when it was made, in seconds since the epoch.
    """

    name: str
    base_path: str
    repository: str | None
    version: int | None
    remote: str | None
    policy: Policy | None
    settings: Mapping[str, Any]
    created: float


@frozen(kw_only=True)
class NewDistribution:
    """
    A distribution to be made.

    :ivar name: its own.
    :ivar base_path: what its paths begin with, below `/content/`.
    :ivar repository: name of the repository that is served.
    :ivar version: number of the version that is served; null: the latest.
    :ivar remote: name of the remote that is asked for what is not there.
    :ivar policy: whether what was fetched is kept; null: as the remote says.
    :ivar settings: `immutable`, `early_ranges` and `cache`: how files are kept that may change.
    """

    name: Name = field(validator=one_line)
    base_path: BasePath = field(validator=one_line)
    repository: Name | None = field(default=None, validator=one_line)
    version: Number | None = None
    remote: Name | None = field(default=None, validator=one_line)
    policy: Policy | None = None
    settings: Mapping[str, Any] = {}


@frozen(kw_only=True)
class DistributionChange:
    """
    What is to be changed of a distribution; what is left out stays, and null takes away.

    :ivar name: its new name.
    :ivar base_path: what its paths begin with, below `/content/`.
    :ivar repository: name of the repository that is served.
    :ivar version: number of the version that is served; null: the latest.
    :ivar remote: name of the remote that is asked for what is not there.
    :ivar policy: whether what was fetched is kept.
    :ivar settings: those of `immutable`, `early_ranges` and `cache` that are to be changed; null takes away.
    """

    name: Name | UnsetType = field(default=UNSET, validator=one_line)
    base_path: BasePath | UnsetType = field(default=UNSET, validator=one_line)
    repository: Name | UnsetType | None = field(default=UNSET, validator=one_line)
    version: Number | UnsetType | None = UNSET
    remote: Name | UnsetType | None = field(default=UNSET, validator=one_line)
    policy: Policy | UnsetType | None = UNSET
    settings: Mapping[str, Any] = {}
