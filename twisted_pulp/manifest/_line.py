"""One line of a PULP_MANIFEST, read and written."""

from __future__ import annotations

import re

from msgspec import Struct

__all__ = ["Entry", "entry_of", "line_of", "parsed"]

#: Bytes of a path; object stores allow no more, nor does PostgreSQL in an index of what may double in JSON.
LONGEST_PATH = 1024
_LARGEST = (1 << 63) - 1
_DIGITS = 64
_HEX = re.compile(rb"[0-9A-Fa-f]{64}").fullmatch
# Nothing in most names needs a closer look: no part begins with a dot.
_PLAIN = re.compile(rb"[A-Za-z0-9_+~-][A-Za-z0-9_.+~-]*(?:/[A-Za-z0-9_+~-][A-Za-z0-9_.+~-]*)*").fullmatch
_CONTROL = re.compile(r"[\x00-\x1f\x7f]").search


class Entry(Struct, frozen=True):
    """
    One file that a manifest names.

    :ivar path: relative, its parts separated by "/".
    :ivar sha256: in lower-case hex.
    :ivar size: bytes.
    """

    path: str
    sha256: str
    size: int


def parsed(line: bytes) -> Entry | None:
    """
    Return what *line* names, or None where it does not end with a sha256 and a size, and is no line of a manifest.

    :param line: without its end; blanks around its fields do not matter.
    :raises ValueError: saying what is wrong with the path.
    """
    # As Pulp's own readers do it: the last two commas count, paths may have others.
    fields = line.rsplit(b",", 2)
    if len(fields) != 3:
        return None
    path, digest, size = fields[0].strip(), fields[1].strip(), fields[2].strip()
    if _HEX(digest) is None or not size.isdigit() or len(size) > 19:
        return None
    name = path.decode("ascii") if _PLAIN(path) and len(path) <= LONGEST_PATH else _checked(path)
    number = int(size)
    if number > _LARGEST:
        raise ValueError("the size is larger than any file's")
    return Entry(name, digest.decode("ascii").lower(), number)


def entry_of(line: bytes) -> Entry:
    """
    Return what *line*, neither blank nor a comment, names.

    :raises ValueError: saying what is wrong with it.
    """
    entry = parsed(line)
    if entry is None:
        raise ValueError(_why_not(line))
    return entry


def line_of(entry: Entry) -> bytes:
    """
    Return the line that names *entry*, with its end.

    :raises ValueError: when no line can: the path is not relative, or would be read as something else.
    """
    try:
        path = entry.path.encode()
    except UnicodeEncodeError:
        raise ValueError("the path is not Unicode") from None
    _checked(path)
    if path != path.strip():
        raise ValueError("the path begins or ends with a blank")
    if path.startswith(b"#"):
        raise ValueError("the path begins with a #, and its line would be a comment")
    if path.startswith(b"\xef\xbb\xbf"):
        raise ValueError("the path begins with a byte order mark")
    if _HEX(entry.sha256.encode()) is None or not 0 <= entry.size <= _LARGEST:
        raise ValueError("the sha256 or the size is none")
    return b"%b,%b,%d\n" % (path, entry.sha256.lower().encode(), entry.size)


def _checked(path: bytes) -> str:
    if not path:
        raise ValueError("the path is empty")
    if len(path) > LONGEST_PATH:
        raise ValueError(f"the path is longer than {LONGEST_PATH} bytes")
    try:
        name = path.decode()
    except UnicodeDecodeError:
        raise ValueError("the path is not UTF-8") from None
    if _CONTROL(name):
        raise ValueError("the path has a control character")
    parts = name.split("/")
    if "" in parts:
        raise ValueError("the path begins or ends with a slash, or has two in a row")
    if "." in parts or ".." in parts:
        raise ValueError("the path has a part that is '.' or '..'")
    return name


def _why_not(line: bytes) -> str:
    fields = line.rsplit(b",", 2)
    if len(fields) != 3:
        return "not of the form path,sha256,size"
    digest = fields[1].strip()
    if len(digest) != _DIGITS:
        return f"the sha256 has {len(digest)} characters instead of {_DIGITS}"
    if _HEX(digest) is None:
        return "the sha256 is not hexadecimal"
    return "the size is not a whole number of bytes"
