"""Pages of simple indexes in JSON (PEP 691, and what PEPs 658, 700, 714 and 740 add)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from twisted_pulp.streamer import LinkedPage

__all__ = ["rewritten_json"]

_METADATA = "core-metadata", "dist-info-metadata"


def rewritten_json(body: bytes, page: LinkedPage) -> bytes | None:
    """
    Return the page of a project with links that stay on the Distribution; everything else is as it was.

    :returns: None when there are no links, or it is no such page.
    :raises PulpError: see `LinkedPage.here`.
    """
    try:
        document = msgspec.json.decode(body)
    except (ValueError, RecursionError):  # the client may say what it thinks of that
        return None
    files = document.get("files") if isinstance(document, dict) else None
    if not isinstance(files, list) or not files:
        return None
    for file in files:
        if isinstance(file, dict):
            _rewrite(file, page)
    return msgspec.json.encode(document)


def _rewrite(file: dict[str, Any], page: LinkedPage) -> None:
    url, provenance = file.get("url"), file.get("provenance")
    if isinstance(url, str):
        file["url"] = page.here(url, _digests(file.get("hashes")), _siblings(file))
    if isinstance(provenance, str):
        file["provenance"] = page.here(provenance)


def _siblings(file: Mapping[str, Any]) -> dict[str, Mapping[str, str]]:
    found: dict[str, Mapping[str, str]] = {}
    told = [file[name] for name in _METADATA if file.get(name)]
    if told:
        found[".metadata"] = _digests(told[0])
    if file.get("gpg-sig") is True:
        found[".asc"] = {}
    return found


def _digests(told: object) -> dict[str, str]:
    if not isinstance(told, dict):
        return {}
    return {name: value for name, value in told.items() if isinstance(value, str)}
