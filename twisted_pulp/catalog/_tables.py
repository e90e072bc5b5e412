"""The tables, as SQLAlchemy Core has them."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
    false,
)

from twisted_pulp.catalog._dialects import BY_KEY, ONCE, some, tell

__all__ = [
    "artifact",
    "artifact_digest",
    "cached",
    "content",
    "content_artifact",
    "distribution",
    "metadata",
    "progress",
    "pulled",
    "remote",
    "repository",
    "run",
    "source",
    "version",
    "version_content",
    "version_file",
    "version_seen",
]

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

event.listen(metadata, "before_create", tell)

# SQLite counts up by itself in a column that is INTEGER, and in no other.
_ID = BigInteger().with_variant(Integer, "sqlite")


def _id() -> Column[int]:
    return Column("id", _ID, primary_key=True)


def _to(name: str, other: str, *, delete: str = "CASCADE", null: bool = False, primary: bool = False) -> Column[int]:
    return Column(name, _ID, ForeignKey(f"{other}.id", ondelete=delete), nullable=null, primary_key=primary)


#: The bytes of one file, stored once. `touched`: seconds since the epoch when something last wanted it; orphans that
#: were wanted a short time ago are kept.
artifact = Table(
    "artifact",
    metadata,
    _id(),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("size", BigInteger, nullable=False),
    Column("touched", Float, nullable=False),
    **ONCE,
)

#: Its digests beside sha256.
artifact_digest = Table(
    "artifact_digest",
    metadata,
    _to("artifact_id", "artifact", primary=True),
    Column("algorithm", String(16), primary_key=True),
    Column("value", String(128), nullable=False),
    Index(None, "algorithm", "value"),
    **BY_KEY,
)

#: How one upstream is reached. `settings` has no secrets; `secrets` has them encrypted, and is never shown.
remote = Table(
    "remote",
    metadata,
    _id(),
    Column("name", String(255), nullable=False, unique=True),
    Column("type", String(64), nullable=False),
    Column("settings", JSON, nullable=False),
    Column("secrets", LargeBinary, nullable=True),
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
)

#: A unit of a type, known by its natural key. `place`: content of one type that has the same place replaces each other
#: within a repository (for files, the relative path); null replaces nothing.
content = Table(
    "content",
    metadata,
    _id(),
    Column("type", String(64), nullable=False),
    Column("key", Text, nullable=False),
    Column("place", Text, nullable=True),
    Column("data", JSON, nullable=False),
    Column("touched", Float, nullable=False),
    # The column that tells rows apart comes first: a planner without statistics takes no other path then.
    UniqueConstraint("key", "type"),
    some(None, "place", "type", where="place IS NOT NULL"),
    **ONCE,
)

#: A file of a unit; `artifact_id` is null until it was downloaded. What is expected of it is known anyhow.
content_artifact = Table(
    "content_artifact",
    metadata,
    _id(),
    _to("content_id", "content"),
    # In the order of their bytes, whatever the database's language, so that the index finds what a directory has.
    Column("path", Text().with_variant(Text(collation="C"), "postgresql"), nullable=False),
    Column("artifact_id", _ID, ForeignKey("artifact.id", ondelete="SET NULL"), nullable=True),
    Column("size", BigInteger, nullable=True),
    Column("digests", JSON, nullable=False),
    UniqueConstraint("content_id", "path"),
    Index(None, "path"),
    some(None, "artifact_id", where="artifact_id IS NOT NULL"),
    **ONCE,
)

#: One place that a file can come from; `failed`: seconds since the epoch of the last failure, `failure`: what it was.
source = Table(
    "source",
    metadata,
    _id(),
    _to("content_artifact_id", "content_artifact"),
    _to("remote_id", "remote", delete="SET NULL", null=True),
    Column("url", Text, nullable=False),
    Column("priority", Integer, nullable=False, server_default="1"),
    Column("failed", Float, nullable=True),
    Column("failure", Text, nullable=True),
    UniqueConstraint("content_artifact_id", "url"),
    some(None, "remote_id", where="remote_id IS NOT NULL"),
)

#: A named set of content. `synced`: what the last sync saw, by which the next knows that nothing has changed.
repository = Table(
    "repository",
    metadata,
    _id(),
    Column("name", String(255), nullable=False, unique=True),
    Column("type", String(64), nullable=False),
    Column("description", Text, nullable=True),
    _to("remote_id", "remote", delete="SET NULL", null=True),
    Column("retain", Integer, nullable=True),
    Column("next", Integer, nullable=False, server_default="1"),
    Column("synced", JSON, nullable=True),
    Column("created", Float, nullable=False),
)

#: One state of a repository; it is there for others when it is complete, and does not change any more.
version = Table(
    "version",
    metadata,
    _id(),
    _to("repository_id", "repository"),
    Column("number", Integer, nullable=False),
    Column("complete", Boolean, nullable=False, server_default=false()),
    Column("created", Float, nullable=False),
    Column("added", Integer, nullable=False, server_default="0"),
    Column("removed", Integer, nullable=False, server_default="0"),
    Column("present", Integer, nullable=False, server_default="0"),
    UniqueConstraint("repository_id", "number"),
    **ONCE,
)

#: From which version on a repository has a unit, and from which on no more (null: it still has it).
version_content = Table(
    "version_content",
    metadata,
    _to("repository_id", "repository", primary=True),
    _to("content_id", "content", primary=True),
    Column("added", Integer, primary_key=True, autoincrement=False),
    Column("removed", Integer, nullable=True),
    Index(None, "repository_id", "added"),
    some(None, "repository_id", "removed", where="removed IS NOT NULL"),
    Index(None, "content_id"),
    **BY_KEY,
)

#: What a version that is being made has seen at the upstream, so that a mirror can remove the rest; then it is emptied.
#: The content is not referred to: whoever deletes content need not search this, which has no index for it.
version_seen = Table(
    "version_seen",
    metadata,
    _to("version_id", "version", primary=True),
    Column("content_id", _ID, primary_key=True, autoincrement=False),
    **BY_KEY,
)

#: A metadata file of a version, as the upstream wrote it: a mirror gives it out again.
version_file = Table(
    "version_file",
    metadata,
    _to("version_id", "version", primary=True),
    Column("path", String(255), primary_key=True),
    Column("artifact_id", _ID, ForeignKey("artifact.id", ondelete="CASCADE"), nullable=False, index=True),
)

#: A file of a Remote that no repository has, fetched for a client; what is at its URL does not change. `headers`: as
#: JSON text, those that it came with and that are passed on.
pulled = Table(
    "pulled",
    metadata,
    _to("remote_id", "remote", primary=True),
    Column("url", Text, primary_key=True),
    Column("artifact_id", _ID, ForeignKey("artifact.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("headers", Text, nullable=False),
    Column("created", Float, nullable=False),
)

#: Where a repository, one version of it, or a Remote is served.
distribution = Table(
    "distribution",
    metadata,
    _id(),
    Column("name", String(255), nullable=False, unique=True),
    Column("base_path", String(255), nullable=False, unique=True),
    _to("repository_id", "repository", null=True),
    Column("number", Integer, nullable=True),
    _to("remote_id", "remote", delete="SET NULL", null=True),
    Column("policy", String(16), nullable=True),
    Column("settings", JSON, nullable=False),
    Column("created", Float, nullable=False),
)

#: A response of an upstream that may change; `kind`: the media type that was negotiated. `fields` and `vary` are JSON.
cached = Table(
    "cached",
    metadata,
    _id(),
    _to("remote_id", "remote"),
    Column("url", Text, nullable=False),
    Column("kind", String(255), nullable=False),
    Column("artifact_id", _ID, ForeignKey("artifact.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("fields", Text, nullable=False),
    Column("vary", Text, nullable=False),
    Column("requested", Float, nullable=False),
    Column("received", Float, nullable=False),
    Column("used", Float, nullable=False, index=True),
    # The column that tells rows apart comes first.
    UniqueConstraint("url", "kind", "remote_id"),
)

#: One sync, verification or other run, and what came of it.
run = Table(
    "run",
    metadata,
    _id(),
    Column("kind", String(32), nullable=False),
    _to("repository_id", "repository", null=True),
    Column("state", String(16), nullable=False),
    Column("started", Float, nullable=False),
    Column("finished", Float, nullable=True),
    Column("result", JSON, nullable=True),
    Column("error", Text, nullable=True),
    Index(None, "repository_id"),
)

#: How far one part of a run has come.
progress = Table(
    "progress",
    metadata,
    _to("run_id", "run", primary=True),
    Column("code", String(64), primary_key=True),
    Column("message", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("total", BigInteger, nullable=True),
    Column("done", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("suffix", Text, nullable=True),
)
