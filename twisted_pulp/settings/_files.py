"""Settings as TOML and JSON: read with a word on each mistake, written without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import attrs
import msgspec

from twisted_pulp.errors import SettingsError, shown
from twisted_pulp.settings._convert import CODE, NONE, SECRET, URLS, made

__all__ = ["read_settings", "write_settings"]

T = TypeVar("T")
Format = Literal["toml", "json"]
_PRIVATE = "PRIVATE KEY-----"


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
    return made(kind, data)  # type: ignore[no-any-return]  # a mistake is raised


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
    name = type(settings).__name__
    hidden = CODE | SECRET.get(name, frozenset())
    urls = URLS.get(name, frozenset())
    for each in attrs.fields(type(settings)):
        if not each.init or each.name in hidden:
            continue
        value = getattr(settings, each.name)
        if callable(value) or (
            isinstance(value, str) and (_PRIVATE in value or (each.name in urls and shown(value) != value))
        ):
            continue
        if attrs.has(type(value)):
            data[each.name] = _plain(value, format)
        elif isinstance(value, Mapping) and any(attrs.has(type(one)) for one in value.values()):
            data[each.name] = {name: _plain(one, format) for name, one in value.items()}
        elif value is not None:
            data[each.name] = _listed(value)
        elif format == "json" or each.default is not None:
            data[each.name] = None if format == "json" else NONE
    return data


def _secret(value: str, url: bool) -> bool:
    return _PRIVATE in value or (url and shown(value) != value)


def _listed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _listed(each) for name, each in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _toml(data: Mapping[str, Any], name: str = "") -> bytes:
    # JSON's scalars and lists of text are TOML's too.
    lines = [f"[{name}]\n".encode()] if name else []
    lines += [
        _key(key) + b" = " + msgspec.json.encode(value) + b"\n"
        for key, value in data.items()
        if not isinstance(value, dict)
    ]
    for key, value in data.items():
        if isinstance(value, dict):
            lines += [b"\n", _toml(value, f"{name}.{key}" if name else key)]
    return b"".join(lines)


def _key(name: str) -> bytes:
    bare = name.replace("-", "_").isidentifier() and name.isascii()
    return name.encode() if bare else msgspec.json.encode(name)
