"""What a request for a file says, beyond its URL."""

from __future__ import annotations

from typing import Any

from twisted.web.http_headers import Headers

from twisted_pulp.download import Download, Source
from twisted_pulp.errors import WriterError
from twisted_pulp.headers import PUBLIC
from twisted_pulp.http import basic
from twisted_pulp.transfer._journal import Journal
from twisted_pulp.transfer._range import Version, range_headers
from twisted_pulp.urls import origin_of

__all__ = ["request_headers", "rest_headers"]


def rest_headers(
    offset: int,
    version: Version | None,
    source: Source,
    download: Download,
    target: Any,
    until: int | None = None,
) -> dict[str, str] | None:
    """
    Return the headers that ask for what follows the *offset* bytes that are here, or None to ask for all of it.

    :param until: where there are bytes again; None: nowhere.
    :raises WriterError: when all of it would come, and the writer cannot take anything back.
    """
    ranged = None if version is None else range_headers(offset, version, source, bool(download.digests), until)
    if ranged is None and not target.rewindable:
        raise WriterError(source.url, f"{offset} bytes cannot be taken back, and the rest cannot be fetched alone")
    return ranged


def request_headers(
    download: Download, source: Source, known: Journal | None, ranged: dict[str, str] | None
) -> Headers | None:
    """
    Return the headers of a request to *source*, or None when there are none.

    :param known: about a finished file of an earlier run, which the server may say is still right.
    :param ranged: those that ask for a part.
    """
    given = download.headers
    if not given and ranged is None and known is None and source.userinfo is None:
        return None
    headers = dict(given)
    if given and origin_of(source.url) != origin_of(download.url):
        headers = {name: value for name, value in given.items() if name.lower() in PUBLIC}
    if source.userinfo is not None:
        headers["Authorization"] = basic(*source.userinfo)
    if ranged is not None:
        headers.update(ranged)
    elif known is not None and known.validator is not None:
        tag = known.validator.startswith('"')
        headers["If-None-Match" if tag else "If-Modified-Since"] = known.validator
    return Headers({name.encode("ascii"): [value.encode("latin-1")] for name, value in headers.items()})
