"""Repositories, their versions, and what these have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen
from msgspec import UNSET, UnsetType

from twisted_pulp.documents._fields import Name, Number, Text, one_line
from twisted_pulp.documents._remotes import _Type

__all__ = ["NewRepository", "Repository", "RepositoryChange", "Unit", "Version"]


@frozen(kw_only=True)
class Repository:
    """
    A named set of content, of which each version is kept.

    :ivar name: its own.
    :ivar type: of its content, such as `file`.
    :ivar description: for people.
    :ivar remote: name of the remote that it is synced from; null: none yet.
    :ivar version: number of its latest version; null: it has none.
    :ivar content: how many units that has.
    :ivar retain: how many versions are kept; null: all.
    :ivar created: when it was made, in seconds since the epoch.
    """

    name: str
    type: str
    description: str | None
    remote: str | None
    version: int | None
    content: int
    retain: int | None
    created: float


@frozen(kw_only=True)
class NewRepository:
    """
    A repository to be made.

    :ivar name: its own.
    :ivar type: of its content; default `file`.
    :ivar description: for people.
    :ivar remote: name of the remote that it is synced from.
    :ivar retain: how many versions are kept; null: all.
    """

    name: Name = field(validator=one_line)
    type: _Type = field(default="file", validator=one_line)
    description: Text | None = None
    remote: Name | None = field(default=None, validator=one_line)
    retain: Number | None = None


@frozen(kw_only=True)
class RepositoryChange:
    """
    What is to be changed of a repository; what is left out stays, and null takes away.

    :ivar name: its new name.
    :ivar description: for people.
    :ivar remote: name of the remote that it is synced from.
    :ivar retain: how many versions are kept.
    """

    name: Name | UnsetType = field(default=UNSET, validator=one_line)
    description: Text | UnsetType | None = UNSET
    remote: Name | UnsetType | None = field(default=UNSET, validator=one_line)
    retain: Number | UnsetType | None = UNSET


@frozen(kw_only=True)
class Version:
    """
    One state of a repository; it does not change any more.

    :ivar number: its own; numbers only go up.
    :ivar created: when it was made, in seconds since the epoch.
    :ivar added: units that the version before had not.
    :ivar removed: units of the version before that it has not.
    :ivar present: units that it has.
    """

    number: int
    created: float
    added: int
    removed: int
    present: int


@frozen(kw_only=True)
class Unit:
    """
    A unit of content.

    :ivar id: its number.
    :ivar type: such as `file`.
    :ivar key: what tells it from others of its type.
    :ivar place: where it is in a repository; units of a type with one place replace each other.
    :ivar data: what else is known of it.
    """

    id: int
    type: str
    key: Any
    place: str | None
    data: Mapping[str, Any]
