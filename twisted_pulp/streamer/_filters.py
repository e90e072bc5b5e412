"""Filters of bodies: which pages of upstreams are changed before clients get them."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from zope.interface import Attribute, Interface

from twisted_pulp.errors import SettingsError
from twisted_pulp.streamer._linked_page import LinkedPage

__all__ = ["LARGEST", "Filters", "IBodyFilter", "registered_filters"]

_GROUP = "twisted_pulp.filters"
#: Those of this package are found without looking through everything that is installed, which takes its time.
_OURS = {"simple": ("twisted_pulp.content.simple", "SIMPLE")}
#: Bytes of the largest body that is filtered: the largest page that clients are known to ask for has half of it.
LARGEST = 64 << 20


class IBodyFilter(Interface):
    """Changes pages of a tree that is pulled through, such as an index whose links lead elsewhere."""

    types: tuple[str, ...] = Attribute("The media types of the pages, in lower case.")

    def filtered(body: bytes, kind: str, page: LinkedPage) -> bytes | None:
        """
        Return the page as it is to be served, or None if there is nothing to change; called in a thread.

        Whatever the page is, it ends soon: in time and memory that are proportional to the page's length.

        :param body: the whole page, decoded.
        :param kind: the value of its Content-Type.
        :param page: tells what stands for a link on the Distribution.
        :raises PulpError: when the page must not be served.
        """


class Filters:
    """
    What is done to pages, by their media types.

    :param filters: providers of `IBodyFilter`.
    """

    def __init__(self, filters: Iterable[Any] = ()) -> None:
        self._by_type: dict[str, Any] = {}
        for each in filters:
            self._by_type.update(dict.fromkeys(each.types, each))

    def __repr__(self) -> str:
        return f"<Filters {sorted(self._by_type)}>"

    def of(self, kind: str | None) -> Any:
        """Return the filter of pages whose Content-Type is *kind*, or None."""
        return None if kind is None else self._by_type.get(kind.partition(";")[0].strip(" \t").lower())


def registered_filters() -> Filters:
    """
    Return all filters: those of this package, and those of the entry points of the group `twisted_pulp.filters`.

    :raises SettingsError: when one cannot be imported, or is none.
    """
    from importlib.metadata import entry_points

    found = [getattr(import_module(module), name) for module, name in _OURS.values()]
    return Filters([*found, *(_loaded(point) for point in entry_points(group=_GROUP))])


def _loaded(point: Any) -> Any:
    try:
        found = point.load()
    except Exception as error:  # whatever importing other people's code raises
        raise SettingsError(point.name, point.value, f"the name of something that can be imported ({error})") from error
    if not (callable(getattr(found, "filtered", None)) and hasattr(found, "types")):
        raise SettingsError(point.name, point.value, "the name of an IBodyFilter")
    return found
