"""The lines of a form, each a file to download."""

from __future__ import annotations

import re

from attrs import frozen

from twisted_pulp.digests import ALGORITHMS

__all__ = ["Line", "lines_of"]

_NAMED = re.compile(r"(?:([A-Za-z0-9_-]+)[:=])?([0-9A-Fa-f]+)").fullmatch
_BY_LENGTH = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}


@frozen
class Line:
    """
    A line that says something.

    :ivar number: of the line, from 1.
    :ivar url: the file.
    :ivar digests: that are expected, by algorithm.
    """

    number: int
    url: str
    digests: dict[str, str]


def lines_of(text: str) -> tuple[list[Line], list[tuple[int, str]]]:
    """
    Return what *text* asks for, and what is wrong with it: numbers of lines, and why.

    A line is a URL, and behind it as many digests as somebody knows, in hex: their length tells the algorithm, unless
    it stands in front of them: ``sha256:9f86d0...``. Empty lines and those that begin with "#" say nothing.
    """
    found, wrong = [], []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        digests: dict[str, str] = {}
        for word in words[1:]:
            match = _NAMED(word)
            name = None if match is None else match[1].lower() if match[1] else _BY_LENGTH.get(len(match[2]))
            if match is None or name not in ALGORITHMS:
                wrong.append((number, f"{word} is no digest; write one as sha256:HEX"))
                break
            digests[name] = match[2].lower()
        else:
            found.append(Line(number, words[0], digests))
    return found, wrong
