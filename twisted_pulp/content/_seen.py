"""What a sync has seen of its upstream, and whether the next one has anything to do."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
from attrs import frozen

from twisted_pulp.errors import shown

__all__ = ["Circumstances", "Seen", "conditions", "kept_url", "obstacle", "unchanged", "worth_waiting"]


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """
    What the last sync saw, as a repository keeps it in `synced`.

    :ivar url: of the metadata, as `kept_url` has it.
    :ivar remote: the id of the Remote, or None.
    :ivar version: the number of the version that was the latest afterwards.
    :ivar policy: it was synced with.
    :ivar mirror: whether it made a mirror.
    :ivar complete: whether all units could be had.
    :ivar sha256: of the metadata.
    :ivar size: of the metadata, in bytes.
    :ivar etag: of the metadata, as the server sent it, or None.
    :ivar last_modified: the same.
    """

    url: str
    remote: int | None
    version: int | None = None
    policy: str
    mirror: bool
    complete: bool = True
    sha256: str
    size: int
    etag: str | None = None
    last_modified: str | None = None

    @classmethod
    def of(cls, synced: Mapping[str, Any] | None) -> Seen | None:
        """Return what a repository's *synced* holds; None where that is nothing, or of another kind."""
        try:
            return None if synced is None else msgspec.convert(dict(synced), cls)
        except msgspec.ValidationError:
            return None

    def row(self) -> dict[str, Any]:
        """Return it as it is kept."""
        kept: dict[str, Any] = msgspec.to_builtins(self)
        return kept


@frozen(kw_only=True)
class Circumstances:
    """
    What a sync is asked to do, and what it finds.

    :ivar url: of the metadata.
    :ivar remote: the id of the Remote, or None.
    :ivar version: the number of the repository's latest version, or None.
    :ivar policy: "immediate", "on_demand" or "streamed".
    :ivar mirror: whether it makes a mirror.
    :ivar missing: whether files of that version have not been downloaded.
    :ivar force: whether everything is looked at anyhow.
    """

    url: str
    remote: int | None
    version: int | None
    policy: str
    mirror: bool
    missing: bool
    force: bool = False


def kept_url(url: str) -> str:
    """
    Return what is kept of *url*: without the values in its query, which may be secrets.

    Sixteen bits of a digest tell whether they are others; that is too little to find them by.
    """
    seen = shown(url)
    return seen if seen == url else f"{seen}#{hashlib.sha256(url.encode()).hexdigest()[:4]}"


def obstacle(last: Seen | None, now: Circumstances) -> str | None:
    """
    Return why there is something to do even if the metadata has not changed, in a few words; None if there is not.

    :param last: what the last sync saw.
    """
    if now.force:
        return "it is forced"
    if last is None:
        return "nothing is known of a sync before"
    if last.url != kept_url(now.url):
        return "the URL is another one"
    if last.remote != now.remote:
        return "the remote is another one"
    if last.version != now.version:
        return "the repository has changed since"
    if not last.complete:
        return "some units failed"
    if now.mirror and not last.mirror:
        return "a mirror is wanted now"
    if now.policy == "immediate" and last.policy != "immediate":
        return "files are wanted now"
    if now.policy == "immediate" and now.missing:
        return "files are missing"
    return None


def conditions(last: Seen) -> dict[str, str]:
    """Return the headers that ask for the metadata only if it has changed since *last*; without validators none."""
    if last.etag is not None:
        return {"If-None-Match": last.etag}
    return {} if last.last_modified is None else {"If-Modified-Since": last.last_modified}


def worth_waiting(last: Seen, length: int | None) -> bool:
    """
    Return whether metadata of *length* bytes may be the same as before, so that nobody begins before all of it is here.

    :param length: as the response announces it; None when it does not.
    """
    return length is None or length == last.size


def unchanged(last: Seen, sha256: str) -> bool:
    """Return whether the metadata, whose digest is *sha256*, is the same as before."""
    return last.sha256 == sha256
