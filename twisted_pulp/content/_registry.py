"""Which content types there are."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from twisted_pulp.errors import SettingsError

__all__ = ["content_type", "content_types"]

_GROUP = "twisted_pulp.content"
#: Those of this package are found without looking through everything that is installed, which takes its time.
_OURS = {"file": ("twisted_pulp.content.file", "FILE")}


def content_types() -> tuple[str, ...]:
    """Return the names of all content types, sorted; none of those of other projects is imported."""
    from importlib.metadata import entry_points

    return tuple(sorted({*_OURS, *entry_points(group=_GROUP).names}))


def content_type(name: str) -> Any:
    """
    Return the `IContentType` called *name*: one of this package, or of the entry points of the group
    `twisted_pulp.content`, whose names are those of their types.

    :raises SettingsError: when there is none, or more than one, or it is none after all.
    """
    ours = _OURS.get(name)
    if ours is not None:
        return getattr(import_module(ours[0]), ours[1])
    return _third_party(name)


def _third_party(name: str) -> Any:
    from importlib.metadata import entry_points

    points = {point.value: point for point in entry_points(group=_GROUP, name=name)}
    if not points:
        raise SettingsError("type", name, "one of " + ", ".join(content_types()))
    if len(points) > 1:
        raise SettingsError(name, ", ".join(sorted(points)), f"registered once in {_GROUP}")
    ((value, point),) = points.items()
    try:
        found = point.load()
    except Exception as error:  # whatever importing other people's code raises
        raise SettingsError(name, value, f"the name of something that can be imported ({error})") from error
    if getattr(found, "type", None) != name or not callable(getattr(found, "first_stage", None)):
        raise SettingsError(name, value, "the name of an IContentType whose type is that")
    return found
