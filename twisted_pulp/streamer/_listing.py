"""Directories, as pages for people and for programs that follow links."""

from __future__ import annotations

from collections.abc import Iterable
from email.utils import formatdate
from html import escape
from urllib.parse import quote

from attrs import frozen

__all__ = ["Entry", "directory_location", "listing"]

_PAGE = """\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Index of {title}</title>
<style>body{{font-family:monospace}} td{{padding-right:2em}}</style></head>
<body><h1>Index of {title}</h1>
<table>
{rows}</table></body></html>
"""


@frozen(order=True)
class Entry:
    """
    What a directory has under one name.

    :ivar name: without a slash.
    :ivar directory: whether it is one.
    :ivar size: bytes, or None.
    :ivar modified: seconds since the epoch, or None.
    """

    name: str
    directory: bool = False
    size: int | None = None
    modified: float | None = None


def listing(path: str, entries: Iterable[Entry], *, top: bool = False, after: str | None = None) -> bytes:
    """
    Return the page of the directory at *path*: directories first, then files, each by name.

    Links are relative and quoted, so that no name leads elsewhere.

    :param top: whether there is nothing above that one may see.
    :param after: what the next page begins after; None: there is none.
    """
    ordered = sorted(entries, key=lambda entry: (not entry.directory, entry.name))
    rows = [] if top else ['<tr><td><a href="../">../</a></td></tr>\n']
    rows += [_row(entry) for entry in ordered]
    if after is not None:
        rows.append(f'<tr><td><a rel="next" href="./?after={quote(after, safe="")}">more</a></td></tr>\n')
    return _PAGE.format(title=escape(path), rows="".join(rows)).encode("utf-8", "replace")


def _row(entry: Entry) -> str:
    name = entry.name + "/" * entry.directory
    size = "" if entry.size is None else entry.size
    when = "" if entry.modified is None else formatdate(entry.modified, usegmt=True)
    return f'<tr><td><a href="{_link(name)}">{escape(name)}</a></td><td>{when}</td><td>{size}</td></tr>\n'


def directory_location(path: bytes) -> bytes:
    """
    Return where a request for the directory at *path*, without a slash at its end, is sent: a relative reference.

    A relative one can lead to no other site, which "//host" as a path could.

    :param path: as the client wrote it, still quoted.
    """
    name = quote(path.rpartition(b"/")[2], safe="!$&'()*+,;=:@%~")
    return f"./{name}/".encode("ascii")


def _link(name: str) -> str:
    # "./" since a name may begin as a scheme does: "javascript:".
    return "./" + quote(name, safe="/!$()*+,;=:@~", errors="surrogatepass").replace("'", "%27")
