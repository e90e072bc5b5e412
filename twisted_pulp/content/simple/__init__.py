"""Simple indexes of Python packages (PEP 503, PEP 691): their links stay on the Distribution that they pass through."""

from twisted_pulp.content.simple._filter import SimpleFilter

__all__ = ["SIMPLE", "SimpleFilter"]

#: The filter of the pages of simple indexes.
SIMPLE = SimpleFilter()
