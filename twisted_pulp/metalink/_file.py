"""Metalink files: version 4 (RFC 5854) and version 3."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from attrs import frozen

from twisted_pulp.digests import ALGORITHMS
from twisted_pulp.download import Download, Pieces, Source
from twisted_pulp.errors import PathError, SettingsError
from twisted_pulp.names import inside
from twisted_pulp.urls import join

__all__ = ["Metalink", "looks_like", "read_metalink"]

_V4, _V3 = "{urn:ietf:params:xml:ns:metalink}", "{http://www.metalinker.org/}"
_SCHEMES = ("http", "https", "ftp", "ftps")
_LAST = 999999
# Bytes, and files of one metalink.
_LONGEST, _MANY = 64 << 20, 100_000


@frozen
class Metalink:
    """
    What a metalink asks for.

    :ivar downloads: one for each file; paths are relative, and lead nowhere out of a directory.
    :ivar refused: the name of each file that nothing could be made of, and why.
    """

    downloads: tuple[Download, ...]
    refused: tuple[tuple[str, str], ...] = ()


def looks_like(data: bytes) -> bool:
    """Return whether *data*, the beginning of something, may be that of a metalink: no other list begins so."""
    return data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"


def read_metalink(data: bytes, base: str | None = None) -> Metalink:
    """
    Read a metalink.

    Hashes of kinds that are not known are left out, and so are URLs of other schemes than http, https, ftp and ftps.

    :param data: the file.
    :param base: the URL it came from, which relative ones are resolved against; default None: there must be none.
    :raises SettingsError: when it is no metalink.
    """
    root = _parsed(data)
    if root.tag == f"{_V4}metalink":
        kind, files = _V4, root.findall(f"{_V4}file")
    elif root.tag == f"{_V3}metalink":
        kind, files = _V3, root.findall(f"{_V3}files/{_V3}file")
    else:
        raise SettingsError("metalink", root.tag, "a metalink of version 3 or 4")
    if not 0 < len(files) <= _MANY:
        raise SettingsError("metalink", f"{len(files)} files", f"1 to {_MANY} files")
    downloads, refused = [], []
    for each in files:
        name = each.get("name", "")
        try:
            downloads.append(_download(name, _File(each, kind, base)))
        except PathError as error:
            refused.append((name, error.reason))
        except SettingsError as error:
            refused.append((name, str(error)))
    return Metalink(tuple(downloads), tuple(refused))


def _parsed(data: bytes) -> Any:
    # Not before it is needed; ElementTree's own parser expands what it should not.
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    if len(data) > _LONGEST:
        raise SettingsError("metalink", f"{len(data)} bytes", f"at most {_LONGEST} bytes")
    try:
        return fromstring(data, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise SettingsError("metalink", str(error), "XML, without a document type") from error


def _download(name: str, file: _File) -> Download:
    if not name:
        raise SettingsError("name", name, "the name of a file")
    inside(os.sep, name)  # RFC 5854 section 4.1.2.1: it must lead nowhere else
    sources = list(file.sources())
    if not sources:
        raise SettingsError("url", "nothing", "at least one URL that can be fetched")
    return Download(sources, name, size=file.size(), digests=dict(file.digests()), pieces=file.pieces())


class _File:
    """One file element, of version 3 or 4."""

    def __init__(self, element: Any, kind: str, base: str | None) -> None:
        self._element, self._ns, self._base = element, kind, base
        found = element if kind == _V4 else element.find(f"{kind}verification")
        self._hashes = [] if found is None else found

    def _text(self, name: str) -> str:
        return (self._element.findtext(f"{self._ns}{name}") or "").strip()

    def size(self) -> int | None:
        text = self._text("size")
        if not text:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            raise SettingsError("size", text, "a number of bytes")
        return int(text)

    def digests(self) -> Iterator[tuple[str, str]]:
        for each in self._hashes:
            if each.tag == f"{self._ns}hash":
                algorithm = _algorithm(each)
                if algorithm is not None:
                    yield algorithm, (each.text or "").strip()

    def pieces(self) -> Pieces | None:
        """Return the hashes of the best kind, or None."""
        known = [each for each in self._hashes if each.tag == f"{self._ns}pieces" and _algorithm(each) is not None]
        if not known:
            return None
        best = max(known, key=lambda each: ALGORITHMS[_algorithm(each) or ""])
        length = best.get("length", "")
        if not (length.isascii() and length.isdigit() and len(length) < 20):
            raise SettingsError("pieces", length, "a length in bytes")
        hashes = [(each.text or "").strip().lower() for each in best.iterfind(f"{self._ns}hash")]
        return Pieces(int(length), _algorithm(best) or "", tuple(hashes))

    def sources(self) -> Iterator[Source]:
        where = self._element if self._ns == _V4 else self._element.find(f"{self._ns}resources")
        for each in () if where is None else where.iterfind(f"{self._ns}url"):
            url = (each.text or "").strip()
            if self._base is not None and "://" not in url:
                url = join(self._base, url)
            if url.partition("://")[0].lower() in _SCHEMES:
                yield Source(url, self._priority(each))

    def _priority(self, element: Any) -> int:
        name, best, worst = ("priority", 1, _LAST) if self._ns == _V4 else ("preference", 0, 100)
        text = element.get(name)
        if text is None:
            return _LAST
        if not (text.isascii() and text.isdigit() and best <= int(text[:7]) <= worst):
            raise SettingsError(name, text, f"a number from {best} to {worst}")
        # Version 3 counts the other way round: 100 is asked first.
        return int(text) if self._ns == _V4 else 101 - int(text)


def _algorithm(element: Any) -> str | None:
    """Return what a hash of *element* is called here, or None when it is not known."""
    name = element.get("type", "").lower().replace("-", "")
    return name if name in ALGORITHMS else None
