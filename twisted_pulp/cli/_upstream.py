"""The rows that a sync needs: its repository and its remote, made if need be."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from twisted_pulp.cli._config import remote_of
from twisted_pulp.cli._options import SyncOptions
from twisted_pulp.errors import NotInCatalog, SettingsError
from twisted_pulp.lists import file_root_of
from twisted_pulp.names import called
from twisted_pulp.settings import Remote

__all__ = ["Upstream", "prepared", "with_root"]


@frozen
class Upstream:
    """
    What is synced with what.

    :ivar repository: its row.
    :ivar remote: how the upstream is reached.
    :ivar remote_id: of its row.
    """

    repository: Any
    remote: Remote
    remote_id: int


def prepared(connection: Any, key: Any, options: SyncOptions) -> Upstream:
    """
    Return what *options* name; what is missing is made, and what they change is changed.

    :param connection: to the catalog, in a transaction that writes.
    :raises SettingsError: when it cannot be done as asked.
    """
    from twisted_pulp.catalog import remotes, repositories

    repository = _found(repositories.get, connection, options.repository)
    if repository is None:
        called("repository", options.repository)
    elif repository.type != options.type:
        raise SettingsError("repository", options.repository, f"one of type {options.type}")
    row = _remote_row(connection, repository, options)
    known = remote_of(options.config, options.remote, {}) if row is None else remotes.reach(connection, row.id, key)
    fields = with_root(known, options.fields, options.url)
    remote = _changed(known, fields)
    if remote.url is None:
        raise SettingsError("URL", None, "given, for this repository was never synced")
    now = time.time()
    if row is None:
        name = called("remote", options.remote or options.repository)
        row = remotes.create(connection, name, remote, now, type=options.type, key=key)
    elif remote != known:
        row = remotes.update(connection, row.name, now, fields, key=key)
    if repository is None:
        repository = repositories.create(connection, options.repository, options.type, now, remote_id=row.id)
    elif repository.remote_id != row.id:
        repository = repositories.update(connection, repository.name, remote_id=row.id)
    return Upstream(repository, remote, row.id)


def _remote_row(connection: Any, repository: Any, options: SyncOptions) -> Any:
    from twisted_pulp.catalog import remotes

    if options.remote is None and repository is not None and repository.remote_id is not None:
        return _found(remotes.by_id, connection, repository.remote_id)
    return _found(remotes.get, connection, options.remote or options.repository)


def _found(get: Any, connection: Any, name: Any) -> Any:
    try:
        return get(connection, name)
    except NotInCatalog:
        return None


def with_root(remote: Remote, fields: Mapping[str, object], url: str | None = None) -> dict[str, object]:
    """
    Return what is to be changed of *remote*: *fields*, *url*, and, if that is a file, that it may be read.

    Who names a file trusts what is beside it.
    """
    given = dict(fields) if url is None else {**fields, "url": url}
    named = given.get("url")
    root = file_root_of(named) if isinstance(named, str) and named[:5].lower() == "file:" else None
    if root is not None and root not in remote.file_roots:
        given["file_roots"] = [*remote.file_roots, root]
    return given


def _changed(remote: Remote, fields: dict[str, object]) -> Remote:
    if not fields:
        return remote
    from twisted_pulp.settings import changed

    return changed(remote, fields)  # type: ignore[no-any-return]
