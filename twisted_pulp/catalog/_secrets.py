"""A Remote in two parts: what may be seen, and what may not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args, get_origin, get_type_hints

import attrs
import msgspec

from twisted_pulp.errors import SettingsError, shown
from twisted_pulp.settings import Remote, write_settings

__all__ = ["joined", "parted"]

Plain = dict[str, Any]


def parted(remote: Remote) -> tuple[Plain, Plain]:
    """
    Return what may be seen of *remote*, and the rest, as plain data.

    A URL with a query is seen without the values in it.

    :raises SettingsError: it has something that exists in code only.
    """
    return _parted(_plain(remote), msgspec.json.decode(write_settings(remote, "json")))


def joined(seen: Mapping[str, Any], secret: Mapping[str, Any]) -> Remote:
    """Return the Remote that both parts are of."""
    remote = _built(Remote, _merged(seen, secret))
    assert isinstance(remote, Remote)
    return remote


def _plain(settings: Any, where: str = "") -> Plain:
    data: Plain = {}
    for each in attrs.fields(type(settings)):
        if not each.init:
            continue
        value = getattr(settings, each.name)
        name = f"{where}{each.name}"
        if attrs.has(type(value)):
            data[each.name] = _plain(value, f"{name}.")
        elif each.name == "options" and value is None:
            continue
        elif callable(value) or each.name == "options":
            raise SettingsError(name, "an object", "left out of a remote that is kept, or said in text")
        else:
            data[each.name] = msgspec.to_builtins(value, enc_hook=_mapping)
    return data


def _mapping(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _plain(each) if attrs.has(type(each)) else each for name, each in value.items()}
    raise TypeError(f"{type(value).__name__} is no plain data")


def _parted(full: Plain, seen: Plain) -> tuple[Plain, Plain]:
    kept, secret = {}, {}
    for name, value in full.items():
        if name not in seen:
            if value:
                secret[name] = value
            continue
        kept[name] = value
        if isinstance(value, dict) and isinstance(seen[name], dict):
            kept[name], inner = _parted(value, seen[name])
            if inner:
                secret[name] = inner
        elif (visible := _visible(value)) != value:
            kept[name], secret[name] = visible, value
    return kept, secret


def _visible(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_visible(each) for each in value)
    return shown(value) if isinstance(value, str) and "://" in value else value


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> Plain:
    merged = dict(one)
    for name, value in other.items():
        inner = merged.get(name)
        merged[name] = _merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


def _built(kind: Any, data: Mapping[str, Any]) -> Any:
    hints = get_type_hints(kind)
    return kind(**{name: _value(hints[name], value) for name, value in data.items()})


def _value(kind: Any, value: Any) -> Any:
    inner = next((each for each in (kind, *get_args(kind)) if attrs.has(each)), None)
    if isinstance(value, dict) and inner is not None:
        if get_origin(kind) is Mapping:
            return {name: _built(inner, each) for name, each in value.items()}
        return _built(inner, value)
    if isinstance(value, dict):
        return {name: _value(None, each) for name, each in value.items()}
    return tuple(value) if isinstance(value, list) else value
