"""The templates, made into pages: whatever stands in them is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from twisted_pulp.dashboard import _words
from twisted_pulp.dashboard._graph import graph

__all__ = ["load", "loaded", "rendered"]

_HERE = Path(__file__).parent / "templates"


def rendered(template: str, values: Mapping[str, Any]) -> bytes:
    """Return the page that *template* makes of *values*."""
    page: str = _environment().get_template(template).render(values)
    return page.encode("utf-8", "replace")


def loaded() -> bool:
    """Tell whether a page takes no longer than others."""
    return _environment.cache_info().currsize > 0


def load() -> None:
    """Make what all pages are made with. Blocks."""
    _environment().get_template("login.html")


@cache
def _environment() -> Any:
    # It takes a tenth of the time we may take to start, and few starts show a page.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters |= {name: getattr(_words, name) for name in _words.__all__}
    made.globals |= {"graph": graph}
    return made
