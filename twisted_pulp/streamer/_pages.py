"""Answers that are no files: a directory, and the way to one."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from twisted_pulp.streamer._answer import SAFE, answer_of
from twisted_pulp.streamer._entity import REVALIDATE, Entity
from twisted_pulp.streamer._found import Directory
from twisted_pulp.streamer._listing import Entry, directory_location, listing
from twisted_pulp.streamer._ranges import Span

__all__ = ["send_directory", "send_moved"]


def send_directory(request: Any, directory: Directory, now: float) -> None:
    """Answer *request* with a page that lists *directory*."""
    entries = [Entry(name.name, name.directory, name.size, name.modified) for name in directory.names]
    last = directory.last
    after = None if last is None else last.name + "/" * last.directory
    page = listing(f"/{directory.path}", entries, top=not directory.path, after=after)
    entity = Entity(
        size=len(page),
        sha256=sha256(page).hexdigest(),
        type="text/html; charset=utf-8",
        cache_control=REVALIDATE,
    )
    answer = answer_of(request.method, request.requestHeaders.getRawHeaders, entity, now)
    answer.begin(request)
    for piece in answer.pieces:
        request.write(piece if isinstance(piece, bytes) else _part(page, piece))
    request.finish()


def _part(page: bytes, span: Span) -> bytes:
    return page[span.first :] if span.last is None else page[span.first : span.last + 1]


def send_moved(request: Any, path: bytes) -> None:
    """Send the client to the directory at *path*, which it asked for without the slash at its end."""
    request.setResponseCode(301)
    for name, value in (*SAFE, (b"Location", directory_location(path)), (b"Content-Length", b"0")):
        request.setHeader(name, value)
    request.finish()
