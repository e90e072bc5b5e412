"""Settings as TOML and JSON: read with a word on each mistake, written without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar, get_args, get_type_hints

import attrs
import msgspec

from twisted_pulp.errors import SettingsError
from twisted_pulp.settings._remote import Remote

__all__ = ["read_settings", "write_settings"]

T = TypeVar("T")
Format = Literal["toml", "json"]
#: Of a Remote: never written, whatever they hold.
_SECRET = frozenset({"username", "password", "headers"})
# TOML has no null.
_NONE = "none"


def read_settings(kind: type[T], text: str | bytes, format: Format = "toml") -> T:
    """
    Return the settings of class *kind* that *text* holds.

    :param kind: `Remote`, or one of its parts.
    :param format: "toml" (default) or "json"; in both, "none" stands for None where that is allowed.
    :raises SettingsError: naming the field, what it was and what it may be.
    """
    decode = msgspec.toml.decode if format == "toml" else msgspec.json.decode
    try:
        data = decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SettingsError(format, str(error), f"valid {format.upper()}") from error
    return _made(kind, data, "")


def _made(kind: type[T], data: object, where: str) -> T:
    if not isinstance(data, Mapping):
        raise SettingsError(where or "settings", type(data).__name__, "a table")
    types = get_type_hints(kind)
    names = [each.name for each in attrs.fields(kind) if each.init]  # type: ignore[arg-type]
    given = {}
    for name, value in data.items():
        if name not in names:
            raise SettingsError(f"{where}{name}", "***", "one of " + ", ".join(names))
        given[name] = _converted(types[name], value, f"{where}{name}")
    try:
        return kind(**given)
    except SettingsError as error:
        if not where or error.field.startswith(where):
            raise
        raise SettingsError(where + error.field, error.value, error.allowed) from error


def _converted(kind: Any, value: object, name: str) -> object:
    if attrs.has(kind):
        return _made(kind, value, f"{name}.")
    if value == _NONE and type(None) in get_args(kind):
        return None
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        held = "***" if name.rpartition(".")[2] in _SECRET else value
        raise SettingsError(name, held, f"of the right type ({error})") from error


def write_settings(settings: Any, format: Format = "toml") -> bytes:
    """
    Return *settings* as text that `read_settings` reads, without user names, passwords and headers.

    :param settings: an instance of `Remote`, or of one of its parts.
    """
    data = _plain(settings, format)
    if format == "json":
        return msgspec.json.format(msgspec.json.encode(data), indent=2) + b"\n"
    return _toml(data)


def _plain(settings: Any, format: Format) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for each in attrs.fields(type(settings)):
        if not each.init or (each.name in _SECRET and isinstance(settings, Remote)):
            continue
        value = getattr(settings, each.name)
        if attrs.has(type(value)):
            data[each.name] = _plain(value, format)
        elif value is not None:
            data[each.name] = list(value) if isinstance(value, tuple) else value
        elif format == "json" or each.default is not None:
            data[each.name] = None if format == "json" else _NONE
    return data


def _toml(data: Mapping[str, Any], name: str = "") -> bytes:
    # JSON's scalars and lists of text are TOML's too.
    lines = [f"[{name}]\n".encode()] if name else []
    lines += [
        key.encode() + b" = " + msgspec.json.encode(value) + b"\n"
        for key, value in data.items()
        if not isinstance(value, dict)
    ]
    for key, value in data.items():
        if isinstance(value, dict):
            lines += [b"\n", _toml(value, f"{name}.{key}" if name else key)]
    return b"".join(lines)
