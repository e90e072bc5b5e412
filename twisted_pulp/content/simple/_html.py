"""
Pages of simple indexes in HTML (PEP 503, and what PEPs 592, 658 and 714 add).

Only the links change; everything else, well-formed or not, stays byte for byte. What is a tag and what an attribute is
decided as the HTML Standard (section 13.2.5) does, by expressions that never go back: whatever a page is, the time that
it takes is proportional to its length.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from html import escape, unescape

from attrs import frozen

from twisted_pulp.streamer import LinkedPage

__all__ = ["rewritten_html"]

_OPENS = re.compile(r"<(?:!--(?:-?>|.*?(?:--!?>|\Z))|(?P<name>[a-z][^\s/>]*+))", re.I | re.S).search
_ATTRIBUTE = re.compile(
    r"[\s/]*+(?:(?P<end>>)|(?P<name>[^\s/>][^\s/>=]*+)"
    r"(?:\s*+=\s*+(?P<value>\"(?P<double>[^\"]*+)\"|'(?P<single>[^']*+)'|(?P<bare>[^\s>\"'][^\s>]*+)))?+)"
).match
# What is in these elements is no markup, and goes on to the end if they never end.
_RAW = {
    name: re.compile(rf"</{name}(?=[\s/>])|\Z", re.I).search
    for name in ("script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes")
}
_LOOKED_AT = frozenset({"a", "base", "meta"})
_DIGEST = re.compile(r"(?:^|&)([A-Za-z0-9]+)=([0-9A-Fa-f]+)(?=&|$)")
_METADATA = "data-core-metadata", "data-dist-info-metadata"
_VERSION = "pypi:repository-version"
_SIMPLE = re.compile(r"/simple(?:/|\Z)").search


@frozen
class _Attribute:
    name: str
    value: str
    start: int
    end: int


@frozen
class _Tag:
    name: str
    attributes: tuple[_Attribute, ...]
    start: int
    end: int

    def get(self, *names: str) -> str | None:
        return next((each.value for each in self.attributes if each.name in names), None)


def rewritten_html(body: bytes, page: LinkedPage, charset: str | None = None, *, sure: bool = False) -> bytes | None:
    """
    Return the page of an index with links that stay on the Distribution.

    :param charset: that its Content-Type tells.
    :param sure: whether its Content-Type says that it is one. Else it is one if it says so itself, if it tells the
        digests of files, or if there is a directory "simple" in its path.
    :returns: None when there are no links, or it is another page.
    :raises PulpError: see `LinkedPage.here`.
    """
    coding = _coding(body, charset)
    text = body.decode(coding, "surrogateescape")
    tags = list(_tags(text))
    if not (sure or _of_an_index(tags, page)):
        return None
    bases = [tag for tag in tags if tag.name == "base" and tag.get("href") is not None]
    if bases:
        page.rebase(bases[0].get("href") or "")
    edits = [(tag.start, tag.end, "") for tag in bases] + [edit for tag in tags for edit in _edits(tag, page)]
    return _edited(text, sorted(edits)).encode(coding, "surrogateescape") if edits else None


def _coding(body: bytes, charset: str | None) -> str:
    """Return a coding that leaves ASCII, and whatever bytes it does not know, as they are."""
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "latin-1"  # in which there are no tags to be found
    try:
        name = codecs.lookup(charset or "utf-8").name
    except LookupError:
        return "utf-8"
    return name if name.startswith(("iso8859", "cp125", "koi8")) else "utf-8"


def _tags(text: str) -> Iterator[_Tag]:
    position = 0
    while match := _OPENS(text, position):
        position = match.end()
        if match["name"] is None:
            continue
        name = match["name"].lower()
        attributes, end = _attributes(text, position, name in _LOOKED_AT)
        if end is None:  # the page ends within the tag, which then is none
            return
        if name in _LOOKED_AT:
            yield _Tag(name, attributes, match.start(), end)
        raw = _RAW.get(name)
        closed = raw(text, end) if raw else None
        position = closed.end() if closed else end


def _attributes(text: str, position: int, wanted: bool) -> tuple[tuple[_Attribute, ...], int | None]:
    found: list[_Attribute] = []
    while match := _ATTRIBUTE(text, position):
        position = match.end()
        if match["end"]:
            return tuple(found), position
        if wanted and match["value"] is not None:
            value = match["double"] or match["single"] or match["bare"] or ""
            found.append(_Attribute(match["name"].lower(), unescape(value), *match.span("value")))
    return (), None


def _of_an_index(tags: list[_Tag], page: LinkedPage) -> bool:
    if _SIMPLE(page.url.partition("?")[0]):
        return True
    for tag in tags:
        if tag.name == "meta" and (tag.get("name") or "").lower() == _VERSION:
            return True
        if tag.name == "a" and _digests((tag.get("href") or "").partition("#")[2]):
            return True
    return False


def _edits(tag: _Tag, page: LinkedPage) -> Iterator[tuple[int, int, str]]:
    if tag.name != "a":
        return
    siblings = _siblings(tag)
    for each in tag.attributes:
        if each.name != "href":
            continue
        here = page.here(each.value, _digests(each.value.partition("#")[2]), siblings)
        if here != each.value:
            yield each.start, each.end, f'"{escape(here)}"'


def _siblings(tag: _Tag) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    metadata = tag.get(*_METADATA)
    if metadata and metadata.lower() != "false":
        found[".metadata"] = _digests(metadata)
    if (tag.get("data-gpg-sig") or "").lower() == "true":
        found[".asc"] = {}
    return found


def _digests(fragment: str) -> dict[str, str]:
    return {name.lower(): value.lower() for name, value in _DIGEST.findall(fragment)}


def _edited(text: str, edits: list[tuple[int, int, str]]) -> str:
    parts, position = [], 0
    for start, end, new in edits:
        parts += [text[position:start], new]
        position = end
    return "".join([*parts, text[position:]])
