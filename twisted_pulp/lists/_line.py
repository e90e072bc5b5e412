"""One line of a list and the Download that it stands for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from twisted_pulp.download import Download, Source
from twisted_pulp.errors import DownloadError, SettingsError
from twisted_pulp.names import file_name_of

if TYPE_CHECKING:
    from twisted_pulp.manifest import Entry

__all__ = ["download_of"]

_WORDS = 'neither JSON, a URL nor "name,sha256,size"'
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://").match


class _Source(msgspec.Struct, forbid_unknown_fields=True):
    url: str
    priority: int = 1


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    # A misspelt "digests" must not become a file that nobody checks: unknown fields are refused.
    url: str | None = None
    path: str | None = None
    size: int | None = None
    digests: dict[str, str] | None = None
    sources: list[str | _Source] | None = None


_decoded = msgspec.json.Decoder(_Entry).decode


def download_of(line: bytes, base: str | None) -> Download | None:
    """
    Return what *line* asks for, or None when it is blank or a comment.

    :param line: with or without its end.
    :param base: the URL that names of a PULP_MANIFEST are resolved against; None when there is none.
    :raises ValueError: saying why it is no line of a list.
    """
    line = line.strip()
    if line[:1] == b"{":
        return _of_entry(line)
    if not line or line[:1] == b"#":
        return None
    from twisted_pulp.manifest import parsed  # JSON lines do without

    entry = parsed(line)
    if entry is not None:
        return _of_manifest(entry, base)
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    if _URL(text) is None or " " in text:
        raise ValueError(_WORDS)
    return _made(text, None, None, None)


def _of_entry(line: bytes) -> Download:
    try:
        entry = _decoded(line)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None
    url, given = entry.url, entry.sources
    if given is None:
        if url is None:
            raise ValueError("neither url nor sources")
        return _made(url, entry.path, entry.size, entry.digests)
    try:
        sources = [Source(each) if isinstance(each, str) else Source(each.url, each.priority) for each in given]
    except SettingsError as error:
        raise ValueError(str(error)) from error
    if url is not None:
        sources.insert(0, Source(url))
    return _made(sources, entry.path, entry.size, entry.digests)


def _of_manifest(entry: Entry, base: str | None) -> Download:
    if base is None:
        raise ValueError("a line of a PULP_MANIFEST, but there is no place that its names belong to")
    from twisted_pulp.manifest import directory_of, url_of

    return _made(url_of(directory_of(base), entry.path), entry.path, entry.size, {"sha256": entry.sha256})


def _made(sources: str | list[Source], path: str | None, size: int | None, digests: dict[str, str] | None) -> Download:
    try:
        if path is None and sources:
            first = sources if isinstance(sources, str) else min(sources, key=lambda each: each.priority).url
            path = file_name_of(first)
        return Download(sources, path, size=size, digests=digests)
    except SettingsError as error:
        raise ValueError(str(error)) from error
    except DownloadError as error:
        raise ValueError(error.reason) from error
