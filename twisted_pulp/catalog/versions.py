"""
Versions of a repository: begun, filled, finished; then they never change.

A row of `version_content` says from which number on a repository has a unit and from which on no more, so that a
version costs as many rows as it changes. Nothing is ever held in memory for each unit of a repository.
"""

from __future__ import annotations

from twisted_pulp.catalog._drafts import Draft, abort, add, begin, finish, recover, remove, remove_unseen, seen
from twisted_pulp.catalog._history import ContentRow, VersionRow, contents, counts, get, latest
from twisted_pulp.catalog._history import delete_version as delete
from twisted_pulp.catalog._history import every as list  # noqa: A004 -- read with its module: versions.list
from twisted_pulp.catalog._published import PublishedFile, keep, kept, kept_from, lacks_files, published

__all__ = [
    "ContentRow",
    "Draft",
    "PublishedFile",
    "VersionRow",
    "abort",
    "add",
    "begin",
    "contents",
    "counts",
    "delete",
    "finish",
    "get",
    "keep",
    "kept",
    "kept_from",
    "lacks_files",
    "latest",
    "list",
    "published",
    "recover",
    "remove",
    "remove_unseen",
    "seen",
]
