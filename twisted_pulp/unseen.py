"""Characters that do something else than appear, to a terminal or to who reads a line."""

from __future__ import annotations

import re

__all__ = ["UNSEEN", "escaped"]

#: Controls, marks that turn or break lines, letters of no width, halves of letters.
UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
#: The same in UTF-8, as far as JSON has them as they are.
_IN_JSON = re.compile(
    rb"\x7f|\xc2[\x80-\x9f]|\xe2\x80[\x8b\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]|\xef\xbb\xbf",
)


def escaped(document: bytes) -> bytes:
    """Return *document*, JSON as it is encoded here, with every such character escaped: it means the same."""
    if document.isascii() and b"\x7f" not in document:
        return document
    return _IN_JSON.sub(lambda match: b"\\u%04x" % ord(match[0].decode()), document)
