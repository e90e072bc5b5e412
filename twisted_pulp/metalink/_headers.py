"""What headers say about other places of a file: ``Link: <URL>; rel=duplicate`` (RFC 6249 section 3)."""

from __future__ import annotations

import re

from twisted_pulp.download import Source
from twisted_pulp.errors import SettingsError
from twisted_pulp.headers import Fields
from twisted_pulp.urls import join

__all__ = ["duplicates"]

# RFC 8288 section 3: a URL in angle brackets, and parameters whose values may be quoted.
_link = re.compile(r"<([^<>]*)>((?:\s*;\s*[\w!#$&+.^`|~*-]+\s*(?:=\s*(?:\"(?:[^\"\\]|\\.)*\"|[^\s;,\"]*))?)*)").finditer
_parameter = re.compile(r";\s*([\w!#$&+.^`|~*-]+)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s;,\"]*))").findall
_MANY = 100
_LAST = 999999


def duplicates(fields: Fields, url: str) -> list[Source]:
    """
    Return the other places of the file that *fields* name, in order of priority.

    :param fields: headers of a response.
    :param url: that answered; relative URLs are resolved against it. From https only https follows.
    """
    value = fields.get("link")
    if value is None:
        return []
    secure = url[:6].lower() == "https:"
    found = []
    for match in _link(value):
        parameters = {name.lower(): quoted or plain for name, quoted, plain in reversed(_parameter(match[2]))}
        if "duplicate" not in parameters.get("rel", "").lower().split():
            continue
        try:
            source = Source(join(url, match[1].strip()), _priority(parameters.get("pri", "")))
        except SettingsError:
            continue
        scheme = source.url.partition(":")[0]
        if scheme == "https" or (scheme in ("http", "ftp", "ftps") and not secure):
            found.append(source)
    return sorted(found, key=lambda source: source.priority)[:_MANY]


def _priority(text: str) -> int:
    good = text.isascii() and text.isdigit() and 1 <= int(text[:7]) <= _LAST
    return int(text) if good else _LAST
