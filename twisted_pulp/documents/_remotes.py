"""How upstreams are reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from attrs import field, frozen
from msgspec import UNSET, Meta, UnsetType

from twisted_pulp.documents._fields import URL, Name, one_line

__all__ = ["NewRemote", "Remote", "RemoteChange"]

_Type = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_.]*$")]


@frozen(kw_only=True)
class Remote:
    """
    How one upstream is reached.

    Of what is secret it only says that there is something. Moments are in seconds since the epoch.

    :ivar name: its own.
    :ivar type: of the content that it has, such as `file`.
    :ivar url: where it is.
    :ivar settings: everything else that may be seen, as in a settings file.
    :ivar secret: whether it has secrets.
    :ivar created: when it was made.
    :ivar updated: when it was changed for the last time.
    """

    name: str
    type: str
    url: str | None
    settings: Mapping[str, Any]
    secret: bool
    created: float
    updated: float


@frozen(kw_only=True)
class NewRemote:
    """
    A remote to be made.

    :ivar name: its own.
    :ivar url: where it is: http or https.
    :ivar type: of the content that it has; default `file`.
    :ivar settings: everything else, as in a settings file, secrets too: they are kept sealed, and never shown.
    """

    name: Name = field(validator=one_line)
    url: URL = field(validator=one_line)
    type: _Type = field(default="file", validator=one_line)
    settings: Mapping[str, Any] = {}


@frozen(kw_only=True)
class RemoteChange:
    """
    What is to be changed of a remote; what is left out stays.

    :ivar name: its new name.
    :ivar url: where it is: http or https.
    :ivar settings: changes of everything else, as in a settings file: a table is changed field by field, and null
        takes away.
    """

    name: Name | UnsetType = field(default=UNSET, validator=one_line)
    url: URL | UnsetType = field(default=UNSET, validator=one_line)
    settings: Mapping[str, Any] = {}
