"""Lists, a page at a time."""

from __future__ import annotations

from typing import Generic, TypeVar

from attrs import frozen

__all__ = ["Page"]

T = TypeVar("T")


@frozen(kw_only=True)
class Page(Generic[T]):
    """
    A page of a list.

    :ivar items: what is on it.
    :ivar next: where the next page is; null: there is none.
    """

    items: list[T]
    next: str | None
