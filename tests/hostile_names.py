"""Names that want to leave a directory, or to be what they are not, made from rules."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterator

__all__ = ["LOOKALIKES", "collisions", "devices", "overlong", "traversals", "twins"]

_DOTS = [
    "..",
    "%2e%2e",
    "%2E.",
    ".%2e",
    "%252e%252e",
    "..%00",
    "..;",
    ". .",
    "...",
    "....",
    "\uff0e\uff0e",
    "\u2024\u2024",
]
_SEPARATORS = [
    "/",
    "\\",
    "%2f",
    "%2F",
    "%5c",
    "%252f",
    "%255c",
    "//",
    "/./",
    "\\/",
    "\u2215",
    "\u2044",
    "\uff0f",
    "%c0%af",
]
_BEFORE = ["", "/", "a/", "./", "C:", "C:\\", "\\\\?\\", "//", "file:///", "~/", "a/b/c/"]
_TARGETS = ["out", "etc/passwd", ""]
#: Names with letters that look like separators or dots, and are none: files like any other, if they are allowed.
LOOKALIKES = ["\u2024\u2024", "a\u2215b", "a\u2044b", "a\uff0fb", "\uff0e\uff0e"]


def traversals() -> Iterator[str]:
    """Give ways up, of several depths, spelled in all ways, behind all beginnings."""
    for dots, separator, before, target in itertools.product(_DOTS, _SEPARATORS, _BEFORE, _TARGETS):
        for depth in (1, 2, 9):
            yield before + (dots + separator) * depth + target
    for before, control in itertools.product(_BEFORE, map(chr, [*range(32), 127, 0x2028, 0x2029, 0x202E, 0xD800])):
        yield f"{before}a{control}b"
        yield f"{before}..{control}/out"


def devices() -> Iterator[str]:
    """Give names that are devices on some machine."""
    names = ["con", "prn", "aux", "nul", "conin$", "conout$"]
    names += [f"{port}{number}" for port in ("com", "lpt") for number in (*range(10), "\u00b9", "\u00b2", "\u00b3")]
    for name, end in itertools.product(names, ["", ".txt", ".tar.gz", ".", " ", "/a"]):
        yield name + end
        yield f"a/{name.upper()}{end}"
        yield name.capitalize() + end


def overlong() -> Iterator[str]:
    """Give names that do not fit: parts over 255 bytes, paths over 4,096."""
    for letter in ("a", "\u00e9", "\u20ac", "\U0001f600"):
        size = len(letter.encode())
        yield letter * (255 // size + 1)
        yield f"a/{letter * (256 // size + 1)}/b"
    yield "a/" * 2048 + "a"
    yield "/".join(["a" * 255] * 17)


def collisions() -> Iterator[str]:
    """Give names of what stands beside a target while it grows."""
    for mark, name in itertools.product((".pulp-part", ".pulp-journal"), ("a", "", "a/b", ".x", "\u00e9")):
        head, slash, last = name.rpartition("/")
        yield f"{head}{slash}.{last}{mark}"
        yield f"{head}{slash}{last}{mark}"
        yield f".{name.replace('/', '')}{mark}/b"


def twins() -> list[tuple[str, str]]:
    """Give names that look the same in two forms of Unicode."""
    names = ["caf\u00e9", "\u00c5ngstr\u00f6m", "\uac00", "a/\u1e69", "\u00f1\u00fc"]
    return [(unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)) for name in names]
