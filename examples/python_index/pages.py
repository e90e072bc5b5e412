"""Pages of the simple API: JSON (PEP 691) and HTML (PEP 503)."""

from __future__ import annotations

import re
from email.message import Message
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import msgspec

from twisted_pulp import Remote
from twisted_pulp.errors import SettingsError
from twisted_pulp.urls import join

from .files import IndexFile

JSON = "application/vnd.pypi.simple.v1+json"
HTML = ("application/vnd.pypi.simple.v1+html", "text/html")
#: What is asked for: JSON, and HTML from those who do not have it.
ACCEPT = f"{JSON}, {HTML[0]};q=0.2, {HTML[1]};q=0.01"


class PageError(Exception):
    """An index answered with something that is not a page of the simple API."""


def files_on(page: bytes, content_type: str, url: str, remote: Remote) -> list[IndexFile]:
    """
    Return the files that *page* offers.

    :param content_type: as the server gave it.
    :param url: where the page came from, after redirects.
    :param remote: how its files are reached.
    :raises PageError: when it is no page, or of a version to come.
    """
    header = Message()
    header["Content-Type"] = content_type
    kind = header.get_content_type()
    if kind == JSON:
        return files_in_json(page, url, remote)
    if kind in HTML:
        charset = header.get_content_charset("utf-8")
        try:
            text = page.decode(charset, "replace")
        except (LookupError, ValueError) as error:
            raise PageError(f"a page in the charset {charset!r}") from error
        return files_in_html(text, url, remote)
    raise PageError(f"a page of type {content_type!r}")


# JSON


class _Meta(msgspec.Struct):
    api_version: str = msgspec.field(name="api-version")


class _File(msgspec.Struct):
    filename: str
    url: str
    hashes: dict[str, str]
    requires_python: str | None = msgspec.field(name="requires-python", default=None)
    yanked: bool | str = False
    size: int | None = None


class _Page(msgspec.Struct):
    meta: _Meta
    files: list[_File]


_decode = msgspec.json.Decoder(_Page).decode


def files_in_json(page: bytes, url: str, remote: Remote) -> list[IndexFile]:
    """
    Return the files that a page in JSON offers.

    :raises PageError: when it is no page, or of a version to come.
    """
    try:
        decoded = _decode(page)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PageError(f"JSON that is no page of a project: {error}") from error
    _check_version(decoded.meta.api_version)
    found = []
    for each in decoded.files:
        target = _joined(url, each.url)
        if target is None:
            continue
        file = IndexFile.named(
            each.filename,
            target,
            remote,
            digests=each.hashes,
            size=each.size,
            requires_python=each.requires_python,
            # A text says why, and may be empty.
            yanked=each.yanked is not False,
        )
        if file is not None:
            found.append(file)
    return found


# HTML


class _Links(HTMLParser):
    """
    The anchors of a page.

    :ivar base: that references are relative to.
    :ivar links: attributes of each anchor that has a reference.
    :ivar version: of the API, as the page has it.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        self.base = url
        self.links: list[dict[str, str]] = []
        self.version = "1.0"
        self._based = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # The first of two attributes counts; the parser has undone character references.
        attributes = {name: value or "" for name, value in reversed(attrs)}
        if tag == "a" and "href" in attributes:
            self.links.append(attributes)
        elif tag == "base" and "href" in attributes and not self._based:
            self._based = True
            self.base = _joined(self.base, attributes["href"]) or self.base
        elif tag == "meta" and attributes.get("name") == "pypi:repository-version":
            self.version = attributes.get("content", "")


def files_in_html(page: str, url: str, remote: Remote) -> list[IndexFile]:
    """
    Return the files that a page in HTML links to, whatever projects they belong to.

    :raises PageError: when it cannot be read, or is of a version to come.
    """
    parser = _Links(url)
    try:
        parser.feed(page)
        parser.close()
    except AssertionError as error:  # what the standard library makes of some broken declarations
        raise PageError(f"HTML that cannot be read: {error}") from error
    _check_version(parser.version)
    found = []
    for attributes in parser.links:
        reference = attributes["href"].strip()
        target = _joined(parser.base, reference)
        if target is None:
            continue
        file = IndexFile.named(
            unquote(urlsplit(target).path.rpartition("/")[2]),
            target,
            remote,
            digests=_digests(reference.partition("#")[2]),
            requires_python=attributes.get("data-requires-python") or None,
            yanked="data-yanked" in attributes,
        )
        if file is not None:
            found.append(file)
    return found


def _digests(fragment: str) -> dict[str, str]:
    return dict(re.findall(r"(?:\A|&)([a-z0-9]+)=([0-9A-Fa-f]+)(?=&|\Z)", fragment))


# Both


def _joined(base: str, reference: str) -> str | None:
    try:
        return join(base, reference)
    except SettingsError:
        return None


def _check_version(version: str) -> None:
    major = version.partition(".")[0]
    if not major.isdigit() or major != "1":
        raise PageError(f"a page of version {version!r} of the simple API")
