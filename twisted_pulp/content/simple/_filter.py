"""The filter of the pages of simple indexes."""

from __future__ import annotations

import re

from zope.interface import implementer

from twisted_pulp.content.simple._html import rewritten_html
from twisted_pulp.content.simple._json import rewritten_json
from twisted_pulp.streamer import IBodyFilter, LinkedPage

__all__ = ["SimpleFilter"]

_JSON = "application/vnd.pypi.simple.v1+json"
_HTML = "application/vnd.pypi.simple.v1+html"
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([A-Za-z0-9_.:-]+)", re.I).search


@implementer(IBodyFilter)
class SimpleFilter:
    """Have the links of the pages of simple indexes stay on the Distribution."""

    types = (_JSON, _HTML, "text/html")

    def filtered(self, body: bytes, kind: str, page: LinkedPage) -> bytes | None:
        """Return the page with links that stay on the Distribution; None if it is none of an index, or has no links."""
        if kind.lower().startswith(_JSON):
            return rewritten_json(body, page)
        named = _CHARSET(kind)
        return rewritten_html(body, page, named[1] if named else None, sure=kind.lower().startswith(_HTML))
