"""A page of an upstream whose links are made to stay on the Distribution."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import quote

from attrs import define, field

from twisted_pulp.digests import ALGORITHMS, WEAK
from twisted_pulp.errors import MetadataError
from twisted_pulp.streamer._links import FILES, LONGEST, Link, Split, split
from twisted_pulp.urls import join, without_userinfo

__all__ = ["MOST", "LinkedPage"]

#: Files that one page may name.
MOST = 200_000

_NONE: Mapping[str, str] = MappingProxyType({})
_NO_SIBLINGS: Mapping[str, Mapping[str, str]] = MappingProxyType({})
# Characters that URLs lose where they are found in documents (the URL Standard of WHATWG, section 4.4).
_LOST = str.maketrans("", "", "\t\r\n")
_SPACES = "".join(map(chr, range(0x21)))
_PARTS = re.compile(r"([^/?]*//[^/?]*)([^?]*)(.*)", re.S).fullmatch
# A reference that means the same below the Distribution as it does upstream, when the page is at the same place there.
_BELOW = re.compile(r"(?![./])[A-Za-z0-9_~.-]+(?:/(?!\.)[A-Za-z0-9_~%.-]+)*/?").fullmatch
_FRAGMENT = "!#$%&'()*+,/:;=?@[]~-._"


@define(eq=False)
class LinkedPage:
    """
    A page of an upstream whose links are made to stay on the Distribution.

    :ivar url: where the page is, after redirects, without secrets.
    :ivar root: what is at the top of the Distribution: the Remote's URL, without its query.
    :ivar path: what the client asked for below the Distribution, quoted.
    :ivar closed: whether the Remote's URL has a query, beside which there is no place for others.
    :ivar most: files that it may name; default `MOST`.
    :ivar links: the files that are to be remembered, by their canonical URLs.
    """

    url: str
    root: str
    path: str
    closed: bool = False
    most: int = MOST
    links: dict[str, Link] = field(factory=dict, init=False)
    _base: str = field(init=False)
    _up: str = field(init=False)
    _moved: bool = field(init=False)
    _prefix: str = field(init=False)
    _top: Split = field(init=False)

    def __attrs_post_init__(self) -> None:
        # A reference to nothing but a place in the page has the page's query, which may be one that a redirect signed.
        self._base = without_userinfo(self.url)[0].partition("#")[0].partition("?")[0]
        self._up = "../" * self.path.partition("?")[0].count("/") or "./"
        top = split(self.root if self.root.endswith("/") else f"{self.root}/")
        if top is None:
            raise ValueError("a Remote whose pages have links has a URL of HTTP")
        self._top = top
        self._find_prefix()
        self._moved = self._base != top.url + self.path.partition("?")[0]

    def rebase(self, reference: str) -> None:
        """Have relative references begin at *reference*, as a base element says."""
        try:
            self._base = join(self._base, _cleaned(reference).partition("#")[0])
        except ValueError:  # then it is none
            return
        self._find_prefix()
        self._moved = True

    def _find_prefix(self) -> None:
        """Find what the absolute paths begin with that are below the top: large pages have many of these."""
        base, top = split(self._base), self._top
        near = base is not None and (base.scheme, base.authority) == (top.scheme, top.authority)
        self._prefix = f"/{top.reference}" if near else "\0"

    def here(
        self,
        reference: str,
        digests: Mapping[str, str] = _NONE,
        siblings: Mapping[str, Mapping[str, str]] = _NO_SIBLINGS,
    ) -> str:
        """
        Return what stands for *reference* on the Distribution: a relative reference, whatever names the server has.

        What cannot be there stays where it is: other schemes, URLs with credentials, and what is to be fetched in clear
        although the page was not, and no digest proves.

        :param digests: of the file, as the page tells; those that prove nothing are left out. Default: none.
        :param siblings: further files, whose names are the file's and an ending: ending -> digests. Default: none.
        :raises MetadataError: when a page names more than `most` files.
        """
        if not (digests or siblings):
            if reference.startswith(self._prefix) and _BELOW(reference, len(self._prefix)):
                return self._up + reference[len(self._prefix) :]
            if not self._moved and _BELOW(reference):
                return reference
        reference = _cleaned(reference)
        plain, mark, fragment = reference.partition("#")
        if not plain and not mark:
            return reference
        try:
            url = join(self._base, plain) if plain else self._base
            return self._placed(url, _strong(digests), siblings) + mark + quote(fragment, safe=_FRAGMENT)
        except ValueError:  # no URL that can be asked for
            return reference

    def _placed(self, url: str, digests: Mapping[str, str], siblings: Mapping[str, Mapping[str, str]]) -> str:
        parts = split(_undotted(url))
        if parts is None:
            return url
        below = self._below(parts)
        if below is None and not self._may_be_fetched(parts, digests):
            return url
        files = [(parts.url, digests)]
        files += [(parts.url + ending, _strong(told)) for ending, told in siblings.items()]
        links = [_link(*file) for file in files if below is None or file[1]]
        if any(len(link.name) > LONGEST for link in links):
            return url
        self._remember(links)
        if below is None:
            below = f"{FILES}/{parts.scheme}/{quote(parts.authority, safe=':')}/{parts.reference}"
        return self._up + below

    def _below(self, parts: Split) -> str | None:
        top = self._top
        depth = len(top.segments) - 1
        if (parts.scheme, parts.authority) != (top.scheme, top.authority) or (self.closed and parts.query is not None):
            return None
        if len(parts.segments) <= depth or parts.names[:depth] != top.names[:depth]:
            return None
        below = Split(parts.scheme, parts.authority, parts.segments[depth:], parts.query)
        # Two slashes, or what this server itself has at that path.
        if "" in below.segments[:-1] or below.names[0] == FILES.encode():
            return None
        return below.reference

    def _may_be_fetched(self, parts: Split, digests: Mapping[str, str]) -> bool:
        return parts.scheme == "https" or self._top.scheme == "http" or bool(digests)

    def _remember(self, links: list[Link]) -> None:
        for link in links:
            known = self.links.get(link.name)
            if known is None or link.digests:
                self.links[link.name] = link
        if len(self.links) > self.most:
            raise MetadataError(url=self.url, detail=f"the page names more than {self.most} files")


def _cleaned(reference: str) -> str:
    return reference.strip(_SPACES).translate(_LOST)


def _undotted(url: str) -> str:
    """Return *url* without the dots that an absolute reference may have in its path (RFC 3986 section 5.2.4)."""
    match = _PARTS(url)
    if match is None or "/." not in match[2]:
        return url
    segments: list[str] = []
    for each in match[2].split("/")[1:]:
        if each == "..":
            del segments[-1:]
        elif each != ".":
            segments.append(each)
    if match[2].endswith(("/.", "/..")):
        segments.append("")
    return f"{match[1]}/{'/'.join(segments)}{match[3]}"


def _link(url: str, digests: Mapping[str, str]) -> Link:
    parts = split(url)
    assert parts is not None
    return Link(url=url, name=parts.name, digests=digests)


def _strong(digests: Mapping[str, str]) -> Mapping[str, str]:
    """Return those of *digests* that prove something, and could be one."""
    found = {name.lower(): value.lower() for name, value in digests.items()}
    return {
        name: value
        for name, value in found.items()
        if name not in WEAK and len(value) == ALGORITHMS.get(name) and not value.strip("0123456789abcdef")
    }
