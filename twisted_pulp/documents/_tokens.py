"""Who may ask for what."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen

from twisted_pulp.documents._fields import Name, Seconds, one_line

__all__ = ["NewToken", "Token", "TokenSecret"]

Scope = Literal["read", "write", "admin"]


@frozen(kw_only=True)
class Token:
    """
    Who may ask for what. Moments are in seconds since the epoch.

    :ivar id: its number.
    :ivar name: for people.
    :ivar scope: `read`: look; `write`: look, and change everything but tokens; `admin`: everything, the jobs of others
        too.
    :ivar created: when it was made.
    :ivar used: when it was last used, give or take a minute; null: never.
    :ivar expires: when it ends; null: never.
    """

    id: int
    name: str
    scope: Scope
    created: float
    used: float | None
    expires: float | None


@frozen(kw_only=True)
class NewToken:
    """
    A token to be made.

    :ivar name: for people.
    :ivar scope: what it allows; default `read`.
    :ivar expires: when it ends, in seconds since the epoch; null: never.
    """

    name: Name = field(validator=one_line)
    scope: Scope = "read"
    expires: Seconds | None = None


@frozen(kw_only=True)
class TokenSecret:
    """
    A token that was made.

    :ivar secret: what is sent as `Authorization: Bearer`; it is shown this once.
    :ivar token: what it allows.
    """

    secret: str
    token: Token
