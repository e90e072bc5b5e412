"""Files that do not change while we run."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["send", "url"]

_HERE = Path(__file__).parent / "static"
_TYPES = {
    "style.css": b"text/css; charset=utf-8",
    "live.js": b"text/javascript; charset=utf-8",
    "icon.svg": b"image/svg+xml",
}


@cache
def _file(name: str) -> tuple[bytes, str]:
    """Return the bytes of a file, and what tells them from those of another release."""
    body = (_HERE / name).read_bytes()
    return body, hashlib.sha256(body).hexdigest()[:12]


def url(name: str) -> str:
    """Return where a file is; the URL changes with it, so that it can be kept for ever."""
    return f"/static/{name}?{_file(name)[1]}"


def send(request: Any, name: str) -> None:
    """Answer *request* with a file."""
    if name not in _TYPES:
        request.setResponseCode(404)
        request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
        request.write(b"There is nothing here.\n")
        request.finish()
        return
    body, tag = _file(name)
    request.setHeader(b"Content-Type", _TYPES[name])
    request.setHeader(b"Cache-Control", b"public, max-age=31536000, immutable")
    if request.setETag(b'"%b"' % tag.encode()):  # it is answered 304
        request.finish()
        return
    request.setHeader(b"Content-Length", b"%d" % len(body))
    request.write(b"" if request.method == b"HEAD" else body)
    request.finish()
