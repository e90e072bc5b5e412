"""The table of links, and with it all of `metadata`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Integer, Table, Text

from twisted_pulp.catalog._tables import metadata

__all__ = ["linked", "metadata"]

_ID = BigInteger().with_variant(Integer, "sqlite")

#: A file that a page of a Remote's upstream names; `digests` is JSON.
linked = Table(
    "linked",
    metadata,
    Column("remote_id", _ID, ForeignKey("remote.id", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("digests", Text, nullable=False),
    Column("created", Float, nullable=False),
)
