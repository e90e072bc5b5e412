"""The tables of what processes on one catalog share beside their work."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from twisted_pulp.catalog._cluster_tables import metadata
from twisted_pulp.catalog._dialects import BY_KEY

__all__ = ["claim", "fetch", "fetched", "metadata", "share"]

_ID = BigInteger().with_variant(Integer, "sqlite")
_NAME = 255
_NONE = "0"

#: What a process fetches at the moment, so that no other does. `name`: a sha256, or what else tells the file.
#: `fence` grows when it changes hands; `beat` grows while its holder lives.
claim = Table(
    "claim",
    metadata,
    Column("name", String(_NAME), primary_key=True),
    Column("holder", String(_NAME), nullable=False),
    Column("fence", BigInteger, nullable=False, server_default=_NONE),
    Column("beat", BigInteger, nullable=False, server_default=_NONE),
    Index(None, "holder"),
    **BY_KEY,
)

#: How many connections to a host a process may have; all together never have more than the cap. `wanted`: how many it
#: has use for. `slots` and `wanted` are its own to write, but for `slots` of one whose `beat` grows no more.
share = Table(
    "share",
    metadata,
    Column("host", String(_NAME), primary_key=True),
    Column("holder", String(_NAME), primary_key=True),
    Column("slots", Integer, nullable=False, server_default=_NONE),
    Column("wanted", Integer, nullable=False, server_default=_NONE),
    Column("beat", BigInteger, nullable=False, server_default=_NONE),
    **BY_KEY,
)

#: A job that brings files for another: for the run of *parent_id* with the fence *parent_fence*. `wanted`: the files,
#: as JSON; `sealed` instead where URLs have secrets.
fetch = Table(
    "fetch",
    metadata,
    Column("job_id", _ID, ForeignKey("job.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("parent_id", _ID, nullable=False),
    Column("parent_fence", BigInteger, nullable=False),
    Column("remote_id", _ID, nullable=True),
    Column("wanted", Text, nullable=True),
    Column("sealed", LargeBinary, nullable=True),
    Index(None, "parent_id"),
)

#: What became of a file of such a job, in the order in which it became known. `artifact_id` is null where it failed.
fetched = Table(
    "fetched",
    metadata,
    Column("job_id", _ID, ForeignKey("job.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("turn", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, nullable=False),
    Column("artifact_id", _ID, nullable=True),
    Column("sha256", String(64), nullable=True),
    Column("size", BigInteger, nullable=True),
    Column("bytes", BigInteger, nullable=False, server_default=_NONE),
    Column("error", Text, nullable=True),
    **BY_KEY,
)
