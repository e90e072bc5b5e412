"""Plain data, as TOML, JSON or a command line has it, made into settings; each mistake has a name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args, get_origin, get_type_hints

import attrs
import msgspec

from twisted_pulp.errors import SettingsError
from twisted_pulp.settings._units import EXAMPLES, number_of

__all__ = ["CODE", "NONE", "SECRET", "URLS", "changed", "made"]

#: Class -> fields that are never written or shown, whatever they hold.
SECRET = {
    "Remote": frozenset({"username", "password", "token", "headers"}),
    "Proxy": frozenset({"username", "password"}),
    "TLS": frozenset({"client_key_password"}),
    "Settings": frozenset({"database"}),
}
#: Class -> fields with URLs that are not written when they hold a secret.
URLS = {"Settings": frozenset({"broker", "storage"})}
_SECRETS = frozenset[str]().union(*SECRET.values(), *URLS.values())
#: In code only: no text says them.
CODE = frozenset({"options"})
#: Stands for None: TOML has no null.
NONE = "none"
_BAD = object()


def _raised(error: SettingsError) -> None:
    raise error


def made(kind: Any, data: object, where: str = "", wrong: Callable[[SettingsError], None] = _raised) -> Any:
    """
    Return the settings of class *kind* that *data* stands for.

    :param data: a mapping, nested as the settings are.
    :param where: goes before the names of fields, with a dot at its end.
    :param wrong: called with each mistake; default: the first is raised.
    :returns: the settings; something else after a mistake that was not raised.
    :raises SettingsError: see *wrong*.
    """
    if not isinstance(data, Mapping):
        wrong(SettingsError(where.rstrip(".") or "settings", type(data).__name__, "a table"))
        return _BAD
    types, fields = get_type_hints(kind), _fields(kind)
    given, good = {}, True
    for name, value in data.items():
        if name in fields:
            given[name] = _converted(types[name], value, f"{where}{name}", wrong, fields[name].metadata.get("unit"))
            good = good and given[name] is not _BAD
        else:
            wrong(SettingsError(f"{where}{_key(name)}", "***", "one of " + ", ".join(fields)))
            good = False
    for name in fields.keys() - given.keys():
        if fields[name].default is attrs.NOTHING:
            wrong(SettingsError(f"{where}{name}", None, "given"))
            good = False
    for name, value in given.items():
        good = (value is _BAD or _alone(fields[name], value, where, wrong)) and good
    return _tried(lambda: kind(**given), where, wrong) if good else _BAD


def _fields(kind: Any) -> dict[str, Any]:
    return {each.name: each for each in attrs.fields(kind) if each.init and each.name not in CODE}


def _alone(attribute: Any, value: object, where: str, wrong: Callable[[SettingsError], None]) -> bool:
    """Return whether a field may have *value*, whatever the others have: of each that may not a word is to be said."""

    def check() -> bool:
        converted = value if attribute.converter is None else attribute.converter(value)
        if attribute.validator is not None:
            attribute.validator(None, attribute, converted)
        return True

    return _tried(check, where, wrong) is True


def _tried(make: Callable[[], Any], where: str, wrong: Callable[[SettingsError], None]) -> Any:
    try:
        return make()
    except SettingsError as error:
        if where and not error.field.startswith(where):
            error.field = where + error.field.removeprefix(where.split(".")[-2] + ".")
            error.args = (error.field, error.value, error.allowed)
        wrong(error)
        return _BAD


def _converted(
    kind: Any, value: object, name: str, wrong: Callable[[SettingsError], None], unit: str | None = None
) -> Any:
    if (value is None or value == NONE) and type(None) in get_args(kind):
        return None
    inner = next((each for each in (kind, *get_args(kind)) if attrs.has(each)), None)
    if inner is not None and get_origin(kind) is Mapping:
        if not isinstance(value, Mapping):
            return made(inner, value, f"{name}.", wrong)
        parts = {key: made(inner, each, f"{name}.{_key(key)}.", wrong) for key, each in value.items()}
        return _BAD if _BAD in parts.values() else parts
    if inner is not None:
        return made(inner, value, f"{name}.", wrong)
    if get_origin(kind) is tuple and isinstance(value, str):
        value = [value]
    try:
        return msgspec.convert(number_of(value, unit), kind)
    except msgspec.ValidationError as error:
        held = "***" if name.rpartition(".")[2] in _SECRETS else value
        choices = [
            str(each) for part in (kind, *get_args(kind)) if get_origin(part) is Literal for each in get_args(part)
        ]
        allowed = f"one of {', '.join(choices)}" if choices else EXAMPLES.get(unit, f"of the right type ({error})")
        wrong(SettingsError(name, held, allowed))
        return _BAD


def _key(name: str) -> str:
    return f'"{name}"' if "." in name else name


def changed(settings: Any, fields: Mapping[str, object], where: str = "") -> Any:
    """
    Return *settings* with other values.

    :param fields: name of a field, with dots into parts, as ``tls.verify`` -> its value; a mapping, as
        `Remote.headers`, gets what is new beside what it has.
    :raises SettingsError: naming the field.
    """
    types, known = get_type_hints(type(settings)), _fields(type(settings))
    new: dict[str, Any] = {}
    for name, value in _nested(fields).items():
        if name not in known:
            raise SettingsError(where + name, "***", "one of " + ", ".join(known))
        old = getattr(settings, name)
        if isinstance(value, Mapping) and attrs.has(type(old)):
            new[name] = changed(old, value, f"{where}{name}.")
        elif isinstance(value, Mapping) and isinstance(old, Mapping):
            new[name] = {**old, **_converted(types[name], value, where + name, _raised)}
        else:
            new[name] = _converted(types[name], value, where + name, _raised, known[name].metadata.get("unit"))
    return _tried(lambda: attrs.evolve(settings, **new), where, _raised)


def _nested(fields: Mapping[str, object]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in fields.items():
        inner, (*heads, last) = nested, name.split(".")
        for head in heads:
            inner = inner.setdefault(head, {})
            if not isinstance(inner, dict):
                raise SettingsError(name, "***", f"left out where there is {head}")
        inner[last] = value
    return nested
