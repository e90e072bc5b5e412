"""
How Sphinx builds these pages; run `make docs`.

The reference names every public object once, in an `eval-rst` fence, with autodoc's directives and the place that
users import it from::

    .. autoclass:: twisted_pulp.Remote

tests/test_public_names.py compares these lines with `__all__`.
Fences of `python` and `console` are run by tests/test_examples.py; its docstring says how to write them.
"""

from __future__ import annotations

import configparser
import functools
import importlib
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docutils.nodes import Element, reference
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

_setup = configparser.ConfigParser()
_setup.read(Path(__file__).parents[1] / "setup.cfg")

project = _setup["metadata"]["name"]
author = _setup["metadata"]["author"]
copyright = f"2026, {author}"  # noqa: A001 -- Sphinx calls it so
version = release = _setup["metadata"]["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "alabaster"
html_theme_options = {"description": _setup["metadata"]["description"], "fixed_sidebar": True}
html_sidebars = {"**": ["about.html", "navigation.html", "searchfield.html"]}
html_copy_source = False

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
# Settings and what they lead to have the same names: a name alone leads to the first of them.
suppress_warnings = ["ref.python"]
# Docstrings put names between single backticks.
default_role = "code"

# The build asks no other host, so it has no inventories: only names of our own must lead somewhere.
# Parts of a type that was cut at its commas, interfaces as types, and variables of types lead nowhere either.
nitpick_ignore_regex = [
    (r"py:.*", r"(?!twisted_pulp\b)\w+(\.\w+)+(\[.*)?|<InterfaceClass .*>|twisted_pulp\.[\w.]+\.[A-Z]")
]


@functools.cache
def _public_names() -> dict[str, str]:
    """Return where a public object is defined, and its name alone -> the shortest name that users import it by."""
    package = importlib.import_module("twisted_pulp")
    found: dict[str, str] = {}
    names = [package.__name__, *(f"{package.__name__}.{each.name}" for each in pkgutil.iter_modules(package.__path__))]
    for name in names:
        module = importlib.import_module(name)
        for public in getattr(module, "__all__", ()):
            home = getattr(getattr(module, public), "__module__", name)
            for known in (f"{home}.{public}", public):
                found.setdefault(known, f"{name}.{public}")
    return found


def _resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: Element) -> reference | None:
    """Lead a reference to `twisted_pulp.settings._remote.Remote` or `Remote` to where that is documented."""
    public = _public_names().get(node["reftarget"]) if node.get("refdomain") == "py" else None
    if public is None:
        return None
    return env.domains.python_domain.resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], public, node, content
    )


def _import_for_types() -> None:
    """Import what a public class names in its fields, but does not import itself before it is needed."""
    file = importlib.import_module("twisted_pulp.transfer._file")
    vars(file)["Partial"] = importlib.import_module("twisted_pulp.transfer._partial").Partial


def setup(app: Sphinx) -> None:
    """Connect what stands above."""
    _import_for_types()
    app.connect("missing-reference", _resolve)
